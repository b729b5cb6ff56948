package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is the program above the engine in tests. Its functions may be nil.
type app struct {
	open   func(*Session)
	text   func(*Session, []byte) error
	binary func(*Session, []byte) error

	sessions chan *Session
	closed   chan conn.Reason
}

// client is the receiver of one session.
type client struct {
	app     *app
	session *Session
}

func newApp() *app {
	return &app{sessions: make(chan *Session, 4096), closed: make(chan conn.Reason, 4096)}
}

// echo answers every message with itself.
func (a *app) echo() *app {
	a.text = func(s *Session, data []byte) error {
		return s.Reply(wire.Text([]byte{packetMessage}, data))
	}
	a.binary = func(s *Session, data []byte) error { return s.Reply(wire.Binary(data)) }
	return a
}

func (a *app) accept(s *Session) conn.Receiver {
	if a.open != nil {
		a.open(s)
	}
	a.sessions <- s
	return &client{a, s}
}

func (c *client) Text(data []byte) error {
	if c.app.text == nil {
		return nil
	}
	return c.app.text(c.session, data)
}

func (c *client) Binary(data []byte) error {
	if c.app.binary == nil {
		return nil
	}
	return c.app.binary(c.session, data)
}

func (c *client) Closed(r conn.Reason) { c.app.closed <- r }

// next returns the session that was opened next.
func (a *app) next(t testing.TB) *Session {
	t.Helper()
	return testkit.Receive(t, a.sessions, "session")
}

// mustClose waits for the next end of a session.
func (a *app) mustClose(t testing.TB, want conn.Reason) {
	t.Helper()
	if got := testkit.Receive(t, a.closed, "end of a session"); got != want {
		t.Errorf("session ended by %q, want %q", got, want)
	}
}

// server is an engine with its connections.
type server struct {
	*Server
	conns *conn.Server
}

func newServer(cfg conn.Config, open func(*Session) conn.Receiver, own ...Config) *server {
	conns := conn.New(cfg)
	return &server{New(conns, append(own, Config{})[0], open), conns}
}

func (s *server) Shutdown(ctx context.Context) error { return s.conns.Shutdown(ctx) }

// open returns the sessions that there are.
func (s *server) all() (all []*Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		all = append(all, session)
	}
	return all
}

// site is an engine behind a real listener on the loopback interface.
type site struct {
	*server
	addr string
	http *httptest.Server
}

func start(t testing.TB, cfg conn.Config, a *app, own ...Config) *site {
	t.Helper()
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = 500 * time.Millisecond // what a test leaves behind is not worth the default
	}
	return newListener(t, newServer(cfg, a.accept, own...))
}

// newListener serves an engine until the end of the test, which ends the engine too.
func newListener(t testing.TB, s *server) *site {
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown() = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return &site{s, web.Listener.Addr().String(), web}
}

// url returns the address of the engine with a query.
func (s *site) url(query string) string { return "http://" + s.addr + "/socket.io/?" + query }

// dial opens a websocket with the client of another library.
func (s *site) dial(t testing.TB, query string) *websocket.Conn {
	t.Helper()
	return testkit.Dial(t, s.url(query))
}

// connect begins a session on a websocket.
func (s *site) connect(t testing.TB) *websocket.Conn {
	t.Helper()
	c := s.dial(t, "EIO=4&transport=websocket")
	if open := testkit.Read(t, c); !strings.HasPrefix(open, `0{"sid":"`) {
		t.Fatalf("first packet is %q", open)
	}
	return c
}

func (s *site) raw(t testing.TB) *testkit.Raw {
	t.Helper()
	return testkit.DialRaw(t, s.addr)
}

// upgradeRequest is a websocket handshake for a query.
func upgradeRequest(query string) string { return testkit.UpgradeRequest("/socket.io/?" + query) }

// rawWebSocket begins a session on a websocket and returns the connection behind the open packet. behind is sent
// together with the handshake.
func (s *site) rawWebSocket(t testing.TB, behind ...[]byte) *testkit.Raw {
	t.Helper()
	r := s.raw(t)
	r.Send([]byte(upgradeRequest("EIO=4&transport=websocket")), bytes.Join(behind, nil))
	r.Head(http.StatusSwitchingProtocols)
	if op, open := r.Frame(); op != testkit.Text || open[0] != packetOpen {
		t.Fatalf("first frame is %v %q", op, open)
	}
	return r
}

// sidOf returns the session id in an open packet.
func sidOf(t testing.TB, open string) string {
	t.Helper()
	var fields struct{ SID string }
	if open == "" || json.Unmarshal([]byte(open[1:]), &fields) != nil || len(fields.SID) != 20 {
		t.Fatalf("open packet is %q", open)
	}
	return fields.SID
}

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// withAttachments returns a text part followed by one binary part for each attachment.
func withAttachments(text []byte, attachments [][]byte) *wire.Message {
	b := wire.NewBuilder(len(text))
	b.Buf = append(b.Buf, text...)
	return b.Message(attachments...)
}
