package testkit

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/server/socketio/testkit"
)

// patience is how long a test waits for something that has to come.
const patience = testkit.Patience

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
type Wire = testkit.Client

// Dial opens a connection whose heartbeats are answered.
func Dial(t testing.TB, url string) *Wire {
	t.Helper()
	w := testkit.Dial(t, url, "&lang=de")
	w.Pongs = true
	return w
}
