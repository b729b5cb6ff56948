package socketio

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"signalbox/server/app"
)

// TestAttachmentsAreOneMessage_9: text and attachments of a packet together may be as large as one message.
func TestAttachmentsAreOneMessage_9(t *testing.T) {
	_, url := newTestServer(t, echo(), func(c *Config) { c.Conn.MaxPayloadBytes = 1000 })
	const head = `452-1["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	half := make([]byte, (1000-(len(head)-1))/2)
	c, _ := connect(t, url, "/")
	c.Send(head)
	c.SendBinary(half)
	c.SendBinary(half)
	if got := c.Read(); !strings.HasPrefix(got, "431[") {
		t.Errorf("what is exactly as large as may be was answered by %q", got)
	}
	c, _ = connect(t, url, "/")
	c.Send(head)
	c.SendBinary(half)
	c.SendBinary(append(half, 0, 0))
	c.WantClosed()
}

func TestAttachmentsHaveADeadline_9(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inBubble(t, echo(), Config{}, func(_ *Server, dial func() *client) {
			c := dial()
			c.Join("/", "")
			c.Send(`453-["a"]`)
			c.SendBinary([]byte{1})
			time.Sleep(attachmentTimeout / 2)
			c.SendBinary([]byte{2})
			if took := endsAfter(c); took != attachmentTimeout {
				t.Errorf("a client that owes an attachment was cut after %v, want %v", took, attachmentTimeout)
			}
			c = dial()
			c.Join("/", "")
			c.Send(`451-["a"]`)
			c.SendBinary([]byte{1})
			time.Sleep(20 * time.Second)
			c.Send(`421["still",1]`)
			c.Want(`431["still",1]`)
			go func() { // the connection's end ends it
				time.Sleep(3 * attachmentTimeout)
				c.Send("41")
			}()
			if took := endsAfter(c); took < 3*attachmentTimeout {
				t.Errorf("a client that owes nothing was cut after %v", took)
			}
		})
	})
}

func TestNoNamespaceAnyMore_6(t *testing.T) {
	handlers := echo()
	handlers["/closed"] = functions{connect: func(app.Peer, app.Handshake) error { return errors.New("no") }}
	handlers["/kick"] = functions{event: func(p app.Peer, _ *app.Event) { p.Disconnect(false) }}
	for name, leave := range map[string]func(c *client){
		"it left": func(c *client) { c.Send("41") },
		"it left, and is refused elsewhere again and again": func(c *client) {
			c.Send("41")
			for range 4 {
				time.Sleep(2 * time.Second)
				c.Send("40/closed,")
				c.Read()
			}
		},
		"the server made it leave": func(c *client) {
			c.Join("/kick", "")
			c.Send("41", `42/kick,["go"]`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inBubble(t, handlers, Config{ConnectTimeout: 10 * time.Second}, func(_ *Server, dial func() *client) {
					c := dial()
					c.Join("/", "")
					time.Sleep(15 * time.Second) // in a namespace nobody is cut
					start := time.Now()
					leave(c)
					endsAfter(c)
					if took := time.Since(start).Round(time.Millisecond); took != 10*time.Second {
						t.Errorf("the connection ended after %v, want 10s", took)
					}
				})
			})
		})
	}
	t.Run("it came back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			inBubble(t, handlers, Config{ConnectTimeout: 10 * time.Second}, func(_ *Server, dial func() *client) {
				c := dial()
				c.Join("/", "")
				c.Send("41")
				time.Sleep(9 * time.Second)
				c.Join("/", "")
				time.Sleep(15 * time.Second)
				c.Send(`421["still",1]`)
				c.Want(`431["still",1]`)
			})
		})
	})
}

// TestEverythingCounts: whatever a client sends weighs against MaxEventsPerSecond.
func TestEverythingCounts(t *testing.T) {
	handlers := echo()
	handlers["/closed"] = functions{connect: func(app.Peer, app.Handshake) error { return errors.New("no") }}
	handlers["/costly"] = functions{event: func(p app.Peer, e *app.Event) {
		app.Charge(p, 9)
		e.Ack.Send()
	}}
	const limit = 10 // 20 at once
	for name, test := range map[string]struct {
		packets []string
		weight  float64
	}{
		"events":          {[]string{`421["a"]`}, 1},
		"acks":            {[]string{"431[]", `421["a"]`}, 2},
		"CONNECT":         {[]string{"41", "40"}, 1 + app.WeightConnect},
		"refused CONNECT": {[]string{"40/closed,"}, app.WeightConnect},
		"costly events":   {[]string{`42/costly,1["a"]`}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inBubble(t, handlers, Config{MaxEventsPerSecond: limit}, func(s *Server, dial func() *client) {
					c := dial()
					c.Join("/", "")
					c.Join("/costly", "")
					time.Sleep(5 * time.Second) // whatever that weighed is forgotten
					rounds := 150 / test.weight
					start := time.Now()
					for range int(rounds) {
						c.Send(test.packets...)
						c.Read()
					}
					want := time.Duration((rounds*test.weight - 2*limit - (test.weight - 1)) / limit * float64(time.Second))
					if took := time.Since(start); took < want-time.Second/2 {
						t.Errorf("%.0f rounds took %v, want %v", rounds, took, want)
					}
					if s.Stats().Throttled == 0 {
						t.Error("nothing was counted as throttled")
					}
				})
			})
		})
	}
}

// TestReasonsOfViolations: what handlers are told is what Node's sockets are.
func TestReasonsOfViolations(t *testing.T) {
	for packet, want := range map[string]string{
		"4abc": "forced close", `450-["a"]`: "forced close", "40": "forced server close", `42/other,[1]`: "forced server close",
	} {
		closed := make(chan string, 1)
		_, url := newTestServer(t, map[string]app.Handler{"/": functions{closed: func(_ app.Peer, reason string) { closed <- reason }}})
		c, _ := connect(t, url, "/")
		c.Send(packet)
		c.WantClosed()
		if got := receive(t, closed); got != want {
			t.Errorf("after %q the handler is told %q, want %q", packet, got, want)
		}
	}
}

// TestWhatOneClientCanPin holds docs/deploy.md: beside what waits for it, a client makes the server keep two messages at
// most, one whose attachments have not all come and one that is on its way. While the buffer of that one grows it takes
// twice as much for a moment.
func TestWhatOneClientCanPin(t *testing.T) {
	const limit, clients = 4 << 20, 4
	_, url := newTestServer(t, echo(), func(c *Config) { c.Conn.MaxPayloadBytes = limit })
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // of what pools kept
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	piece := make([]byte, limit/10)
	before := heap()
	for range clients {
		c, _ := connect(t, url, "/")
		c.Send(`4510-["a"]`)
		for range 9 {
			c.SendBinary(piece)
		}
		w, err := c.WS.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range 9 {
			if _, err := w.Write(piece); err != nil { // fragments: the message is not over
				t.Fatal(err)
			}
		}
	}
	var pinned uint64
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if pinned = (heap() - before) / clients; pinned > limit*16/10 && pinned <= 2*limit+200_000 {
			break // it has come, and no buffer grows
		}
	}
	t.Logf("%d bytes pinned with messages of up to %d", pinned, limit)
	if pinned > 2*limit+200_000 {
		t.Errorf("a client pins %d bytes, want 2 x %d at most", pinned, limit)
	}
}

// TestInflatedMessagesWeighWhatTheyBecome has two clients send the same long event, one of them compressed to a thousandth.
func TestInflatedMessagesWeighWhatTheyBecome(t *testing.T) {
	handlers := map[string]app.Handler{"/": functions{event: func(_ app.Peer, e *app.Event) { e.Ack.Send() }}}
	s, url := newTestServer(t, handlers, func(c *Config) { c.MaxEventsPerSecond, c.Conn.CompressBytes = 60, 1024 })
	for _, test := range []struct {
		mode      websocket.CompressionMode
		throttled uint64
	}{{websocket.CompressionDisabled, 0}, {websocket.CompressionNoContextTakeover, 1}} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ws, _, err := websocket.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", &websocket.DialOptions{CompressionMode: test.mode})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.CloseNow()
		c := &client{T: t, WS: ws}
		c.Read()
		c.Join("/", "")
		c.Send(`421["a","` + strings.Repeat("x", 500_000) + `"]`)
		c.Want("431[]")
		if got := s.Stats().Throttled; got != test.throttled {
			t.Errorf("compressed %v: %d had to wait, want %d", test.mode, got, test.throttled)
		}
	}
}
