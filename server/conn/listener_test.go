package conn

import (
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/conn/testkit"
)

// gateway is an http.Server behind a Listener. Requests for /busy are answered when the test ends.
type gateway struct {
	t       *testing.T
	l       *Listener
	busy    chan bool // one for each request that is held up
	release chan struct{}
	log     *strings.Builder
}

func newGateway(t *testing.T, o ListenerOptions, next http.Handler) *gateway {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, busy: make(chan bool, 100), release: make(chan struct{}), log: new(strings.Builder)}
	o.WriteTimeout = time.Minute
	o.Log = slog.New(slog.NewTextHandler(g.log, nil))
	g.l = Listen(l, o)
	srv := &http.Server{ConnState: g.l.Follow, ConnContext: g.l.Context, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/busy":
			g.busy <- true
			<-g.release
		case next != nil:
			next.ServeHTTP(w, r)
		}
	})}
	served := make(chan struct{})
	go func() { // awaited below
		srv.Serve(g.l)
		close(served)
	}()
	t.Cleanup(func() {
		close(g.release)
		srv.Close()
		<-served
		testkit.Until(t, "end of all connections", func() bool { all, http, _ := g.l.Open(); return all == 0 && http == 0 })
	})
	return g
}

func (g *gateway) dial() *testkit.Raw {
	g.t.Helper()
	return testkit.DialRaw(g.t, g.l.Addr().String())
}

// idle opens a connection that waits for its second request.
func (g *gateway) idle() *testkit.Raw {
	g.t.Helper()
	r := g.dial()
	r.Send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r.Head(http.StatusOK)
	return r
}

// hold opens a connection whose request is not answered.
func (g *gateway) hold() *testkit.Raw {
	g.t.Helper()
	r := g.dial()
	r.Send([]byte("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"))
	testkit.Receive(g.t, g.busy, "request")
	return r
}

// mustBeClosed checks that the server has closed a connection.
func mustBeClosed(t *testing.T, r *testkit.Raw, what string) {
	t.Helper()
	if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%s is open: %v", what, err)
	}
}

// TestIdleConnectionsMakeRoom: who needs a connection has it before those who keep one for later, and where none is left
// everybody is told.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	g := newGateway(t, ListenerOptions{MaxOpen: 10}, nil)
	longest := g.dial() // says nothing
	testkit.Until(t, "connection", func() bool { all, _, _ := g.l.Open(); return all == 1 })
	second := g.idle()
	testkit.Until(t, "wait for a second request", func() bool { // net/http tells after the client has its answer
		g.l.mu.Lock()
		defer g.l.mu.Unlock()
		return !g.l.tail.fresh
	})
	for range 7 {
		g.hold()
	}
	g.hold() // the tenth: nine tenths are in use
	mustBeClosed(t, longest, "the connection that waited longest")
	g.hold()
	mustBeClosed(t, second, "the next one")
	g.hold()
	if res := g.dial().Head(http.StatusServiceUnavailable); res.ContentLength != 0 {
		t.Errorf("the refusal has a body of %d bytes", res.ContentLength)
	}
	if all, http, closed := g.l.Open(); all != 10 || http != 10 || closed != (ClosedConns{Full: 1, Idle: 2}) {
		t.Errorf("%d open, %d of HTTP, closed %+v", all, http, closed)
	}
	if got := strings.Count(g.log.String(), "level=WARN"); got != 1 {
		t.Errorf("%d warnings in a minute:\n%s", got, g.log)
	}
}

// TestConnectionsOfOneAddress cannot take all there are.
func TestConnectionsOfOneAddress(t *testing.T) {
	g := newGateway(t, ListenerOptions{MaxPerAddr: 6}, nil)
	for range 4 {
		g.hold()
	}
	mustBeClosed(t, g.idle(), "an idle connection beyond two thirds")
	testkit.Until(t, "end of it", func() bool { all, _, _ := g.l.Open(); return all == 4 }) // counted after the client knows
	g.hold()
	g.hold()
	g.dial().Head(http.StatusServiceUnavailable)
	if all, _, closed := g.l.Open(); all != 6 || closed != (ClosedConns{PerAddr: 1, Idle: 1}) {
		t.Errorf("%d open, closed %+v", all, closed)
	}
}

// TestListenerCountsWhatTheEngineHas until it is closed.
func TestListenerCountsWhatTheEngineHas(t *testing.T) {
	d := newDoors(Config{})
	g := newGateway(t, ListenerOptions{MaxPerAddr: 100}, d)
	defer d.Shutdown(t.Context())
	url := "http://" + g.l.Addr().String()
	for range 3 {
		c := testkit.Dial(t, url+"/ws")
		if err := testkit.Receive(t, d.results, "result"); err != nil {
			t.Fatal(err)
		}
		if all, http, _ := g.l.Open(); all != 1 || http != 0 {
			t.Errorf("%d open, %d of HTTP, want 1 and 0", all, http)
		}
		c.Close(websocket.StatusNormalClosure, "")
		testkit.Until(t, "end", func() bool { all, _, _ := g.l.Open(); return all == 0 })
	}
}
