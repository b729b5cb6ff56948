package testkit

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

	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// patience is how long a [Wire] waits for something that has to come.
const patience = 10 * time.Second

// Serve serves handlers over loopback until the test ends, and returns the address. stop is called once the clients are gone.
func Serve(t testing.TB, h *hub.Hub, adjust func(*socketio.Config), stop func(), made ...func(*socketio.Server)) string {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := socketio.Config{Hub: h, Log: log}
	adjust(&cfg)
	s := socketio.New(cfg)
	for _, tell := range made {
		tell(s)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		web.Close()
		stop()
	})
	return web.URL
}

// Wire is a client on a WebSocket that speaks packets as text.
type Wire struct {
	T  testing.TB
	ws *websocket.Conn
}

// Dial opens a connection.
func Dial(t testing.TB, url string) *Wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket&lang=de", nil)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(1 << 24)
	t.Cleanup(func() { ws.CloseNow() })
	w := &Wire{T: t, ws: ws}
	w.Read() // the open packet
	return w
}

// Join connects a namespace and returns the socket's id. auth may be "".
func (w *Wire) Join(namespace, auth string) (sid string) {
	w.T.Helper()
	head := "40"
	if namespace != "/" {
		head += namespace + ","
	}
	w.Send(head + auth)
	got := w.Read()
	payload, ok := strings.CutPrefix(got, head)
	var answer struct{ Sid string }
	if !ok || json.Unmarshal([]byte(payload), &answer) != nil || answer.Sid == "" {
		w.T.Fatalf("answer to %q = %q", head, got)
	}
	return answer.Sid
}

// TrySend sends a packet, and reports whether it could.
func (w *Wire) TrySend(packet string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.ws.Write(ctx, websocket.MessageText, []byte(packet)) == nil
}

// Send sends packets; what begins with a 0 byte goes out as a binary frame, without it.
func (w *Wire) Send(packets ...string) {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, p := range packets {
		kind := websocket.MessageText
		if rest, ok := strings.CutPrefix(p, "\x00"); ok {
			kind, p = websocket.MessageBinary, rest
		}
		if err := w.ws.Write(ctx, kind, []byte(p)); err != nil {
			w.T.Fatalf("send %.60q: %v", p, err)
		}
	}
}

// Read returns the next packet, a binary one with "b" before it. Heartbeats are not shown.
func (w *Wire) Read() string {
	w.T.Helper()
	got, err := w.TryRead()
	if err != nil {
		w.T.Fatalf("read: %v", err)
	}
	return got
}

// TryRead is Read, and fails where the connection has ended.
func (w *Wire) TryRead() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	kind, data, err := w.ws.Read(ctx)
	if err != nil {
		return "", err
	}
	if kind == websocket.MessageText && string(data) == "2" {
		w.TrySend("3")
		return w.TryRead()
	}
	if kind == websocket.MessageBinary {
		return "b" + string(data), nil
	}
	return string(data), nil
}

// Want fails unless these packets come next.
func (w *Wire) Want(packets ...string) {
	w.T.Helper()
	for _, want := range packets {
		if got := w.Read(); got != want {
			w.T.Fatalf("read %.300q, want %.300q", got, want)
		}
	}
}

// Cut ends the connection as a network does.
func (w *Wire) Cut() { w.ws.CloseNow() }
