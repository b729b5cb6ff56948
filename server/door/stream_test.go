package door

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
)

func TestStream(t *testing.T) {
	p := newPlace(t, conn.Config{})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	closed := make(chan string, 1)
	opened := make(chan app.StreamPeer, 1)
	handler := p.doors.Stream(streams{
		connect: func(peer app.StreamPeer, v app.Visit) error {
			peer.Send([]byte("event: connected\ndata: " + v.Header("Last-Event-ID") + "\n\n"))
			p.hub.Join(peer.Member(), room)
			p.hub.Send(room, &hub.Message{SSE: []byte("data: early\n\n")})
			opened <- peer
			return nil
		},
		closed: func(peer app.StreamPeer, reason string) {
			if !p.hub.Contains(peer.Member(), room) {
				t.Error("the member has left its rooms before the handler was told")
			}
			closed <- reason
		},
	})
	p.mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // as the layer above does
		handler.ServeHTTP(w, r)
	})
	f := p.follow("/events", "Last-Event-ID", "7-7")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*",
		"Content-Length": "",
	} {
		if got := f.resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	f.want("event: connected\ndata: 7-7")
	f.want("data: early")
	if n := p.hub.Send(room, &hub.Message{SSE: []byte("id: 1\ndata: live\n\n")}); n != 1 {
		t.Errorf("Send = %d, want 1", n)
	}
	if n := p.hub.Send(room, &hub.Message{Text: []byte("not for it")}); n != 0 {
		t.Errorf("Send without a record = %d, want 0", n)
	}
	f.want("id: 1\ndata: live")
	peer := receive(t, opened)
	peer.Send([]byte("data: own\n\n"))
	f.want("data: own")
	f.close()
	if reason := receive(t, closed); reason != "transport close" {
		t.Errorf("reason = %q, want transport close", reason)
	}

	f = p.follow("/events")
	f.want("event: connected\ndata: ")
	f.want("data: early")
	peer = receive(t, opened)
	peer.Send([]byte("data: bye\n\n"))
	peer.Close()
	peer.Close()
	if peer.Send([]byte("data: late\n\n")) || !peer.Closed() {
		t.Error("a closed stream takes records")
	}
	f.want("data: bye")
	if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v, want EOF", err)
	}
	receive(t, closed)

	f = p.follow("/events")
	f.want("event: connected\ndata: ")
	receive(t, opened)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.conns.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if reason := receive(t, closed); reason != "server shutting down" {
		t.Errorf("reason = %q, want server shutting down", reason)
	}
}

func TestStreamRefusals(t *testing.T) {
	p := newPlace(t, conn.Config{})
	p.mux.Handle("/401", p.doors.Stream(streams{connect: func(app.StreamPeer, app.Visit) error { return &app.Refusal{Status: 401} }}))
	p.mux.Handle("/panic", p.doors.Stream(streams{connect: func(app.StreamPeer, app.Visit) error { panic("connect") }}))
	p.mux.Handle("/closing", p.doors.Stream(streams{connect: func(peer app.StreamPeer, _ app.Visit) error {
		peer.Send([]byte("data: bye\n\n"))
		peer.Close()
		return nil
	}}))
	if f := p.follow("/401"); f.resp.StatusCode != 401 {
		t.Errorf("/401: %d", f.resp.StatusCode)
	}
	if f := p.follow("/panic"); f.resp.StatusCode != 500 {
		t.Errorf("/panic: %d", f.resp.StatusCode)
	}
	f := p.follow("/closing")
	f.want("data: bye")
	if _, err := f.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a stream that was closed before it began: %v, want EOF", err)
	}
}

// TestStrangersOverTheLimitsReachNoHandler: what a handler does for a stranger, such as reading a ticket or joining rooms, is
// done for those alone who may connect. What it has refused leaves its place to the next.
func TestStrangersOverTheLimitsReachNoHandler(t *testing.T) {
	config := map[string]conn.Config{
		"connections": {MaxConnections: 1},
		"of one peer": {MaxConnectionsPerIP: 1},
		"rate":        {HandshakesPerSecond: 0.3}, // three at once
		"origin":      {CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "" }},
	}
	for name, cfg := range config {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, cfg)
			var asked atomic.Int32
			refusal := func() error {
				if asked.Add(1) <= 2 {
					return &app.Refusal{Status: 401}
				}
				return nil
			}
			p.mux.Handle("/stream", p.doors.Stream(streams{connect: func(app.StreamPeer, app.Visit) error { return refusal() }}))
			p.mux.Handle("/ws", p.doors.WebSocket(texts{connect: func(app.TextPeer, app.Visit) error { return refusal() }}, conn.WebSocketOptions{}))
			for _, want := range []int{401, 401, 200} {
				if f := p.follow("/stream"); f.resp.StatusCode != want {
					t.Fatalf("one who may connect: %d, want %d", f.resp.StatusCode, want)
				}
			}
			for range 20 {
				if f := p.follow("/stream", "Origin", "https://evil"); f.resp.StatusCode != 403 {
					t.Fatalf("stream: %d, want 403", f.resp.StatusCode)
				}
				_, res, err := p.dial("/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil"}}})
				if err == nil || res.StatusCode != 403 {
					t.Fatalf("websocket: %v, want 403", err)
				}
			}
			if got := asked.Load(); got != 3 {
				t.Errorf("the handler was asked %d times, want 3", got)
			}
		})
	}
}

// TestBrokenHandshakeReachesNoHandler has websocket handshakes that cannot be answered.
func TestBrokenHandshakeReachesNoHandler(t *testing.T) {
	p := newPlace(t, conn.Config{})
	p.mux.Handle("/ws", p.doors.WebSocket(texts{connect: func(app.TextPeer, app.Visit) error {
		t.Error("the handler was asked")
		return nil
	}}, conn.WebSocketOptions{}))
	good := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for name, want := range map[string]int{"Sec-WebSocket-Key": 400, "Sec-WebSocket-Version": 426, "Upgrade": 426} {
		if f := p.follow("/ws", append(good[:8:8], name, "1")...); f.resp.StatusCode != want {
			t.Errorf("a wrong %s: %d, want %d", name, f.resp.StatusCode, want)
		}
	}
}

func TestStreamKeepAlive(t *testing.T) {
	p := newPlace(t, conn.Config{}, func(c *Config) { c.KeepAlive = 10 * time.Millisecond })
	p.mux.Handle("/events", p.doors.Stream(streams{}))
	f := p.follow("/events")
	f.want(": keep-alive")
	f.want(": keep-alive")
	if New(Config{}).cfg.KeepAlive != 30*time.Second {
		t.Error("the default is not 30s")
	}
}

// A client that never reads is cut when its outbox is full, and the others get everything.
func TestStreamThatIsNotRead(t *testing.T) {
	p := newPlace(t, conn.Config{OutboxBytes: 256 << 10})
	room := hub.Room{Kind: hub.KindTopic, Name: "x"}
	closed := make(chan string, 2)
	opened := make(chan bool, 2)
	p.mux.Handle("/events", p.doors.Stream(streams{
		connect: func(peer app.StreamPeer, _ app.Visit) error {
			p.hub.Join(peer.Member(), room)
			opened <- true
			return nil
		},
		closed: func(_ app.StreamPeer, reason string) { closed <- reason },
	}))
	nc, err := net.Dial("tcp", p.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	receive(t, opened)
	good := p.follow("/events")
	receive(t, opened)
	record := "data: " + strings.Repeat("x", 64<<10)
	for {
		p.hub.Send(room, &hub.Message{SSE: []byte(record + "\n\n")})
		good.want(record)
		select {
		case reason := <-closed:
			if reason != "slow client" {
				t.Errorf("reason = %q, want slow client", reason)
			}
			return
		default:
		}
	}
}
