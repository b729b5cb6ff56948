package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
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
		b := newBubble(t, conn.Config{}, a)
		defer b.stop()
		r := b.websocket()
		r.Send(testkit.TextFrame("4slow"))
		if _, got := r.Frame(); string(got) != "2" {
			t.Fatalf("got %q, want a ping", got)
		}
		r.Send(testkit.TextFrame("3")) // the pipe has no buffer: it leaves when the handler has returned
		if _, got := r.Frame(); string(got) != "4slow" {
			t.Fatalf("got %q, want the answer", got)
		}
		// Without a pong the session ends as ever, 25 and 20 seconds after the last one.
		pong := time.Now()
		go r.MustEnd()
		if got := <-a.closed; got != conn.ReasonPingTimeout {
			t.Errorf("ended by %v, want a ping timeout", got)
		}
		if got, want := time.Since(pong), 45*time.Second; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

// TestPacketPutsThePingTimeoutOffOnce: on a slow uplink the pong may be behind what the client sent before it.
func TestPacketPutsThePingTimeoutOffOnce(t *testing.T) {
	send := map[string]func(b *bubble, query string, ws *testkit.Raw){
		"websocket": func(b *bubble, _ string, ws *testkit.Raw) { ws.Send(testkit.TextFrame("4x")) },
		"polling":   func(b *bubble, query string, _ *testkit.Raw) { b.request("POST", query, "4x") },
	}
	for transport, send := range send {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp()
				b := newBubble(t, conn.Config{}, a)
				defer b.stop()
				var ws *testkit.Raw
				var query string
				if transport == "websocket" {
					ws = b.websocket()
					ws.Frame() // the ping
				} else {
					_, open := b.request("GET", pollingQuery, "")
					query = pollingQuery + "&sid=" + sidOf(t, open)
					b.request("GET", query, "")
				}
				pinged := time.Now()
				time.AfterFunc(10*time.Second, func() { send(b, query, ws) })
				time.AfterFunc(20*time.Second-1, func() { send(b, query, ws) })
				if got := <-a.closed; got != conn.ReasonPingTimeout || time.Since(pinged) != 30*time.Second {
					t.Errorf("ended by %v %v after the ping", got, time.Since(pinged))
				}
				if ws != nil {
					go ws.MustEnd()
				}
			})
		})
	}
}
