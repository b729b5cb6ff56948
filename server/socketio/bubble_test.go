package socketio

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// pipes is a listener in memory, so that a server can be tested where time is not real.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	nc, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble serves handlers in memory while test runs, which is inside of a bubble of testing/synctest. dial makes a client.
func inBubble(t *testing.T, handlers map[string]app.Handler, cfg Config, test func(s *Server, dial func() *client)) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg.Hub, cfg.Handlers, cfg.Log, cfg.Conn.Log = hub.New(), handlers, log, log
	s := New(cfg)
	listener := make(pipes)
	web := &http.Server{Handler: s}
	served := make(chan struct{})
	go func() { // awaited below
		defer close(served)
		_ = web.Serve(listener) // ErrServerClosed
	}()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		listener <- there
		return here, nil
	}}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		_ = web.Close()
		<-served
		transport.CloseIdleConnections()
	}()
	version := "4"
	if cfg.Engine.AllowEIO3 {
		version = "3"
	}
	test(s, func() *client {
		ws, _, err := websocket.Dial(t.Context(), "ws://test/socket.io/?transport=websocket&EIO="+version,
			&websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		ws.SetReadLimit(1 << 24)
		c := &client{T: t, WS: ws}
		c.Read() // open
		return c
	})
}

// endsAfter reads until the connection ends, answers pings, and returns when that was.
func endsAfter(c *client) time.Duration {
	c.T.Helper()
	start := time.Now()
	for {
		_, data, err := c.WS.Read(context.Background())
		if err != nil {
			return time.Since(start)
		}
		if string(data) == "2" {
			c.Send("3")
		}
	}
}
