package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signalbox/config"
)

// TestWire22_23_24_CORS holds lines 22 to 24 of the wire checklist: preflight, answers and errors, and origins that are
// not allowed.
func TestWire22_23_24_CORS(t *testing.T) {
	list := config.Origins{"https://a.example", "http://localhost:5173"}
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-own"}
	tests := map[string]struct {
		origins     config.Origins
		method      string
		path        string
		origin      string
		headers     []string
		status      int
		allowOrigin string
		credentials string
	}{
		"nothing set, a page reads":         {nil, "GET", "/", "https://any.example", nil, 200, "*", ""},
		"nothing set, preflight":            {nil, "OPTIONS", "/socket.io/?EIO=4", "https://any.example", preflight, 204, "*", ""},
		"nothing set, page without origin":  {nil, "GET", "/", "null", nil, 200, "*", ""},
		"nothing set, not a browser":        {nil, "GET", "/", "", nil, 200, "", ""},
		"star, a page reads":                {config.Origins{"*"}, "GET", "/time", "https://any.example", nil, 200, "*", ""},
		"listed, a page reads":              {list, "GET", "/", "https://a.example", nil, 200, "https://a.example", "true"},
		"listed, capitals":                  {list, "GET", "/", "https://A.example", nil, 200, "https://A.example", "true"},
		"listed, second of the list":        {list, "GET", "/", "http://localhost:5173", nil, 200, "http://localhost:5173", "true"},
		"listed, polls":                     {list, "GET", "/socket.io/?EIO=4&transport=polling", "https://a.example", nil, 400, "https://a.example", "true"},
		"listed, posts":                     {list, "POST", "/socket.io/?EIO=4&transport=polling", "https://a.example", nil, 400, "https://a.example", "true"},
		"listed, an error answer":           {list, "GET", "/nothing", "https://a.example", nil, 404, "https://a.example", "true"},
		"listed, the browser client":        {list, "GET", "/socket.io/socket.io.js", "https://a.example", nil, 302, "https://a.example", "true"},
		"listed, preflight":                 {list, "OPTIONS", "/socket.io/?EIO=4", "https://a.example", preflight, 204, "https://a.example", "true"},
		"listed, preflight of another path": {list, "OPTIONS", "/time", "https://a.example", preflight, 204, "https://a.example", "true"},
		"not listed, a page reads":          {list, "GET", "/", "https://evil.example", nil, 200, "", ""},
		"not listed, preflight":             {list, "OPTIONS", "/socket.io/?EIO=4", "https://evil.example", preflight, 204, "", ""},
		"longer than a listed one":          {list, "GET", "/", "https://a.example.evil.example", nil, 200, "", ""},
		"listed host, other scheme":         {list, "GET", "/", "http://a.example", nil, 200, "", ""},
		"page without origin, not listed":   {list, "GET", "/", "null", nil, 200, "", ""},
	}
	door := &fakeDoor{serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := localConfig()
			cfg.AllowedOrigins = tt.origins
			s := newTestServer(t, cfg, door)
			s.http.Handler = s.routes(&clientFiles{})
			req := httptest.NewRequest(tt.method, tt.path, nil)
			for i := 0; i < len(tt.headers); i += 2 {
				req.Header.Set(tt.headers[i], tt.headers[i+1])
			}
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			rec := httptest.NewRecorder()
			s.http.Handler.ServeHTTP(rec, req)
			h := rec.Header()
			if rec.Code != tt.status {
				t.Errorf("status = %d, want %d", rec.Code, tt.status)
			}
			if got := h.Get("Access-Control-Allow-Origin"); got != tt.allowOrigin {
				t.Errorf("Access-Control-Allow-Origin = %q, want %q", got, tt.allowOrigin)
			}
			if got := h.Get("Access-Control-Allow-Credentials"); got != tt.credentials {
				t.Errorf("Access-Control-Allow-Credentials = %q, want %q", got, tt.credentials)
			}
			if !strings.Contains(strings.Join(h.Values("Vary"), ","), "Origin") {
				t.Errorf("Vary = %q, want Origin in it", h.Values("Vary"))
			}
			if tt.status != 204 {
				return
			}
			if rec.Body.Len() != 0 {
				t.Errorf("body of a preflight = %q, want none", rec.Body)
			}
			if allowed := tt.allowOrigin != ""; allowed != (h.Get("Access-Control-Allow-Methods") == "POST") || allowed != (h.Get("Access-Control-Allow-Headers") == "content-type,x-own") {
				t.Errorf("methods %q, headers %q, want what was asked for: %v", h.Get("Access-Control-Allow-Methods"), h.Get("Access-Control-Allow-Headers"), allowed)
			}
		})
	}
}

// TestWire24_OriginGatesUpgrades holds the other half of line 24: what may open a websocket.
func TestWire24_OriginGatesUpgrades(t *testing.T) {
	list := config.Origins{"https://a.example"}
	tests := map[string]struct {
		origins config.Origins
		host    string
		origin  []string
		want    bool
	}{
		"no browser":                  {list, "signal.example", nil, true},
		"listed":                      {list, "signal.example", []string{"https://a.example"}, true},
		"not listed":                  {list, "signal.example", []string{"https://evil.example"}, false},
		"page of this host":           {list, "signal.example", []string{"https://signal.example"}, true},
		"page of this host and port":  {list, "localhost:3000", []string{"http://localhost:3000"}, true},
		"page of an address":          {list, "192.0.2.1:3000", []string{"http://192.0.2.1:3000"}, true},
		"page of an address, v6":      {list, "[2001:db8::1]:3000", []string{"http://[2001:db8::1]:3000"}, true},
		"page of a listed host":       {list, "a.example:3000", []string{"http://a.example:3000"}, true},
		"local files of an app":       {config.Origins{"https://a.example", "file://"}, "signal.example", []string{"file://"}, true},
		"local files, not listed":     {list, "signal.example", []string{"file://"}, false},
		"a name that was rebound":     {list, "evil.example:3000", []string{"http://evil.example:3000"}, false},
		"the same, like a listed one": {list, "a.example.evil.example", []string{"http://a.example.evil.example"}, false},
		"the same, like an address":   {list, "127.0.0.1.evil.example", []string{"http://127.0.0.1.evil.example"}, false},
		"page of another port":        {list, "localhost:3000", []string{"http://localhost:3001"}, false},
		"host in the middle":          {list, "signal.example", []string{"https://signal.example.evil.example"}, false},
		"page without an origin":      {list, "signal.example", []string{"null"}, false},
		"no origin at all":            {list, "signal.example", []string{""}, false},
		"bytes that are no origin":    {list, "signal.example", []string{"\x00\xff://"}, false},
		"a good one and a bad one":    {list, "signal.example", []string{"https://a.example", "https://evil.example"}, false},
		"everybody":                   {config.Origins{"*"}, "signal.example", []string{"https://evil.example"}, true},
		"everybody without an origin": {config.Origins{"*"}, "signal.example", []string{"null"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/socket.io/", nil)
			r.Host = tt.host
			for _, o := range tt.origin {
				r.Header.Add("Origin", o)
			}
			if got := checkOrigin(tt.origins)(r); got != tt.want {
				t.Errorf("checkOrigin(%v) of %q at %s = %v, want %v", tt.origins, tt.origin, tt.host, got, tt.want)
			}
		})
	}
}
