package library

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/goleak"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/server/socketio/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that has to come.
const patience = testkit.Patience

// testServer is a server with the library.
type testServer struct {
	*socketio.Server
	lib *Library
	hub *hub.Hub
}

func (s *testServer) Library() *sio.Server { return s.lib.Server() }

// newTestServer serves handlers over loopback until the test ends.
func newTestServer(t testing.TB, handlers map[string]app.Handler, adjust ...func(*socketio.Config)) (*testServer, string) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := socketio.Config{Hub: hub.New(), Handlers: handlers, Log: log}
	cfg.Conn.Log = log
	for _, f := range adjust {
		f(&cfg)
	}
	s := &testServer{Server: socketio.New(cfg), hub: cfg.Hub}
	var err error
	if s.lib, err = New(s.Server, log); err != nil {
		t.Fatal(err)
	}
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

// client is what speaks to the server in tests.
type client = testkit.Client

func dial(t testing.TB, url string) *client {
	t.Helper()
	return testkit.Dial(t, url, "")
}

// connect dials and connects a namespace. It returns the socket id too.
func connect(t testing.TB, url, namespace string) (*client, string) {
	t.Helper()
	c := dial(t, url)
	return c, c.Join(namespace, "")
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

// waitFor waits until a condition holds that nothing announces.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the condition never held")
		}
	}
}

func ask(event string) *hub.Message {
	return &hub.Message{Namespace: "/chat", Event: event, Args: []json.RawMessage{json.RawMessage(`{"n": 1.0}`)}}
}

// collected is what EmitWithAck called back.
type collected struct {
	mu      sync.Mutex
	answers map[string]string
}

func collect() *collected { return &collected{answers: make(map[string]string)} }

func (c *collected) take(sid string, args []json.RawMessage, attachments [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[sid] += fmt.Sprintf("%s %q", args, attachments)
}

var (
	teamRoom  = hub.Room{Kind: hub.KindRoom, Name: "team"}
	otherRoom = hub.Room{Kind: hub.KindRoom, Name: "other"}
)
