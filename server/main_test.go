package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"signalbox/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDoor stands in for the Socket.IO door.
type fakeDoor struct {
	serve    func(http.ResponseWriter, *http.Request)
	shutdown func(context.Context) error
}

func (f *fakeDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.serve == nil {
		_, _ = io.WriteString(w, "door "+r.Method+" "+r.URL.Path)
		return
	}
	f.serve(w, r)
}

func (f *fakeDoor) Shutdown(ctx context.Context) error {
	if f.shutdown == nil {
		return nil
	}
	return f.shutdown(ctx)
}

var quiet = slog.New(slog.DiscardHandler)

// localConfig returns the defaults on a free port of the loopback interface.
func localConfig() config.Config {
	cfg := config.Default()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	return cfg
}

// newTestServer returns a server around a door that does not run yet.
func newTestServer(t *testing.T, cfg config.Config, door *fakeDoor) *Server {
	t.Helper()
	s, err := newServer(cfg, quiet, "test", NewMetrics(), door)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// running is a server that runs, and what its Run will return.
type running struct {
	*Server
	stop context.CancelFunc
	done chan error
}

// runServer runs a server until the test ends, or stop is called.
func runServer(t *testing.T, cfg config.Config, door *fakeDoor) *running {
	t.Helper()
	return start(t, newTestServer(t, cfg, door))
}

func start(t *testing.T, s *Server) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: s, stop: stop, done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() { // awaited below
		defer close(ended)
		r.done <- r.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (r *running) url(path string) string { return "http://" + r.Addr().String() + path }

// get asks for a path and returns the answer with its body read.
func (r *running) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	return do(t, request(t, http.MethodGet, r.url(path)))
}

func request(t *testing.T, method, url string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return req
}

// noRedirect is a client that shows redirects and does not ask for compression by itself.
var noRedirect = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := noRedirect.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}
