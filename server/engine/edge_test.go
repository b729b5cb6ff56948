package engine

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestHandshakeWithoutHijack: a response that cannot be taken over (HTTP/2) is an error, and the place is free again.
func TestHandshakeWithoutHijack(t *testing.T) {
	s := New(Config{MaxConnections: 1}, newApp().accept)
	defer s.Shutdown(t.Context())
	for range 3 {
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
		for i, h := 0, upgradeHeader(); i < len(h); i += 2 {
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
		b := newBubble(t, Config{}, a)
		defer b.stop()
		r := b.raw()
		r.send([]byte(upgradeRequest("EIO=4&transport=websocket")))
		synctest.Wait()
		r.Close()
		synctest.Wait()
		if n := len(b.allLinks()); n != 0 || len(a.sessions) != 0 {
			t.Errorf("%d connections and %d sessions", n, len(a.sessions))
		}
	})
}

// TestUnwantedSession: the program above returns no receiver.
func TestUnwantedSession(t *testing.T) {
	s := New(Config{}, func(*Session) Receiver { return nil })
	web := newListener(t, s)
	if code := codeOf(web.rawWebSocket(t, text("4x")).mustEnd()); code != closeNoCode {
		t.Errorf("close code %d", code)
	}
	if got := web.poller(t).poll(); got != "6\x1e1" {
		t.Errorf("poll is %q", got)
	}
}

// TestClockOrder starts links so that they are due in another order.
func TestClockOrder(t *testing.T) {
	c := newClock(time.Second)
	q := c.queue(time.Second)
	if c.queue(time.Second) != q {
		t.Error("a second queue for the same duration")
	}
	links := make([]link, 5)
	for i, from := range []time.Duration{3, 1, 4, 0, 2} {
		c.startLocked(&links[i], q, from)
	}
	c.stopLocked(&links[4])
	c.startLocked(&links[2], q, 5) // again, and later
	if got := c.take(time.Second-1, nil); len(got) != 0 {
		t.Errorf("%d are due too early", len(got))
	}
	var order []byte
	for _, l := range c.take(2*time.Second, nil) {
		for i := range links {
			if l == &links[i] {
				order = append(order, byte('0'+i))
			}
		}
	}
	if !bytes.Equal(order, []byte("3102")) {
		t.Errorf("order %s, want 3102", order)
	}
	if q.head != nil || q.tail != nil {
		t.Error("the queue is not empty")
	}
}

func TestReasonTexts(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasonCount {
		if text := r.String(); text == "" || seen[text] {
			t.Errorf("reason %d is %q", r, text)
		} else {
			seen[text] = true
		}
	}
	if got := reasonCount.String(); got != "unknown" {
		t.Errorf("unknown reason is %q", got)
	}
}
