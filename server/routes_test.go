package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"signalbox/config"
)

func TestRoutes(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	tests := map[string]struct {
		method, path string
		status       int
		body         string
	}{
		"the broker's text":                {"GET", "/", 200, "Real-Time Signal Broker"},
		"the broker's text with a query":   {"GET", "/?x=1", 200, "Real-Time Signal Broker"},
		"head of the text":                 {"HEAD", "/", 200, ""},
		"process is alive":                 {"GET", "/healthz", 200, "ok"},
		"process takes clients":            {"GET", "/readyz", 200, "ready"},
		"unknown path":                     {"GET", "/nothing", 404, "not found"},
		"trailing slash is another path":   {"GET", "/healthz/", 404, "not found"},
		"capitals are another path":        {"GET", "/Time", 404, "not found"},
		"double slash is another path":     {"GET", "//time", 404, "not found"},
		"post to the text":                 {"POST", "/", 404, "not found"},
		"the door":                         {"GET", "/socket.io/?EIO=4", 200, "door GET /socket.io/"},
		"below the door":                   {"GET", "/socket.io/x/y", 200, "door GET /socket.io/x/y"},
		"post to the door":                 {"POST", "/socket.io/", 200, "door POST /socket.io/"},
		"put to the door":                  {"PUT", "/socket.io/", 200, "door PUT /socket.io/"},
		"a method nobody knows":            {"BREW", "/socket.io/", 200, "door BREW /socket.io/"},
		"a method nobody knows elsewhere":  {"BREW", "/", 404, "not found"},
		"the door without its slash":       {"GET", "/socket.io?EIO=4", 200, "door GET /socket.io"},
		"post to it":                       {"POST", "/socket.io?EIO=4", 200, "door POST /socket.io"},
		"options of the door":              {"OPTIONS", "/socket.io/?EIO=4", 204, ""},
		"metrics, spelt otherwise":         {"GET", "/%6detrics", 404, "not found"},
		"the door, spelt otherwise":        {"GET", "/%73ocket.io/?EIO=4", 404, "not found"},
		"a stream, spelt otherwise":        {"GET", "/%65vents/room/x", 404, "not found"},
		"a name that begins like the door": {"GET", "/socket.iox/", 404, "not found"},
		"options without a preflight":      {"OPTIONS", "/", 404, "not found"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			res, body := do(t, request(t, tt.method, s.url(tt.path)))
			if res.StatusCode != tt.status || body != tt.body {
				t.Errorf("%s %s = %d %q, want %d %q", tt.method, tt.path, res.StatusCode, body, tt.status, tt.body)
			}
			if got := res.Header.Get("X-Content-Type-Options"); got != "nosniff" {
				t.Errorf("X-Content-Type-Options of %s %s is %q, want nosniff", tt.method, tt.path, got)
			}
		})
	}
}

func TestSocketPaths(t *testing.T) {
	cfg := localConfig()
	cfg.SocketIOPaths = config.Paths{"/realtime/socket.io", "/rt"}
	s := runServer(t, cfg, &fakeDoor{})
	for path, want := range map[string]string{
		"/socket.io/?EIO=4":            "door GET /socket.io/",
		"/realtime/socket.io/?EIO=4":   "door GET /socket.io/",
		"/realtime/socket.io?EIO=4":    "door GET /socket.io",
		"/rt/x":                        "door GET /socket.io/x",
		"/rt":                          "door GET /socket.io",
		"/rtx/":                        "not found",
		"/realtime/":                   "not found",
		"/realtime/%73ocket.io/?EIO=4": "not found",
		"/r%74/":                       "not found",
	} {
		if _, body := s.get(t, path); body != want {
			t.Errorf("GET %s = %q, want %q", path, body, want)
		}
	}
	up := request(t, "GET", s.url("/rt/"))
	up.Header.Set("Connection", "Upgrade")
	up.Header.Set("Upgrade", "websocket")
	if _, body := do(t, up); body != "door GET /socket.io/" {
		t.Errorf("an upgrade of /rt/ is answered %q", body)
	}
}

func TestTime(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{})
	for _, path := range []string{"/time", "/time/"} {
		before := time.Now().UnixMilli()
		res, body := s.get(t, path)
		ms, err := strconv.ParseInt(body, 10, 64)
		if res.StatusCode != 200 || err != nil || ms < before || ms > time.Now().UnixMilli() {
			t.Errorf("GET %s = %d %q, want 200 and the milliseconds of now", path, res.StatusCode, body)
		}
	}
}

func TestMetricsRoute(t *testing.T) {
	tests := map[string]struct {
		on      bool
		token   string
		headers []string
		status  int
	}{
		"open":           {true, "", nil, 200},
		"off":            {false, "", nil, 404},
		"without token":  {true, "hush", nil, 401},
		"wrong token":    {true, "hush", []string{"Authorization", "Bearer push"}, 401},
		"token as basic": {true, "hush", []string{"Authorization", "Basic hush"}, 401},
		"token":          {true, "hush", []string{"Authorization", "Bearer hush"}, 200},
		"token again":    {true, "hush", []string{"Authorization", "bearer hush"}, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := localConfig()
			cfg.Metrics = tt.on
			cfg.MetricsToken = config.Secret(tt.token)
			s := runServer(t, cfg, &fakeDoor{})
			res, body := do(t, request(t, "GET", s.url("/metrics"), tt.headers...))
			if res.StatusCode != tt.status {
				t.Errorf("GET /metrics = %d, want %d", res.StatusCode, tt.status)
			}
			if tt.status == 200 && !strings.Contains(body, "go_goroutines") {
				t.Error("/metrics shows no figures of the Go runtime")
			}
		})
	}
}

func TestRequestsAreCounted(t *testing.T) {
	s := runServer(t, localConfig(), &fakeDoor{serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }})
	s.get(t, "/healthz")
	s.get(t, "/socket.io/whatever/a/client/asks")
	s.get(t, "/random/"+strings.Repeat("x", 100))
	_, body := s.get(t, "/metrics")
	for _, want := range []string{
		`signalbox_http_requests_total{code="200",route="/healthz"} 1`,
		`signalbox_http_requests_total{code="400",route="/socket.io/*path"} 1`,
		`signalbox_http_requests_total{code="404",route="other"} 1`,
		`signalbox_ready 1`,
		`signalbox_build_info{version="test"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("/metrics does not show %s", want)
		}
	}
}

func TestPanicInRequest(t *testing.T) {
	var log strings.Builder
	cfg := localConfig()
	door := &fakeDoor{serve: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("late") {
			_, _ = io.WriteString(w, strings.Repeat("half", 4096))
		}
		panic("broken")
	}}
	s, err := newServer(cfg, slog.New(slog.NewTextHandler(&log, nil)), "test", NewMetrics(), door)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client, peer := net.Pipe()
	defer client.Close()
	listener := &oneConn{conn: peer, closed: make(chan struct{})}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.http.Serve(listener) }() // awaited below

	in := bufio.NewReader(client)
	fmt.Fprint(client, "GET /socket.io/?token=hush HTTP/1.1\r\nHost: x\r\nCookie: hush\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 500 || string(body) != "internal error" {
		t.Errorf("answer to a request that panics = %d %q, want 500 internal error", res.StatusCode, body)
	}
	// The same connection goes on; where the answer has begun it is cut.
	fmt.Fprint(client, "GET /socket.io/?late HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, err = http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("half an answer looks like a whole one")
	}
	_ = s.http.Close()
	<-served
	if text := log.String(); !strings.Contains(text, "panic in a request") || strings.Contains(text, "hush") {
		t.Errorf("log of a panic = %s, want a line without the query and the cookie", text)
	}
}

// oneConn is a listener with one connection to accept.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
