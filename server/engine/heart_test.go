package engine

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowHandlerIsNotAPingTimeout: a client whose pong waits behind a packet that the program above is busy with has not
// gone.
func TestSlowHandlerIsNotAPingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp().echo()
		echo := a.text
		a.text = func(s *Session, data []byte) error {
			if string(data) == "slow" {
				time.Sleep(time.Minute)
			}
			return echo(s, data)
		}
		b := newBubble(t, Config{}, a)
		defer b.stop()
		r := b.websocket()
		r.send(text("4slow"))
		if _, got := r.frame(); string(got) != "2" {
			t.Fatalf("got %q, want a ping", got)
		}
		r.send(text("3")) // the pipe has no buffer: it leaves when the handler has returned
		if _, got := r.frame(); string(got) != "4slow" {
			t.Fatalf("got %q, want the answer", got)
		}
		// Without a pong the session ends as ever, 25 and 20 seconds after the last one.
		pong := time.Now()
		go r.mustEnd()
		if got := <-a.closed; got != ReasonPingTimeout {
			t.Errorf("ended by %v, want a ping timeout", got)
		}
		if got, want := time.Since(pong), 45*time.Second; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

// TestRequestFindsThePingTimeoutFirst has a request and the clock look at one deadline at the same time.
func TestRequestFindsThePingTimeoutFirst(t *testing.T) {
	for range 50 {
		srv := New(Config{}, newApp().accept)
		close(srv.stop) // the clock is run by hand
		srv.wg.Wait()
		s := &Session{polling: new(polling), receiver: nobody{}}
		s.init(srv, s)
		s.mu.Lock()
		s.startHeartLocked(srv.heart)
		s.unanswered = true
		srv.clock.startLocked(&s.link, srv.heart.timeout, 1-srv.heart.timeout.after) // due since the clock was made
		s.mu.Unlock()
		var wg sync.WaitGroup
		wg.Go(func() { srv.clock.arm(0) })
		wg.Go(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if got := s.checkPollingLocked(); got != refuseSession {
				t.Errorf("request after the ping timeout: %v, want %v", got, refuseSession)
			}
		})
		wg.Wait()
		srv.wg.Wait()
	}
}

// TestPacketPutsThePingTimeoutOffOnce: on a slow uplink the pong may be behind what the client sent before it.
func TestPacketPutsThePingTimeoutOffOnce(t *testing.T) {
	send := map[string]func(b *bubble, query string, ws *raw){
		"websocket": func(b *bubble, _ string, ws *raw) { ws.send(text("4x")) },
		"polling":   func(b *bubble, query string, _ *raw) { b.request("POST", query, "4x") },
	}
	for transport, send := range send {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp()
				b := newBubble(t, Config{}, a)
				defer b.stop()
				var ws *raw
				var query string
				if transport == "websocket" {
					ws = b.websocket()
					ws.frame() // the ping
				} else {
					_, open := b.request("GET", pollingQuery, "")
					query = pollingQuery + "&sid=" + sidOf(t, open)
					b.request("GET", query, "")
				}
				pinged := time.Now()
				time.AfterFunc(10*time.Second, func() { send(b, query, ws) })
				time.AfterFunc(20*time.Second-1, func() { send(b, query, ws) })
				if got := <-a.closed; got != ReasonPingTimeout || time.Since(pinged) != 30*time.Second {
					t.Errorf("ended by %v %v after the ping", got, time.Since(pinged))
				}
				if ws != nil {
					go ws.mustEnd()
				}
			})
		})
	}
}
