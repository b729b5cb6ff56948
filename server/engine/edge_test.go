package engine

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
)

// TestHandshakeWithoutHijack: a response that cannot be taken over (HTTP/2) is an error, and the place is free again.
func TestHandshakeWithoutHijack(t *testing.T) {
	s := newServer(conn.Config{MaxConnections: 1}, newApp().accept)
	defer s.Shutdown(t.Context())
	for range 3 {
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
		for i, h := 0, testkit.UpgradeHeader(); i < len(h); i += 2 {
			r.Header.Set(h[i], h[i+1])
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
			t.Errorf("status %d, want 400", w.Code)
		}
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest("GET", "/socket.io/?"+pollingQuery, nil)); w.Code != http.StatusOK {
		t.Errorf("status %d: the place was not given back", w.Code)
	}
}

// TestClientLeavesDuringTheHandshake: the response cannot be written, and nothing is left of the connection.
func TestClientLeavesDuringTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		b := newBubble(t, conn.Config{}, a)
		defer b.stop()
		r := b.raw()
		r.Send([]byte(upgradeRequest("EIO=4&transport=websocket")))
		synctest.Wait()
		r.Close()
		synctest.Wait()
		if n := len(b.all()); n != 0 || len(a.sessions) != 0 {
			t.Errorf("%d connections and %d sessions", n, len(a.sessions))
		}
	})
}

// TestUnwantedSession: the program above returns no receiver.
func TestUnwantedSession(t *testing.T) {
	s := newServer(conn.Config{}, func(*Session) conn.Receiver { return nil })
	web := newListener(t, s)
	if code := testkit.CodeOf(web.rawWebSocket(t, testkit.TextFrame("4x")).MustEnd()); code != conn.CloseNoCode {
		t.Errorf("close code %d", code)
	}
	if got := web.poller(t).poll(); got != "6\x1e1" {
		t.Errorf("poll is %q", got)
	}
}
