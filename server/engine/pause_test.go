package engine

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/conn"
	"signalbox/server/conn/testkit"
	"signalbox/server/wire"
)

// slowed is an app that answers every message at once and then lets its client wait for a minute.
func slowed() (a *app, paused chan bool) {
	a, paused = newApp(), make(chan bool, 100)
	a.text = func(s *Session, _ []byte) error {
		err := s.Reply(wire.Text([]byte("4early")))
		paused <- s.Pause(time.Minute)
		return err
	}
	return a, paused
}

// TestPauseLetsRepliesLeave: what a receiver has answered reaches a client that has to wait.
func TestPauseLetsRepliesLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, paused := slowed()
		b := newBubble(t, conn.Config{PingInterval: time.Hour}, a)
		defer b.stop()
		began := time.Now()
		ws := b.websocket()
		ws.Send(testkit.TextFrame("4"))
		if _, got := ws.Frame(); string(got) != "4early" || time.Since(began) != 0 {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
		_, open := b.request("GET", pollingQuery, "")
		query := pollingQuery + "&sid=" + sidOf(t, open)
		posted := make(chan int)
		go func() { // awaited below
			status, _ := b.request("POST", query, "4")
			posted <- status
		}()
		if _, got := b.request("GET", query, ""); got != "4early" || time.Since(began) != 0 {
			t.Errorf("poll is %q after %v", got, time.Since(began))
		}
		if got := <-posted; got != http.StatusOK || time.Since(began) != time.Minute {
			t.Errorf("the post was answered with %d after %v", got, time.Since(began))
		}
		if !<-paused || !<-paused {
			t.Error("a pause says that the session has ended")
		}
		go ws.MustEnd()
	})
}

// TestPauseEndsWithTheClient: one that is held up and has gone is not kept until all it has sent is worked off.
func TestPauseEndsWithTheClient(t *testing.T) {
	backlog := func(n int) (all []byte) {
		for range n {
			all = append(all, testkit.TextFrame("4")...)
		}
		return all
	}
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, paused := slowed()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			began := time.Now()
			ws := b.websocket()
			defer ws.Close()
			ws.Send(backlog(20))
			go func() {
				for {
					if _, err := ws.ReadByte(); err != nil {
						return
					}
				}
			}()
			// The ping comes after 25 s, and nothing is read in the 20 s after it.
			if got := <-a.closed; got != conn.ReasonPingTimeout || time.Since(began) != 45*time.Second {
				t.Errorf("ended by %v after %v", got, time.Since(began))
			}
			if <-paused {
				t.Error("a pause says that the session has not ended")
			}
		})
	})
	t.Run("closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, paused := slowed()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			began := time.Now()
			ws := b.websocket()
			ws.Send(backlog(20))
			ws.Frame()
			ws.Close() // the ping cannot be written
			if got := <-a.closed; got != conn.ReasonTransportError || time.Since(began) != 25*time.Second {
				t.Errorf("ended by %v after %v", got, time.Since(began))
			}
			if <-paused {
				t.Error("a pause says that the session has not ended")
			}
		})
	})
	t.Run("post", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, paused := slowed()
			b := newBubble(t, conn.Config{}, a)
			defer b.stop()
			_, open := b.request("GET", pollingQuery, "")
			began := time.Now()
			r := b.raw()
			r.Send([]byte("POST /socket.io/?" + pollingQuery + "&sid=" + sidOf(t, open) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n4\x1e4\x1e4"))
			synctest.Wait()
			r.Close()
			if got := <-a.closed; got != conn.ReasonTransportError || time.Since(began) != 0 {
				t.Errorf("ended by %v after %v", got, time.Since(began))
			}
			if <-paused {
				t.Error("a pause says that the session has not ended")
			}
		})
	})
}
