package socketio

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that has to come.
const patience = 10 * time.Second

// newTestServer serves handlers over loopback until the test ends.
func newTestServer(t testing.TB, handlers map[string]app.Handler, adjust ...func(*Config)) (*Server, string) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := Config{Hub: hub.New(), Handlers: handlers, Log: log}
	cfg.Conn.Log = log
	for _, f := range adjust {
		f(&cfg)
	}
	s := New(cfg)
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		web.Close()
	})
	return s, web.URL
}

// client is a websocket that speaks packets as text: what a JavaScript client would send and see.
type client struct {
	t  testing.TB
	ws *websocket.Conn
}

func dial(t testing.TB, url string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(1 << 24)
	t.Cleanup(func() { ws.CloseNow() })
	c := &client{t: t, ws: ws}
	if open := c.read(); open[0] != '0' {
		t.Fatalf("first packet = %q, want open", open)
	}
	return c
}

// connect dials and connects a namespace. It returns the socket id too.
func connect(t testing.TB, url, namespace string) (*client, string) {
	t.Helper()
	c := dial(t, url)
	return c, c.join(namespace)
}

func (c *client) join(namespace string) string {
	c.t.Helper()
	head := "40"
	if namespace != "/" {
		head += namespace + ","
	}
	c.send(head)
	got := c.read()
	payload, ok := strings.CutPrefix(got, head)
	var answer struct{ Sid string }
	if !ok || json.Unmarshal([]byte(payload), &answer) != nil || len(answer.Sid) < 20 {
		c.t.Fatalf("answer to %q = %q", head, got)
	}
	return answer.Sid
}

func (c *client) send(packets ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, p := range packets {
		if err := c.ws.Write(ctx, websocket.MessageText, []byte(p)); err != nil {
			c.t.Fatalf("send %.60q: %v", p, err)
		}
	}
}

func (c *client) sendBinary(data []byte) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageBinary, data); err != nil {
		c.t.Fatalf("send binary: %v", err)
	}
}

// read returns the next message; a binary one with "b" before it.
func (c *client) read() string {
	c.t.Helper()
	got, err := c.tryRead()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return got
}

func (c *client) tryRead() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := c.ws.Read(ctx)
	if err != nil {
		return "", err
	}
	if kind == websocket.MessageBinary {
		return "b" + string(data), nil
	}
	return string(data), nil
}

func (c *client) want(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.read(); got != want {
			c.t.Fatalf("read = %.200q, want %.200q", got, want)
		}
	}
}

// wantClosed reads until the server closes, and returns the close code.
func (c *client) wantClosed() websocket.StatusCode {
	c.t.Helper()
	for {
		if _, err := c.tryRead(); err != nil {
			code := websocket.CloseStatus(err)
			if code == -1 {
				c.t.Errorf("the connection ended without a close frame: %v", err)
			}
			return code
		}
	}
}

// functions is a handler made of them. Without them it accepts everybody and answers every callback with the event.
type functions struct {
	connect func(app.Peer, app.Handshake) error
	event   func(app.Peer, *app.Event)
	closed  func(app.Peer, string)
}

func (a functions) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	if a.connect != nil {
		if err := a.connect(p, hs); err != nil {
			return nil, err
		}
	}
	return appSession{a, p}, nil
}

type appSession struct {
	functions
	p app.Peer
}

func (s appSession) Event(e *app.Event) {
	if s.event != nil {
		s.event(s.p, e)
		return
	}
	args := []any{e.Name}
	for _, a := range e.Args {
		args = append(args, a)
	}
	e.Ack.Send(args...)
}

func (s appSession) Close(reason string) {
	if s.closed != nil {
		s.closed(s.p, reason)
	}
}

func echo() map[string]app.Handler { return map[string]app.Handler{"/": functions{}} }

// receive waits for a value that a handler sends.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
