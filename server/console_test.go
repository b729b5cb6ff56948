package server

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// newWithConsole returns a whole server with a console, which does not run yet.
func newWithConsole(t *testing.T, parts *ConsoleParts) *Server {
	t.Helper()
	s, err := New(Options{Console: parts, Config: localConfig(), Log: slog.New(slog.DiscardHandler), Version: "test", Hub: hub.New(), Handlers: map[string]app.Handler{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func everybody(*http.Request) bool { return true }

func TestConsole(t *testing.T) {
	for name, tt := range map[string]struct {
		parts *ConsoleParts
		want  map[string]int
	}{
		"open": {&ConsoleParts{TryOut: everybody}, map[string]int{"/console": 200, "/console/": 200, "/console/app.js": 200, "/console/stats": 200, "/console/nothing": 404}},
		"off":  {nil, map[string]int{"/console": 404, "/console/": 404, "/console/app.js": 404, "/console/stats": 404, "/console/console.css": 404}},
		"elsewhere": {&ConsoleParts{TryOut: func(*http.Request) bool { return false }},
			map[string]int{"/console": 403, "/console/app.js": 403, "/console/stats": 403, "/console/console.css": 403}},
		"gated": {&ConsoleParts{AdminToken: "a token that only operators know"}, map[string]int{"/console": 401, "/console/app.js": 401, "/console/stats": 401, "/console/console.css": 200}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, newWithConsole(t, tt.parts))
			for path, want := range tt.want {
				res, body := do(t, request(t, http.MethodGet, r.url(path), "Origin", "https://app.example.com"))
				if res.StatusCode != want {
					t.Errorf("GET %s = %d, want %d", path, res.StatusCode, want)
				}
				if name != "off" && res.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("GET %s may be read by other origins", path)
				}
				if name == "off" && body != "not found" {
					t.Errorf("GET %s = %q, want what every unknown path answers", path, body)
				}
			}
		})
	}
}

func TestConsoleStats(t *testing.T) {
	r := start(t, newWithConsole(t, &ConsoleParts{TryOut: everybody}))
	_, body := r.get(t, "/console/stats")
	for _, want := range []string{`"polling":0`, `"websocket":0`, `"rooms":{`, `"uptime":`, `"heap":`} {
		if !strings.Contains(body, want) {
			t.Errorf("stats %s lack %s", body, want)
		}
	}
	if strings.Contains(body, `"heap":0,`) || strings.Contains(body, `"goroutines":0,`) {
		t.Errorf("stats %s have no figures of the process", body)
	}
}
