package server

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"signalbox/handlers/publish"
	"signalbox/server/api"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// nobody is the presence of an empty house.
type nobody struct{}

func (nobody) Online(context.Context, string) ([]app.Place, bool) { return nil, true }
func (nobody) AwayIn(context.Context, hub.Room) ([]string, bool)  { return nil, true }

func (nobody) RoomUsers(context.Context, string) ([]app.RoomUser, int, bool) { return nil, 0, true }
func (nobody) Disconnect(context.Context, string, bool) (int, bool)          { return 0, true }
func (nobody) ListRooms(context.Context, []hub.Kind, string, *hub.Room, int) ([]hub.RoomCount, bool, bool) {
	return nil, false, true
}

// call sends a request with a body to a running server.
func (r *running) call(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req := request(t, method, r.url(path), headers...)
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return do(t, req)
}

func TestAPIRoutes(t *testing.T) {
	cfg := localConfig()
	cfg.APIKey = "the key of this test"
	cfg.MaxPayloadBytes = 1000
	h := hub.New()
	s, err := New(Options{Config: cfg, Log: quiet, Version: "test", Hub: h,
		API: &APIParts{Publisher: publish.New(h, hub.Alone, nil), Presence: nobody{}, Tickets: store.NewMemoryTickets(0, 0), Lobbies: store.NewMemory()}})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, s)
	key := []string{"X-API-Key", "the key of this test"}
	for path, tt := range map[string]struct {
		method, body string
		want         string
	}{
		"/api/publish/room:a%2Fb":        {"POST", `{"type":"t"}`, `200 {"ok":true,"delivered":0}`},
		"/api/emit":                      {"POST", `{"event":"e"}`, `200 {"ok":true,"delivered":0}`},
		"/api/rooms?kind=room":           {"GET", "", `200 {"rooms":[]}`},
		"/api/rooms/team%2F1/users":      {"GET", "", `200 {"room":"team/1","users":[],"nameless":0}`},
		"/api/users/a%2Fb":               {"GET", "", `200 {"userId":"a/b","online":false,"where":[]}`},
		"/api/users/a%2Fb/disconnect":    {"POST", "", `200 {"ok":true,"disconnected":0}`},
		"/api/openapi.yaml":              {"GET", "", `200 openapi: 3.1.0`},
		"/api/nothing":                   {"GET", "", `404 {"error":{"code":"not_found"`},
		"/api/emit?large":                {"POST", `{"event":"` + strings.Repeat("e", 1000) + `"}`, `413 {"error":{"code":"too_large"`},
		"/api/rooms/":                    {"GET", "", `404 {"error":{"code":"not_found"`},
		"/api/users":                     {"GET", "", `404 {"error":{"code":"not_found"`},
		"/apiary":                        {"GET", "", `404 not found`},
		"/api/auth/token/ws":             {"GET", "", `404 not found`},
		"/api/rooms/den":                 {"GET", "", `404 {"error":{"code":"not_found"`},
		"/api/rooms?kind=room&limit=x":   {"GET", "", `400 {"error":{"code":"invalid_request"`},
		"/api/publish/user:42?x=ignored": {"DELETE", "", `405 {"error":{"code":"method_not_allowed"`},
	} {
		res, body := r.call(t, tt.method, path, tt.body, key...)
		if got := res.Status[:3] + " " + body; !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s = %.200s, want %s", tt.method, path, got, tt.want)
		}
		if strings.HasPrefix(path, "/api/") && path != "/api/auth/token/ws" && res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s has no request id", path)
		}
	}
	if res, _ := r.call(t, "POST", "/api/emit", `{"event":"e"}`); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("emit without a key = %d", res.StatusCode)
	}
	res, _ := r.call(t, "POST", "/api/emit", `{"event":"e"}`, append(key, "Origin", "https://a.example")...)
	if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin = %q", got)
	}
	_, metrics := r.get(t, "/metrics")
	for _, want := range []string{`code="200",route="/api/emit"`, `route="/api/rooms/*room"`, `code="404",route="other"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics does not count %s", want)
		}
	}
}

// TestEveryAPIPathIsMounted holds the list of paths against the API's own.
func TestEveryAPIPathIsMounted(t *testing.T) {
	for _, route := range api.New(api.Config{}).Routes() {
		mounted := false
		for _, path := range apiPaths {
			prefix, _, more := strings.Cut(api.Path+path, "*")
			mounted = mounted || route.Path == prefix || more && strings.HasPrefix(route.Path, prefix)
		}
		if !mounted {
			t.Errorf("%s has no path of its own in the metrics", route.Path)
		}
	}
}

func TestNoAPIWithoutItsParts(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	for _, path := range []string{"/api/emit", "/api/openapi.yaml", "/api/nothing"} {
		if res, body := s.get(t, path); res.StatusCode != 404 || body != "not found" {
			t.Errorf("GET %s = %d %s", path, res.StatusCode, body)
		}
	}
}
