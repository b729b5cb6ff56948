package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// env returns a getenv over pairs of name and value.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoadEmptyEnvironment(t *testing.T) {
	cfg, err := Load(env())
	if err != nil {
		t.Fatalf("Load of an empty environment: %v", err)
	}
	if cfg.Port != 3000 || cfg.ShutdownTimeout != 10*time.Second || cfg.PingInterval != 25*time.Second || cfg.PingTimeout != 20*time.Second {
		t.Errorf("defaults = port %d, shutdown %v, ping %v/%v, want 3000, 10s, 25s/20s", cfg.Port, cfg.ShutdownTimeout, cfg.PingInterval, cfg.PingTimeout)
	}
	if cfg.MaxPayloadBytes != 1_000_000 || cfg.MaxOutboxBytes != 4<<20 {
		t.Errorf("defaults = payload %d, outbox %d, want 1000000, 4 MiB", cfg.MaxPayloadBytes, cfg.MaxOutboxBytes)
	}
	if got := cfg.Origins(); !got.Any() {
		t.Errorf("origins without a setting = %v, want every origin", got)
	}
	if !reflect.DeepEqual(cfg, Default()) {
		t.Error("Default() differs from Load of an empty environment")
	}
	if w := cfg.Warnings(); len(w) != 0 {
		t.Errorf("warnings about the defaults: %v", w)
	}
}

func TestLoadFault(t *testing.T) {
	tests := map[string]struct {
		name, value string
		want        string
	}{
		"port that is a word":           {"PORT", "http", `PORT="http": not a whole number; write a number from 0 to 65535`},
		"port out of range":             {"PORT", "70000", `PORT="70000": out of range; write a number from 0 to 65535`},
		"duration without unit":         {"PING_INTERVAL", "25000", `PING_INTERVAL="25000": the unit is missing; write 25000s, or 25000ms for milliseconds`},
		"duration that is a word":       {"PING_TIMEOUT", "soon", `PING_TIMEOUT="soon": not a duration; write a number and its unit, such as 20s`},
		"negative duration":             {"SHUTDOWN_TIMEOUT", "-1s", `SHUTDOWN_TIMEOUT="-1s": out of range; write 100ms to 10m`},
		"size that is a word":           {"MAX_OUTBOX_BYTES", "big", `MAX_OUTBOX_BYTES="big": not a size; write a number of bytes such as 1000000, or 1MB, or 4MiB`},
		"size beyond 64 bits":           {"MAX_PAYLOAD_BYTES", "99999999999GiB", `MAX_PAYLOAD_BYTES="99999999999GiB": not a size; write a number of bytes such as 1000000, or 1MB, or 4MiB`},
		"rate that is no number":        {"HANDSHAKES_PER_SECOND", "NaN", `HANDSHAKES_PER_SECOND="NaN": not a number; write a number from 0 to 1000000`},
		"infinite rate":                 {"HANDSHAKES_PER_SECOND", "Inf", `HANDSHAKES_PER_SECOND="Inf": out of range; write a number from 0 to 1000000`},
		"neither true nor false":        {"METRICS", "maybe", `METRICS="maybe": write true or false`},
		"unknown level":                 {"LOG_LEVEL", "loud", `LOG_LEVEL="loud": write debug, info, warn or error`},
		"unknown format":                {"LOG_FORMAT", "xml", `LOG_FORMAT="xml": write text or json`},
		"unknown transport":             {"TRANSPORTS", "polling,webtransport", `TRANSPORTS="polling,webtransport": "webtransport" is not a transport; write polling, websocket, or both with a comma between`},
		"origin with a slash":           {"ALLOWED_ORIGINS", "https://a.example/", `ALLOWED_ORIGINS="https://a.example/": https://a.example/ is more than an origin; write https://a.example`},
		"origin without scheme":         {"ALLOWED_ORIGINS", "a.example:8080", `ALLOWED_ORIGINS="a.example:8080": a.example:8080 has no scheme; write https://a.example:8080`},
		"two faults in one list":        {"ALLOWED_ORIGINS", "a.example,https://b.example/x", `ALLOWED_ORIGINS="a.example,https://b.example/x": a.example has no scheme; write https://a.example; https://b.example/x is more than an origin; write https://b.example`},
		"wildcard in a host":            {"ALLOWED_ORIGINS", "https://*.example", `ALLOWED_ORIGINS="https://*.example": https://*.example: parts of a host cannot be left open; write each origin, or * alone`},
		"star beside a list":            {"ALLOWED_ORIGINS", "*,https://a.example", `ALLOWED_ORIGINS="*,https://a.example": * beside other origins; write either * or the origins, since only a list allows cookies`},
		"commas alone":                  {"ALLOWED_ORIGINS", " , ", `ALLOWED_ORIGINS=",": no origin in it; write https://app.example.com, or * for all`},
		"password in an origin":         {"ALLOWED_ORIGINS", "https://u:hush@a.example", `https://a.example is more than an origin; write https://a.example`},
		"words for an origin":           {"ALLOWED_ORIGINS", "our web app", `ALLOWED_ORIGINS="our web app": our web app is not an origin; write scheme and host, such as https://app.example.com`},
		"path without a slash":          {"SOCKETIO_PATHS", "realtime", `SOCKETIO_PATHS="realtime": "realtime" is no path for Socket.IO; write /realtime/socket.io`},
		"path that is everything":       {"SOCKETIO_PATHS", "/", `"/" is no path for Socket.IO`},
		"path of the API":               {"SOCKETIO_PATHS", "/api/socket.io", `"/api/socket.io" is no path for Socket.IO`},
		"path that is escaped":          {"SOCKETIO_PATHS", "/a%20b", `"/a%20b" is no path for Socket.IO`},
		"path with dots":                {"SOCKETIO_PATHS", "/a/../b", `"/a/../b" is no path for Socket.IO`},
		"cookie with a space":           {"SESSION_COOKIE", "my io", `SESSION_COOKIE="my io": not the name of a cookie; write io`},
		"two origins for the endpoint":  {"ENDPOINT", "https://a.example,https://b.example", `write one origin here, and lists into ALLOWED_ORIGINS`},
		"proxy that is a name":          {"TRUSTED_PROXIES", "proxy.internal", `TRUSTED_PROXIES="proxy.internal": proxy.internal is neither an address nor a network; write 10.0.0.0/8, 10.1.2.3, a number of proxies, or heroku`},
		"too many proxies":              {"TRUSTED_PROXIES", "1000", `TRUSTED_PROXIES="1000": write the number of proxies in front of the server, 0 to 16`},
		"debug address without a port":  {"DEBUG_ADDR", "127.0.0.1", `DEBUG_ADDR="127.0.0.1": not an address with a port; write 127.0.0.1:6060`},
		"long value is cut":             {"PORT", strings.Repeat("9", 100), `PORT="` + strings.Repeat("9", 60) + `"...: not a whole number`},
		"tokens nothing can verify":     {"REQUIRE_AUTH", "true", `REQUIRE_AUTH=true: nothing can verify a token; set JWT_SECRET`},
		"a mode that is none":           {"REDIS_MODE", "cluster", `REDIS_MODE="cluster": write classic or sharded`},
		"a prefix with braces":          {"REDIS_PREFIX", "{app}", `REDIS_PREFIX="{app}": no braces`},
		"a delay that is everything":    {"DRAIN_DELAY", "10s", `DRAIN_DELAY=10s: all of SHUTDOWN_TIMEOUT, 10s; write a shorter one, or make that longer`},
		"zero namespaces":               {"MAX_NAMESPACES_PER_CLIENT", "0", `MAX_NAMESPACES_PER_CLIENT="0": out of range; write a number from 1 to 10000`},
		"history without room for one":  {"HISTORY_BYTES", "64KiB", `HISTORY_BYTES=65536: too little; write 1MiB or more, or 0 for the default`},
		"history of no messages":        {"HISTORY_ROOM_MESSAGES", "0", `HISTORY_ROOM_MESSAGES="0": out of range; write a number from 1 to 1000000`},
		"payload limit below any event": {"MAX_PAYLOAD_BYTES", "10", `MAX_PAYLOAD_BYTES="10": out of range; write 1000 to 1000000000`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(env(tt.name, tt.value))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Load(%s=%s) = %v, want %s", tt.name, tt.value, err, tt.want)
			}
		})
	}
}

func TestLoadReportsEveryFault(t *testing.T) {
	_, err := Load(env("PORT", "x", "PING_INTERVAL", "y", "ALLOWED_ORIGINS", "z", "METRICS", "w"))
	if err == nil {
		t.Fatal("Load accepted four faults")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 4 {
		t.Errorf("Load reported %d faults, want 4:\n%v", len(lines), err)
	}
}

func TestLoadValue(t *testing.T) {
	tests := map[string]struct {
		name, value string
		got         func(Config) any
		want        any
	}{
		"duration":                   {"PING_INTERVAL", "1m30s", func(c Config) any { return c.PingInterval }, 90 * time.Second},
		"spaces around":              {"PORT", " 8080 ", func(c Config) any { return c.Port }, 8080},
		"port 0":                     {"PORT", "0", func(c Config) any { return c.Port }, 0},
		"size in bytes":              {"MAX_PAYLOAD_BYTES", "2_000_000", func(c Config) any { return c.MaxPayloadBytes }, Bytes(2_000_000)},
		"size in powers of 1024":     {"MAX_OUTBOX_BYTES", "8 MiB", func(c Config) any { return c.MaxOutboxBytes }, Bytes(8 << 20)},
		"size in powers of 1000":     {"MAX_OUTBOX_BYTES", "8MB", func(c Config) any { return c.MaxOutboxBytes }, Bytes(8_000_000)},
		"rate with a fraction":       {"HANDSHAKES_PER_SECOND", "0.5", func(c Config) any { return c.HandshakesPerSecond }, 0.5},
		"off":                        {"METRICS", "off", func(c Config) any { return c.Metrics }, false},
		"format in capitals":         {"LOG_FORMAT", "JSON", func(c Config) any { return c.LogFormat }, "json"},
		"one transport":              {"TRANSPORTS", "websocket", func(c Config) any { return c.Transports }, Transports{"websocket"}},
		"transport twice":            {"TRANSPORTS", "websocket, WebSocket", func(c Config) any { return c.Transports }, Transports{"websocket"}},
		"star":                       {"ALLOWED_ORIGINS", "*", func(c Config) any { return c.Origins() }, Origins{"*"}},
		"list of origins":            {"ALLOWED_ORIGINS", "https://a.example, http://localhost:3000,", func(c Config) any { return c.Origins() }, Origins{"https://a.example", "http://localhost:3000"}},
		"capitals and default port":  {"ALLOWED_ORIGINS", "HTTPS://A.Example:443", func(c Config) any { return c.Origins() }, Origins{"https://a.example"}},
		"page without an origin":     {"ALLOWED_ORIGINS", "null", func(c Config) any { return c.Origins() }, Origins{"null"}},
		"app with its own scheme":    {"ALLOWED_ORIGINS", "capacitor://localhost", func(c Config) any { return c.Origins() }, Origins{"capacitor://localhost"}},
		"local files of an app":      {"ALLOWED_ORIGINS", "https://app.example.com,file://", func(c Config) any { return c.Origins() }, Origins{"https://app.example.com", "file://"}},
		"app with a path":            {"ALLOWED_ORIGINS", "App:///", func(c Config) any { return c.Origins() }, Origins{"app:///"}},
		"endpoint alone":             {"ENDPOINT", "https://chat.example", func(c Config) any { return c.Origins() }, Origins{"https://chat.example"}},
		"endpoint that is a star":    {"ENDPOINT", "*", func(c Config) any { return c.Origins() }, Origins{"*"}},
		"proxies by number":          {"TRUSTED_PROXIES", "2", func(c Config) any { return c.TrustedProxies.Hops }, 2},
		"heroku":                     {"TRUSTED_PROXIES", "heroku", func(c Config) any { return c.TrustedProxies.Hops }, 1},
		"proxies by network":         {"TRUSTED_PROXIES", "10.0.0.0/8, ::1", func(c Config) any { return len(c.TrustedProxies.Networks) }, 2},
		"debug address":              {"DEBUG_ADDR", "127.0.0.1:6060", func(c Config) any { return c.DebugAddr }, "127.0.0.1:6060"},
		"paths of Socket.IO":         {"SOCKETIO_PATHS", "/socket.io,/realtime/socket.io/, /a", func(c Config) any { return c.SocketIOPaths }, Paths{"/realtime/socket.io", "/a"}},
		"path that everybody has":    {"SOCKETIO_PATHS", "/socket.io/", func(c Config) any { return c.SocketIOPaths }, Paths(nil)},
		"session cookie":             {"SESSION_COOKIE", "io", func(c Config) any { return c.SessionCookie }, CookieName("io")},
		"text stays as it was typed": {"CLIENT_DIST", "/srv/Client Dist", func(c Config) any { return c.ClientDist }, "/srv/Client Dist"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(env(tt.name, tt.value))
			if err != nil {
				t.Fatalf("Load(%s=%s): %v", tt.name, tt.value, err)
			}
			if got := tt.got(cfg); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Load(%s=%s) = %v, want %v", tt.name, tt.value, got, tt.want)
			}
		})
	}
}

func TestOriginsOfBothSettings(t *testing.T) {
	cfg, err := Load(env("ALLOWED_ORIGINS", "https://a.example", "ENDPOINT", "https://b.example"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Origins(), (Origins{"https://a.example", "https://b.example"}); !reflect.DeepEqual(got, want) {
		t.Errorf("Origins() = %v, want %v", got, want)
	}
	if len(cfg.AllowedOrigins) != 1 {
		t.Errorf("Origins() changed ALLOWED_ORIGINS to %v", cfg.AllowedOrigins)
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		env  []string
		want string
	}{
		"outbox below one message": {[]string{"MAX_OUTBOX_BYTES", "100kB"}, "MAX_OUTBOX_BYTES=100000 is less than MAX_PAYLOAD_BYTES=1000000"},
		"short key":                {[]string{"API_KEY", "hush"}, "API_KEY has 4 bytes, at least 16 are good"},
		"pages without an origin":  {[]string{"ALLOWED_ORIGINS", "https://app.example.com,null"}, "null lets pages of every website connect"},
		"short metrics token":      {[]string{"METRICS_TOKEN", "hush"}, "METRICS_TOKEN has 4 bytes, at least 16 are good"},
		"tokens of every app":      {[]string{"JWKS_URL", "https://id.example/keys"}, "JWKS_URL without JWT_AUDIENCE takes the tokens"},
		"everybody a proxy":        {[]string{"TRUSTED_PROXIES", "0.0.0.0/0"}, "TRUSTED_PROXIES is everybody"},
		"token for nothing":        {[]string{"METRICS", "false", "METRICS_TOKEN", "hush"}, "METRICS_TOKEN does nothing"},
		"old clients, by address":  {[]string{"ALLOW_EIO3", "true"}, "ALLOW_EIO3 without TRUSTED_PROXIES"},
		"password in the clear": {[]string{"SIGNALBOX_ENV", "production", "ADMIN_UI_USER", "admin", "ADMIN_UI_PASSWORD", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
			"ALLOWED_ORIGINS", "https://admin.socket.io", "REQUIRE_AUTH", "true", "JWT_SECRET", strings.Repeat("0123456789abcdef", 2), "METRICS", "false"}, "ADMIN_UI_USER without TLS"},
		"debug address for everyone": {[]string{"DEBUG_ADDR", ":6060"}, "DEBUG_ADDR=:6060 may be reached from other machines"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, err := Load(env(tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			w := cfg.Warnings()
			if len(w) != 1 || !strings.Contains(w[0], tt.want) {
				t.Errorf("Warnings() = %q, want one with %q", w, tt.want)
			}
		})
	}
	for _, addr := range []string{"127.0.0.1:1", "localhost:1", "[::1]:1"} {
		if w := (Config{DebugAddr: addr, Metrics: true}).Warnings(); len(w) != 0 {
			t.Errorf("Warnings() with DEBUG_ADDR=%s = %q, want none", addr, w)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "1", "1s", "1MiB", "*", "https://a.example", "10.0.0.0/8", "heroku", "-", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		// Whatever one value is given to all of them: an error or values in range, never a panic.
		cfg, err := Load(func(string) string { return value })
		if err == nil && (cfg.Port < 0 || cfg.PingInterval <= 0 || cfg.MaxPayloadBytes <= 0) {
			t.Errorf("Load(%q everywhere) = %+v without an error", value, cfg)
		}
	})
}

func TestSpread(t *testing.T) {
	for name, tc := range map[string]struct {
		env  []string
		want time.Duration
	}{
		"alone":                 {nil, 0},
		"in a cluster":          {[]string{"REDIS_URL", "redis://127.0.0.1"}, 3 * time.Second},
		"with little time":      {[]string{"REDIS_URL", "redis://127.0.0.1", "SHUTDOWN_TIMEOUT", "3s", "DRAIN_DELAY", "1s"}, time.Second},
		"with a spread of none": {[]string{"REDIS_URL", "redis://127.0.0.1", "DRAIN_SPREAD", "0s"}, 0},
	} {
		cfg, err := Load(env(tc.env...))
		if err != nil || cfg.Spread() != tc.want {
			t.Errorf("%s: Spread() = %v, %v, want %v", name, cfg.Spread(), err, tc.want)
		}
	}
}

func TestHistoryFileInACluster(t *testing.T) {
	_, err := Load(env("REDIS_URL", "redis://u:hush@127.0.0.1", "HISTORY_DB", "/x/h.db"))
	if err == nil || !strings.Contains(err.Error(), "HISTORY_DB with REDIS_URL") || strings.Contains(err.Error(), "hush") {
		t.Errorf("Load = %v, want a fault that names both settings and no password", err)
	}
}
