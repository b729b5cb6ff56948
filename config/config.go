package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Config holds every setting. It is a value: a copy is safe to keep and to change. The doc tag of a field is its
// documentation; default, min and max are what [Load] fills in and checks; group begins a part of the documentation.
type Config struct {
	Host              string        `group:"Where it listens and how it stops" env:"HOST" doc:"address to listen on; empty: all interfaces"`
	Port              int           `env:"PORT" default:"3000" min:"0" max:"65535" doc:"TCP port; 0 picks a free one"`
	Listen            Addresses     `env:"LISTEN" doc:"where to listen, several with commas between, in place of HOST and PORT: :3000, 127.0.0.1:3000, unix:/run/signalbox.sock for a proxy on this machine, systemd for the sockets of a .socket unit"`
	ListenSocketMode  FileMode      `env:"LISTEN_SOCKET_MODE" default:"0660" doc:"who may connect to the unix sockets of LISTEN, as chmod takes it"`
	ProxyProtocol     bool          `env:"PROXY_PROTOCOL" default:"false" doc:"the proxies of TRUSTED_PROXIES begin each connection with a PROXY header, version 1 or 2, which names the client's address; from others none is read"`
	TLSCertFile       string        `env:"TLS_CERT_FILE" doc:"certificate with its chain, PEM: the TCP ports of LISTEN or PORT speak TLS. It and its key are read again when they change, and on SIGHUP. Empty: no TLS"`
	TLSKeyFile        string        `env:"TLS_KEY_FILE" doc:"private key of TLS_CERT_FILE, PEM"`
	TLSDomains        Domains       `env:"TLS_DOMAINS" doc:"names to get certificates for by ACME, as from Let's Encrypt, in place of TLS_CERT_FILE; commas between. That agrees to the authority's terms. The ports must be reached from the Internet as 443, or TLS_REDIRECT as 80"`
	TLSCache          string        `env:"TLS_CACHE" doc:"folder that keeps the certificates of TLS_DOMAINS over a restart, such as /var/lib/signalbox/acme; needed with TLS_DOMAINS"`
	TLSACMEURL        string        `env:"TLS_ACME_URL" default:"https://acme-v02.api.letsencrypt.org/directory" doc:"directory of the ACME authority; one with a certificate of your own is trusted by SSL_CERT_FILE"`
	TLSRedirect       Addresses     `env:"TLS_REDIRECT" doc:"one more port without TLS, such as :80, that sends browsers to https and answers what an ACME authority asks; empty: none"`
	ShutdownTimeout   time.Duration `env:"SHUTDOWN_TIMEOUT" default:"10s" min:"100ms" max:"10m" doc:"from SIGTERM or SIGINT to the end of the process; what is not finished then is cut. Heroku kills after 30 s"`
	HeaderReadTimeout time.Duration `env:"HEADER_READ_TIMEOUT" default:"10s" min:"100ms" max:"10m" doc:"for a connection to send its first request's header, and for each later header once it has begun; then it is closed"`
	BodyReadTimeout   time.Duration `env:"BODY_READ_TIMEOUT" default:"30s" min:"100ms" max:"10m" doc:"for a request to send its body; then it is answered with 408 and closed"`

	AllowedOrigins Origins  `group:"Who may connect" env:"ALLOWED_ORIGINS" live:"true" doc:"web origins that may connect, separated by commas, such as https://app.example.com, or file:// and capacitor://localhost for apps; * is every origin, without cookies. Empty, and ENDPOINT too: *"`
	Endpoint       Origins  `env:"ENDPOINT" live:"true" single:"true" doc:"one more origin, beside those of ALLOWED_ORIGINS"`
	TrustedProxies Proxies  `env:"TRUSTED_PROXIES" doc:"whose X-Forwarded-For names the client's address: a list of addresses or networks such as 10.0.0.0/8, or the number of proxies in front, or heroku (1). Empty: nobody's, the address of the TCP connection counts"`
	Env            string   `env:"SIGNALBOX_ENV" default:"development" oneof:"development,production" doc:"production: do not start while something is open that ALLOW_OPEN does not name"`
	AllowOpen      Openings `env:"ALLOW_OPEN" doc:"what may be open in production, names with commas between: origins (pages of every website connect), root (no token on / and /ws), tap, events, metrics, audience (JWKS_URL without JWT_AUDIENCE), hooks (HOOKS_URL without https), traces (OTEL_EXPORTER_OTLP_HEADERS without https)"`

	JWTSecret        Secret        `group:"Who is who" env:"JWT_SECRET" live:"replace" doc:"verifies tokens signed with HS256: 16 bytes or more, 32 are good. Without it and JWKS_URL one is made up for each run"`
	JWKSURL          string        `env:"JWKS_URL" doc:"where the keys of tokens signed with RS256 or ES256 are, such as https://login.example.com/.well-known/jwks.json"`
	JWTIssuer        string        `env:"JWT_ISSUER" doc:"what the claim iss of a token must be; empty: anything"`
	JWTAudience      string        `env:"JWT_AUDIENCE" doc:"what the claim aud of a token must name; empty: anything"`
	JWTRequireExp    bool          `env:"JWT_REQUIRE_EXP" default:"false" doc:"refuse tokens without the claim exp, which never end"`
	JWTLeeway        time.Duration `env:"JWT_LEEWAY" default:"5s" min:"1s" max:"1m" doc:"how far the clocks of those who make tokens may be ahead: for the claims nbf and iat. exp has none"`
	RequireAuth      bool          `env:"REQUIRE_AUTH" default:"false" doc:"ask for a token on /, /ws, /tap and /events too; /chat, /demo, /notification and the streams of users and rooms always do"`
	AuthPingInterval time.Duration `env:"AUTH_PING_INTERVAL" default:"5s" min:"10ms" max:"24h" doc:"between two pings on /demo and /notification, and for a client there to prove who it is"`

	Transports     Transports    `group:"Socket.IO" env:"TRANSPORTS" default:"polling,websocket" doc:"transports a client may use; websocket alone needs no session affinity"`
	SocketIOPaths  Paths         `env:"SOCKETIO_PATHS" doc:"paths of Socket.IO beside /socket.io, which always is one: /realtime/socket.io, several with commas between. Each is there with a slash at its end and without"`
	SessionCookie  CookieName    `env:"SESSION_COOKIE" doc:"name of a cookie with the session id that the answer to a handshake by polling sets, such as io, for load balancers that go by it; empty: none"`
	AllowEIO3      bool          `env:"ALLOW_EIO3" default:"false" doc:"let clients of Engine.IO 3 in, which are socket.io-client 1 and 2 and their like. The socket id of such a client, which others see, is its session id: read docs/deploy.md first"`
	PingInterval   time.Duration `env:"PING_INTERVAL" default:"25s" min:"10ms" max:"24h" doc:"between two heartbeats to a client"`
	PingTimeout    time.Duration `env:"PING_TIMEOUT" default:"20s" min:"10ms" max:"24h" doc:"for a client to answer a heartbeat; then it is gone"`
	ConnectTimeout time.Duration `env:"CONNECT_TIMEOUT" default:"45s" min:"10ms" max:"24h" doc:"for a connection that is in no namespace to join one; then it is closed"`
	UpgradeTimeout time.Duration `env:"UPGRADE_TIMEOUT" default:"10s" min:"10ms" max:"24h" doc:"for a client to finish its upgrade from polling to websocket; then it stays on polling"`
	WriteTimeout   time.Duration `env:"WRITE_TIMEOUT" default:"10s" min:"10ms" max:"24h" doc:"for a blocked write to make progress; then the client is disconnected"`

	MaxPayloadBytes        Bytes   `group:"Limits" env:"MAX_PAYLOAD_BYTES" live:"true" default:"1000000" min:"1000" max:"1000000000" doc:"size of one message from a client, on both transports"`
	CompressBytes          Bytes   `env:"COMPRESS_BYTES" live:"true" default:"0" min:"0" max:"1000000000" doc:"messages to websockets from this size on are compressed, for clients that offer permessage-deflate, as browsers do, and theirs may be compressed; 1024 is a good value. 0: none are"`
	MaxOutboxBytes         Bytes   `env:"MAX_OUTBOX_BYTES" live:"true" default:"4194304" min:"10000" max:"1000000000" doc:"what may wait to be sent to one client; a client over it is disconnected"`
	MaxConnections         int     `env:"MAX_CONNECTIONS" live:"true" default:"0" min:"0" max:"10000000" doc:"clients at the same time; 0: as many as the limit of open files (ulimit -n) allows, which holds in any case: less a twentieth for everything else, a client that polls takes three until it has upgraded, others one"`
	MaxConnectionsPerIP    int     `env:"MAX_CONNECTIONS_PER_IP" live:"true" default:"0" min:"0" max:"10000000" doc:"clients at the same time from one address; 0: no limit. Behind a proxy set TRUSTED_PROXIES first"`
	HandshakesPerSecond    float64 `env:"HANDSHAKES_PER_SECOND" live:"true" default:"0" min:"0" max:"1000000" doc:"new connections per second from one address; 0: no limit. Behind a proxy set TRUSTED_PROXIES first"`
	MaxNamespacesPerClient int     `env:"MAX_NAMESPACES_PER_CLIENT" default:"16" min:"1" max:"10000" doc:"namespaces one connection may be in"`
	MaxRoomsPerClient      int     `env:"MAX_ROOMS_PER_CLIENT" default:"1000" min:"1" max:"1000000" doc:"rooms one client may be in"`
	MaxEventsPerSecond     float64 `env:"MAX_EVENTS_PER_SECOND" live:"true" default:"20000" min:"0" max:"1000000" doc:"events per second from one connection, twice as many at once; one that sends faster is made to wait, and loses nothing; 0: no limit"`

	Recovery      Namespaces    `group:"Clients that are cut" env:"RECOVERY" doc:"connection state recovery: true, or a list of namespaces such as /,/chat. A client that is cut comes back as who it was, in its rooms, with what it missed; each event has its offset as one more last argument, which listeners get too. Empty: each is a new one"`
	RecoveryTime  time.Duration `env:"RECOVERY_TIME" default:"2m" min:"100ms" max:"24h" doc:"with RECOVERY: how long a client may be away; then it has left"`
	RecoveryBytes Bytes         `env:"RECOVERY_BYTES" default:"64MiB" min:"1MiB" max:"64GiB" doc:"with RECOVERY: what sessions and the messages kept for them may take; the oldest messages go first, those of a room over a quarter of it before others"`

	HistoryDB           string `group:"What is remembered of rooms" env:"HISTORY_DB" doc:"file to keep the messages of rooms in, such as /var/lib/signalbox/history.db; it is made where it is missing, its folder is not. Empty: they are in memory and end with the process"`
	HistoryRoomMessages int    `env:"HISTORY_ROOM_MESSAGES" default:"1000" min:"1" max:"1000000" doc:"messages kept of one room; the oldest go first"`
	HistoryRoomBytes    Bytes  `env:"HISTORY_ROOM_BYTES" default:"4MiB" min:"1KiB" max:"1GiB" doc:"what the messages kept of one room may take; the oldest go first. A message that is larger by itself is delivered and not kept"`
	HistoryMessages     int    `env:"HISTORY_MESSAGES" default:"0" min:"0" max:"1000000000" doc:"messages kept of all rooms; the rooms that waited longest for a new one go first. 0: 200000, with HISTORY_DB 5000000"`
	HistoryBytes        Bytes  `env:"HISTORY_BYTES" default:"0" min:"0" max:"1024GiB" doc:"what the messages kept of all rooms may take, 1MiB at least; the rooms that waited longest for a new one go first. 0: 64MiB, with HISTORY_DB 1GiB on disk, and up to 64MiB more for what is being written"`

	RedisURL       Secret        `group:"Several servers" env:"REDIS_URL" doc:"Redis that makes servers one cluster: redis://[user:password@]host:port[/db], rediss:// with TLS; redis+sentinel://host:port,host:port/master and redis+cluster://host:port,host:port for these (rediss+sentinel, rediss+cluster with TLS). Empty: this server is alone"`
	RedisPrefix    string        `env:"REDIS_PREFIX" default:"socket.io" doc:"what the cluster's channels and keys begin with: the option key of @socket.io/redis-adapter; the same on all servers"`
	RedisMode      string        `env:"REDIS_MODE" default:"classic" oneof:"classic,sharded,streams" doc:"classic: as createAdapter of @socket.io/redis-adapter, any Redis; sharded: as its createShardedAdapter, Redis 7; streams: as @socket.io/redis-streams-adapter, Redis 5, one order for all. The same on all servers, Node's among them"`
	RedisStreamMax int           `env:"REDIS_STREAM_MAXLEN" default:"10000" min:"100" max:"100000000" doc:"with REDIS_MODE=streams: about how many messages the stream keeps, for clients that come back; the option maxLen of @socket.io/redis-streams-adapter, the same on all servers"`
	RedisTLSVerify bool          `env:"REDIS_TLS_VERIFY" default:"true" doc:"false takes any certificate of a Redis with TLS: Heroku's are self-signed"`
	HandoverGrace  time.Duration `env:"HANDOVER_GRACE" default:"10s" min:"0s" max:"10m" doc:"with REDIS_URL: how long the users of a server that stops stay in lists, to come back on another one; then they have left"`
	DrainDelay     time.Duration `env:"DRAIN_DELAY" default:"0s" min:"0s" max:"10m" doc:"from SIGTERM, when /readyz turns to 503, until clients are told to go: what the load balancer takes to notice. It is a part of SHUTDOWN_TIMEOUT"`
	DrainSpread    time.Duration `env:"DRAIN_SPREAD" default:"3s" min:"0s" max:"10m" doc:"with REDIS_URL: the time over which the clients of a server that stops are handed over, in waves, so that they do not all come to the others at once; at most half of SHUTDOWN_TIMEOUT"`
	NodeURL        NodeURL       `env:"NODE_URL" doc:"with REDIS_URL: where the other servers reach this one, such as http://10.0.0.5:3000. Requests of clients that poll may then come to any server that has one: they are passed on to the server of their session. Empty: a load balancer has to keep such a client at one server"`

	APIKey Secret `group:"Backends" env:"API_KEY" live:"replace" doc:"what backends send to the API below /api/, as Authorization: Bearer or as X-API-Key; empty: the API is off"`

	HooksURL         string        `group:"The application's own logic" env:"HOOKS_URL" live:"replace" doc:"where events of clients go that HOOKS_EVENTS names, by POST: https://app.example.com/hooks. docs/app-logic.md says what is sent and what may be answered. Empty: nowhere"`
	HooksSecret      Secret        `env:"HOOKS_SECRET" live:"true" doc:"signs what is sent, as Standard Webhooks does: whsec_ and base64 of 24 to 64 bytes, made with \"whsec_$(openssl rand -base64 32)\"; two with a space between while they are exchanged. Empty: it is not signed"`
	HooksEvents      string        `env:"HOOKS_EVENTS" doc:"events that HOOKS_URL owns, as namespace:event with commas between and * for any run of characters: /game:*,/:order. A namespace that is named exists, and its clients are let in by the backend; / and /chat ask it only where /:connect or /chat:connect is named. Empty: no events"`
	HooksNotify      string        `env:"HOOKS_NOTIFY" doc:"what the backend is told and nobody waits for, with commas between: disconnect, once for each client that it let in, or with HOOKS_URL and without HOOKS_EVENTS for all of / and /chat; with that also online and offline of users, occupied and vacated of rooms"`
	HooksGrace       time.Duration `env:"HOOKS_GRACE" default:"5s" min:"10ms" max:"10m" doc:"how long nobody is there before offline or vacated is told; not told where somebody is back by then"`
	HooksTimeout     time.Duration `env:"HOOKS_TIMEOUT" live:"true" default:"3s" min:"10ms" max:"1m" doc:"for the answer to one event; then its client hears unavailable"`
	HooksConnectWait time.Duration `env:"HOOKS_CONNECT_WAIT" live:"true" default:"10s" min:"10ms" max:"40s" doc:"how long a client is kept waiting while the backend does not answer; then its connection is closed, and it comes back by itself"`
	HooksDown        string        `env:"HOOKS_DOWN" live:"true" default:"close" oneof:"close,admit" doc:"what becomes of a client that waited so long: close, or admit and tell the backend later"`
	HooksRetry       string        `env:"HOOKS_RETRY" live:"true" doc:"events that are sent again after a 5xx, a time-out or the end of a worker, so that they may come twice, with one id: names with commas between, or *"`
	HooksHeaders     string        `env:"HOOKS_HEADERS" live:"true" default:"origin,user-agent" doc:"headers of a client that the backend is told when it connects, with commas between; cookie has to be named"`
	HooksConcurrency int           `env:"HOOKS_CONCURRENCY" default:"32" min:"1" max:"1000" doc:"requests to HOOKS_URL at the same time; only while so many are out do events gather"`
	HooksBatch       int           `env:"HOOKS_BATCH" default:"64" min:"1" max:"1000" doc:"events that one request brings at most; 1: each has its own"`
	HooksQueue       int           `env:"HOOKS_QUEUE" default:"100000" min:"100" max:"10000000" doc:"notices that may wait for the backend, 64 MiB at most; while there are more no client is let in"`
	HooksDB          string        `env:"HOOKS_DB" doc:"file to keep notices in until they are told, such as /var/lib/signalbox/hooks.db, also over a crash. Empty: they are in memory"`
	WorkerKey        Secret        `env:"WORKER_KEY" live:"replace" doc:"lets programs connect to the namespace /backend and handle events there, with auth: {key}; 32 bytes or more, made with \"openssl rand -hex 32\". Empty: nobody does"`
	WorkerEvents     string        `env:"WORKER_EVENTS" doc:"events that those programs may claim, written as in HOOKS_EVENTS: they go there also while nobody has claimed them"`

	LogLevel        slog.Level `group:"Looking inside" env:"LOG_LEVEL" live:"true" default:"info" doc:"debug, info, warn or error; debug writes a line per event"`
	LogFormat       string     `env:"LOG_FORMAT" default:"text" oneof:"text,json" doc:"text (key=value) or json, on standard error"`
	Metrics         bool       `env:"METRICS" default:"true" doc:"serve Prometheus metrics at /metrics"`
	MetricsToken    Secret     `env:"METRICS_TOKEN" live:"true" doc:"what /metrics asks for as Authorization: Bearer; empty: anybody may read it"`
	Console         bool       `env:"CONSOLE" default:"true" doc:"serve the page /console, on which every door is tried out by hand"`
	AdminToken      Secret     `env:"ADMIN_TOKEN" live:"replace" doc:"what /console asks for; empty: it is there for browsers on the server's own machine only, and not at all once the server is set up for others"`
	AdminUIUser     string     `env:"ADMIN_UI_USER" live:"replace" doc:"user for the page of @socket.io/admin-ui, which connects to the namespace /admin; docs/admin-ui.md. Empty: there is no such namespace"`
	AdminUIPassword Secret     `env:"ADMIN_UI_PASSWORD" live:"replace" doc:"bcrypt hash of that user's password, as signalbox password prints it"`
	AdminUIReadonly bool       `env:"ADMIN_UI_READONLY" default:"false" doc:"take no commands from the page"`
	AdminUIMode     string     `env:"ADMIN_UI_MODE" default:"production" oneof:"production,development" doc:"production: the page shows figures; development: every socket, room and event too, which costs a message for each while somebody is signed in"`
	TraceEndpoint   TraceURL   `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"collector of OpenTelemetry that gets traces of API calls, of clients' events and of requests to HOOKS_URL, as JSON: http://127.0.0.1:4318, to which v1/traces is added. Empty: there are none"`
	TracesEndpoint  TraceURL   `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" doc:"in place of that the whole URL for traces"`
	TraceHeaders    Secret     `env:"OTEL_EXPORTER_OTLP_HEADERS" doc:"headers for the collector, such as api-key=secret, with commas between, values percent-encoded"`
	TraceService    string     `env:"OTEL_SERVICE_NAME" default:"signalbox" doc:"what traces call this service"`
	TraceRatio      float64    `env:"OTEL_TRACES_SAMPLER_ARG" default:"1" min:"0" max:"1" doc:"part of the traces that begin here which is told of, such as 0.01 on a busy server; a call of the API with a traceparent goes by that"`
	DebugAddr       string     `env:"DEBUG_ADDR" hostport:"true" doc:"address of a second listener with Go's profiles and a JSON of live counts, such as 127.0.0.1:6060; empty: none. It asks for no password"`

	File string `group:"The file of settings" env:"CONFIG" doc:"file in YAML with the settings, by the same names, such as /etc/signalbox.yaml; the environment wins over it. signalbox check --write-example writes one. Empty: there is none"`

	ClientDist string `group:"The browser client" env:"CLIENT_DIST" doc:"folder with socket.io.min.js and its siblings, as in node_modules/socket.io-client/dist, to serve at /socket.io/; empty: those built in or found in node_modules, else a redirect to the Socket.IO project's CDN"`
}

// Default returns the settings of an empty environment.
func Default() Config {
	cfg, err := Load(func(string) string { return "" })
	if err != nil {
		panic(fmt.Sprintf("config: a default is not valid: %v", err)) // a programmer's mistake in a tag, shown by any test
	}
	return cfg
}

// Load reads every setting through getenv, which is [os.Getenv] or [Source.Get]. A variable that is empty
// counts as not set. The error names every fault at once, one per line, each with what to write instead; values of
// secrets are not in it.
func Load(getenv func(string) string) (Config, error) {
	var cfg Config
	var faults []error
	for _, s := range settings(&cfg) {
		text := getenv(s.Name)
		if text == "" {
			text = s.Default
		}
		if text == "" {
			continue
		}
		if err := s.set(text); err != nil {
			faults = append(faults, err)
		}
	}
	if cfg.RequireAuth && cfg.JWTSecret == "" && cfg.JWKSURL == "" {
		faults = append(faults, errors.New("REQUIRE_AUTH=true: nothing can verify a token; set JWT_SECRET, made with `openssl rand -hex 32`, or JWKS_URL"))
	}
	if cfg.RedisURL != "" && cfg.HistoryDB != "" {
		faults = append(faults, errors.New("HISTORY_DB with REDIS_URL: a file belongs to one server, and in a cluster the history is in Redis; leave one of the two empty"))
	}
	if strings.ContainsAny(cfg.RedisPrefix, "{}") {
		faults = append(faults, fmt.Errorf("REDIS_PREFIX=%s: no braces, which mean something to a Redis Cluster; write letters, digits, dots and dashes", shown(cfg.RedisPrefix)))
	}
	if cfg.DrainDelay > 0 && cfg.DrainDelay >= cfg.ShutdownTimeout {
		faults = append(faults, fmt.Errorf("DRAIN_DELAY=%s: all of SHUTDOWN_TIMEOUT, %s; write a shorter one, or make that longer", cfg.DrainDelay, cfg.ShutdownTimeout))
	}
	faults = append(faults, cfg.listenFaults()...)
	if n := cfg.HistoryBytes; n > 0 && n < minHistoryBytes {
		faults = append(faults, fmt.Errorf("HISTORY_BYTES=%d: too little; write 1MiB or more, or 0 for the default", n))
	}
	faults = append(faults, cfg.hooksFaults()...)
	faults = append(faults, cfg.adminUIFaults()...)
	if cfg.Production() {
		faults = append(faults, cfg.productionFaults()...)
	}
	return cfg, errors.Join(faults...)
}

// minHistoryBytes is the least that a bound on the history of all rooms may be: an empty file takes some of it.
const minHistoryBytes = 1 << 20

// Clustered reports whether this server is one of a cluster.
func (c Config) Clustered() bool { return c.RedisURL != "" }

// InsecureRedis reports whether Redis's certificate is taken as it is: where there is one, and it was said so.
func (c Config) InsecureRedis() bool {
	return !c.RedisTLSVerify && strings.HasPrefix(string(c.RedisURL), "rediss")
}

// Spread returns the part of DRAIN_SPREAD that counts: at most half of the time that is left after DRAIN_DELAY, and none of
// it without a cluster, where there is nobody to hand clients over to.
func (c Config) Spread() time.Duration {
	if !c.Clustered() {
		return 0
	}
	return min(c.DrainSpread, (c.ShutdownTimeout-c.DrainDelay)/2)
}

// Origins returns the origins of ALLOWED_ORIGINS and ENDPOINT together; where neither is set that is every origin.
func (c Config) Origins() Origins {
	all := append(append(Origins(nil), c.AllowedOrigins...), c.Endpoint...)
	if len(all) == 0 || all.Any() {
		return Origins{AnyOrigin}
	}
	return all
}

// minSecretBytes is the length below which the secret of a door is called short: it can be tried out.
const minSecretBytes = 16

// Warnings returns what is allowed but hardly meant, one sentence each. The server starts nevertheless.
func (c Config) Warnings() []string {
	var w []string
	if c.MaxOutboxBytes < c.MaxPayloadBytes {
		w = append(w, fmt.Sprintf("MAX_OUTBOX_BYTES=%d is less than MAX_PAYLOAD_BYTES=%d: whoever is sent a message above %d bytes is disconnected", c.MaxOutboxBytes, c.MaxPayloadBytes, c.MaxOutboxBytes))
	}
	if c.HistoryRoomBytes < c.MaxPayloadBytes {
		w = append(w, fmt.Sprintf("HISTORY_ROOM_BYTES=%d is less than MAX_PAYLOAD_BYTES=%d: room messages above %d bytes are delivered and not kept", c.HistoryRoomBytes, c.MaxPayloadBytes, c.HistoryRoomBytes))
	}
	if c.HistoryBytes > 0 && c.HistoryBytes < c.HistoryRoomBytes {
		w = append(w, fmt.Sprintf("HISTORY_BYTES=%d is less than HISTORY_ROOM_BYTES=%d: one room may take all of it", c.HistoryBytes, c.HistoryRoomBytes))
	}
	if o := c.Origins(); !o.Any() && o.Contains("null") {
		w = append(w, "ALLOWED_ORIGINS: null lets pages of every website connect: each can put a frame without an origin on itself")
	}
	if c.Clustered() && !c.RedisTLSVerify && !strings.HasPrefix(string(c.RedisURL), "rediss") {
		w = append(w, "REDIS_TLS_VERIFY=false does nothing without a REDIS_URL that begins with rediss")
	}
	if c.NodeURL != "" && !c.Clustered() {
		w = append(w, "NODE_URL does nothing without REDIS_URL")
	}
	if !c.Metrics && c.MetricsToken != "" {
		w = append(w, "METRICS_TOKEN does nothing while METRICS=false")
	}
	short := func(name string, s Secret, used bool) {
		if n := len(s); used && n > 0 && n < minSecretBytes {
			w = append(w, fmt.Sprintf("%s has %d bytes, at least %d are good: make one with `openssl rand -hex 32`", name, n, minSecretBytes))
		}
	}
	short("API_KEY", c.APIKey, true)
	short("ADMIN_TOKEN", c.AdminToken, c.Console)
	short("METRICS_TOKEN", c.MetricsToken, c.Metrics)
	if c.JWKSURL != "" && c.JWTAudience == "" && !slices.Contains(c.AllowOpen, "audience") {
		w = append(w, "JWKS_URL without JWT_AUDIENCE takes the tokens that its identity provider makes for any other app; set JWT_AUDIENCE, and JWT_ISSUER")
	}
	if c.TrustedProxies.everybody() {
		w = append(w, "TRUSTED_PROXIES is everybody: each client writes its own address, and limits per address hold nobody; name the proxies' networks")
	}
	if c.HooksURL != "" && c.HooksSecret == "" {
		w = append(w, "HOOKS_URL without HOOKS_SECRET: the backend cannot tell what comes from here; make one with `echo whsec_$(openssl rand -base64 32)`")
	}
	if c.HooksDB == "" && c.HooksNotify != "" && !c.Clustered() {
		w = append(w, "HOOKS_NOTIFY without HOOKS_DB and REDIS_URL: what waits to be told is in memory, and ends with the process")
	}
	if !c.Console && c.AdminToken != "" {
		w = append(w, "ADMIN_TOKEN does nothing while CONSOLE=false")
	}
	direct := c.TrustedProxies.Hops == 0 && len(c.TrustedProxies.Networks) == 0
	if slices.ContainsFunc(c.Listen, func(a Address) bool { return a.Network == "unix" }) && direct {
		w = append(w, "LISTEN with a unix socket and without TRUSTED_PROXIES takes all its clients for one; set TRUSTED_PROXIES=1 where a proxy in front adds X-Forwarded-For")
	}
	if c.AdminUIUser != "" && c.Origins().Any() {
		w = append(w, "ADMIN_UI_USER without ALLOWED_ORIGINS: the page connects with credentials, which not every origin may; add the origin that serves it, such as https://admin.socket.io")
	}
	if c.AllowEIO3 && direct && slices.Contains(c.Transports, "polling") {
		w = append(w, "ALLOW_EIO3 without TRUSTED_PROXIES: behind a proxy old clients that poll have one address, and may take over each other's sessions; set TRUSTED_PROXIES, or TRANSPORTS=websocket")
	}
	if c.AdminUIUser != "" && c.Production() && direct && !c.TLS() {
		w = append(w, "ADMIN_UI_USER without TLS: nothing says that a proxy ends it (TRUSTED_PROXIES), so the password may be read on its way; set TLS_CERT_FILE or TLS_DOMAINS")
	}
	if c.DebugAddr != "" && !LoopbackHost(c.DebugAddr) {
		w = append(w, fmt.Sprintf("DEBUG_ADDR=%s may be reached from other machines and asks for no password; write 127.0.0.1:<port>", c.DebugAddr))
	}
	return w
}
