package engine

import (
	"bufio"
	"bytes"
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
		until(t, "end of all connections", func() bool { all, http, _ := g.l.Open(); return all == 0 && http == 0 })
	})
	return g
}

func (g *gateway) dial() *raw {
	g.t.Helper()
	nc, err := net.Dial("tcp", g.l.Addr().String())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &raw{nc, bufio.NewReader(nc), g.t}
}

// idle opens a connection that waits for its second request.
func (g *gateway) idle() *raw {
	g.t.Helper()
	r := g.dial()
	r.send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r.head(http.StatusOK)
	return r
}

// hold opens a connection whose request is not answered.
func (g *gateway) hold() *raw {
	g.t.Helper()
	r := g.dial()
	r.send([]byte("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n"))
	receive(g.t, g.busy, "request")
	return r
}

func (r *raw) mustBeClosed(what string) {
	r.t.Helper()
	if _, err := r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Errorf("%s is open: %v", what, err)
	}
}

// TestIdleConnectionsMakeRoom: who needs a connection has it before those who keep one for later, and where none is left
// everybody is told.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	g := newGateway(t, ListenerOptions{MaxOpen: 10}, nil)
	longest := g.dial() // says nothing
	until(t, "connection", func() bool { all, _, _ := g.l.Open(); return all == 1 })
	second := g.idle()
	for range 7 {
		g.hold()
	}
	g.hold() // the tenth: nine tenths are in use
	longest.mustBeClosed("the connection that waited longest")
	g.hold()
	second.mustBeClosed("the next one")
	g.hold()
	if res := g.dial().head(http.StatusServiceUnavailable); res.ContentLength != 0 {
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
	g.idle().mustBeClosed("an idle connection beyond two thirds")
	g.hold()
	g.hold()
	g.dial().head(http.StatusServiceUnavailable)
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
		c := dialPlain(t, url+"/ws")
		if err := receive(t, d.results, "result"); err != nil {
			t.Fatal(err)
		}
		if all, http, _ := g.l.Open(); all != 1 || http != 0 {
			t.Errorf("%d open, %d of HTTP, want 1 and 0", all, http)
		}
		c.Close(websocket.StatusNormalClosure, "")
		until(t, "end", func() bool { all, _, _ := g.l.Open(); return all == 0 })
	}
}

// TestRoomForUpgrades: a client that polls may need three file descriptors, until it has upgraded.
func TestRoomForUpgrades(t *testing.T) {
	a := newApp()
	s := start(t, Config{MaxDescriptors: 8}, a)
	s.connect(t)
	a.next(t)
	one, two := s.poller(t), s.poller(t)
	sessions := []*Session{a.next(t), a.next(t)}
	if status, _ := s.get(t, "GET", pollingQuery); status != http.StatusForbidden {
		t.Errorf("one that polls with 7 of 8 in use: %d", status)
	}
	s.connect(t) // takes the last
	a.next(t)
	if status, _ := s.get(t, "GET", "EIO=4&transport=websocket", upgradeHeader()...); status != http.StatusForbidden {
		t.Errorf("a websocket with 8 of 8 in use: %d", status)
	}
	c := one.probe()
	write(t, c, "5")
	until(t, "upgrade", sessions[0].Upgraded)
	until(t, "room for one more", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.descriptors == 6
	})
	two.post("1")
	c.CloseNow()
	until(t, "end of both", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.descriptors == 2
	})
}

// TestPostBehindAPoll: on the connection of a poll that waits a post is answered at once, whether it came with the poll or
// later, whole or in parts.
func TestPostBehindAPoll(t *testing.T) {
	a := newApp().echo()
	s := New(Config{}, a.accept)
	defer s.Shutdown(t.Context())
	g := newGateway(t, ListenerOptions{}, s)
	open := g.dial()
	open.send([]byte("GET /socket.io/?" + pollingQuery + " HTTP/1.1\r\nHost: x\r\n\r\n"))
	body := func(r *raw) string {
		res := r.head(http.StatusOK)
		data, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	path := " /socket.io/?" + pollingQuery + "&sid=" + sidOf(t, body(open)) + " HTTP/1.1\r\nHost: x\r\n"
	session := a.next(t)
	get, head, content := []byte("GET"+path+"\r\n"), []byte("POST"+path+"Content-Length: 2\r\n\r\n"), []byte("4x")
	for name, parts := range map[string][][]byte{
		"together": {bytes.Join([][]byte{get, head, content}, nil)},
		"later":    {get, append(head[:len(head):len(head)], content...)},
		"in parts": {append(get[:len(get):len(get)], head...), content},
	} {
		r := g.dial()
		for i, part := range parts {
			if i > 0 && name == "later" {
				waitPolling(t, session, true)
			}
			r.send(part)
		}
		if got := body(r); got != "6" {
			t.Errorf("%s: the poll is answered %q, want a noop", name, got)
		}
		if got := body(r); got != "ok" {
			t.Errorf("%s: the post is answered %q", name, got)
		}
		r.send(get)
		if got := body(r); got != "4x" {
			t.Errorf("%s: the next poll is answered %q", name, got)
		}
		r.Close()
	}
}
