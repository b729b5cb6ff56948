package config

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTryOut holds for whom a server without settings is open, and that each setting of production ends it.
func TestTryOut(t *testing.T) {
	for name, tt := range map[string]struct {
		peer, host string
		headers    []string
		want       bool
	}{
		"a browser of this machine":      {"127.0.0.1:5000", "localhost:3000", nil, true},
		"by address":                     {"127.0.0.1:5000", "127.0.0.1:3000", nil, true},
		"version 6":                      {"[::1]:5000", "[::1]:3000", nil, true},
		"mapped":                         {"[::ffff:127.0.0.1]:5000", "LOCALHOST", nil, true},
		"its own page":                   {"127.0.0.1:5000", "localhost:3000", []string{"Origin", "http://localhost:3000"}, true},
		"another machine":                {"192.0.2.1:5000", "localhost:3000", nil, false},
		"a name that was rebound":        {"127.0.0.1:5000", "evil.example:3000", nil, false},
		"a name that begins like it":     {"127.0.0.1:5000", "localhost.evil.example", nil, false},
		"a name that begins like others": {"127.0.0.1:5000", "127.0.0.1.evil.example", nil, false},
		"no host":                        {"127.0.0.1:5000", "", nil, false},
		"a page of elsewhere":            {"127.0.0.1:5000", "localhost", []string{"Origin", "https://evil.example"}, false},
		"a page of nowhere":              {"127.0.0.1:5000", "localhost", []string{"Origin", "null"}, false},
		"a proxy, its list":              {"127.0.0.1:5000", "localhost", []string{"X-Forwarded-For", "192.0.2.1"}, false},
		"a proxy, its scheme":            {"127.0.0.1:5000", "localhost", []string{"X-Forwarded-Proto", "https"}, false},
		"a proxy, the standard's":        {"127.0.0.1:5000", "localhost", []string{"Forwarded", "for=192.0.2.1"}, false},
		"a proxy, its name":              {"127.0.0.1:5000", "localhost", []string{"Via", "1.1 front"}, false},
		"a proxy, nginx's own":           {"127.0.0.1:5000", "localhost", []string{"X-Real-IP", "192.0.2.1"}, false},
	} {
		r := httptest.NewRequest("GET", "/console", nil)
		r.RemoteAddr, r.Host = tt.peer, tt.host
		for i := 0; i < len(tt.headers); i += 2 {
			r.Header.Set(tt.headers[i], tt.headers[i+1])
		}
		if got := Default().TryOut(r); got != tt.want {
			t.Errorf("%s: TryOut = %v, want %v", name, got, tt.want)
		}
	}
	old := httptest.NewRequest("GET", "/console", nil)
	old.RemoteAddr, old.Host, old.ProtoMajor, old.ProtoMinor = "127.0.0.1:5000", "localhost:3000", 1, 0
	if Default().TryOut(old) {
		t.Error("a request of HTTP/1.0, as nginx sends by itself, is taken for a browser of this machine")
	}
}

func TestForOthers(t *testing.T) {
	if !Default().TryOut(nil) {
		t.Error("a server without settings is not one to try out")
	}
	const secret = "a secret of the tests, 32 bytes or more"
	behind := Default()
	behind.TLSCertFile, behind.TLSDomains, behind.ProxyProtocol = "cert.pem", Domains{"a.example"}, true
	if got := strings.Join(behind.ForOthers(), " "); got != "PROXY_PROTOCOL TLS_CERT_FILE TLS_DOMAINS" {
		t.Errorf("with TLS and a proxy: ForOthers = %s", got)
	}
	for setting, value := range map[string]string{
		"JWT_SECRET": secret, "JWKS_URL": "https://id.example/keys", "JWT_ISSUER": "me", "JWT_AUDIENCE": "app", "ALLOWED_ORIGINS": "https://a.example",
		"ENDPOINT": "https://a.example", "TRUSTED_PROXIES": "heroku", "API_KEY": secret, "REDIS_URL": "redis://127.0.0.1", "METRICS_TOKEN": secret,
		"ALLOW_OPEN": "root",
	} {
		cfg, err := Load(env(setting, value))
		if err != nil {
			t.Fatal(err)
		}
		if cfg.TryOut(nil) || strings.Join(cfg.ForOthers(), " ") != setting {
			t.Errorf("with %s set: TryOut = %v, ForOthers = %v", setting, cfg.TryOut(nil), cfg.ForOthers())
		}
	}
	for _, settings := range [][]string{{"ALLOWED_ORIGINS", "*"}, {"TRUSTED_PROXIES", "0"}, {"ADMIN_TOKEN", secret}, {"PORT", "1"}} {
		cfg, err := Load(env(settings...))
		if err != nil || !cfg.TryOut(nil) {
			t.Errorf("%v: TryOut = false, %v, want a server to try out", settings, err)
		}
	}
}
