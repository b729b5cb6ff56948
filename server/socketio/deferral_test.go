package socketio

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
	"signalbox/server/hub"
)

// newHoldServer serves "/": every client is in the room team, and events go to event.
func newHoldServer(t *testing.T, event func(s *Server, p app.Peer, e *app.Event), adjust ...func(*Config)) (*Server, string) {
	t.Helper()
	var s *Server
	s, url := newTestServer(t, map[string]app.Handler{"/": functions{
		connect: func(p app.Peer, _ app.Handshake) error { s.hub.Join(p.Member(), teamRoom); return nil },
		event:   func(p app.Peer, e *app.Event) { event(s, p, e); e.Ack.Send() },
	}}, adjust...)
	return s, url
}

func numbered(id string) *hub.Message { return &hub.Message{Namespace: "/", Event: id, ID: id} }

func TestHoldKeepsDeliveriesBackInOrder(t *testing.T) {
	s, url := newHoldServer(t, func(s *Server, p app.Peer, e *app.Event) {
		h := p
		h.DeferDelivery()
		h.DeferDelivery() // holds nest
		for i := range 5 {
			if s.hub.SendHere(teamRoom, numbered(fmt.Sprint("m", i))) != 1 {
				t.Error("a message that is kept back is not delivered")
			}
		}
		s.hub.SendHere(teamRoom, &hub.Message{Namespace: "/", Event: "nameless"})
		s.hub.SendHere(teamRoom, &hub.Message{Namespace: "/", Event: "volatile", Volatile: true})
		if err := p.Emit("history"); err != nil {
			t.Error(err)
		}
		h.ResumeDelivery(func(id string) bool { return id == "m1" })
		s.hub.SendHere(teamRoom, numbered("m5"))
		h.ResumeDelivery(func(id string) bool { return id == "m3" })
		h.ResumeDelivery(nil) // one too many does nothing
		for _, id := range []string{"m6", "m1", "m3"} {
			s.hub.SendHere(teamRoom, numbered(id))
		}
	})
	c, _ := connect(t, url, "/")
	c.Send(`421["go"]`)
	for _, want := range []string{"history", "m0", "m2", "m4", "nameless", "volatile", "m5", "m6"} {
		c.Want(`42["` + want + `"]`)
	}
	c.Want(`431[]`)
	p := s.audience("/", hub.Selection{})[0]
	if p.state.Load()&detour == 0 {
		t.Error("what comes late is not looked for")
	}
	p.mu.Lock()
	for i := range p.deferred.late {
		p.deferred.late[i].until = time.Now()
	}
	p.mu.Unlock()
	p.forgetLate()
	if p.state.Load() != uint32(connected) || p.deferred != nil {
		t.Error("what is late is looked for beyond its time")
	}
	s.hub.SendHere(teamRoom, numbered("m1"))
	c.Want(`42["m1"]`)
}

func TestHoldRemembersFewReleases(t *testing.T) {
	_, url := newHoldServer(t, func(s *Server, p app.Peer, e *app.Event) {
		for i := range maxLate + 1 {
			p.DeferDelivery()
			p.ResumeDelivery(func(id string) bool { return id == fmt.Sprint("m", i) })
		}
		for _, id := range []string{"m0", "m1", fmt.Sprint("m", maxLate), "new"} {
			s.hub.SendHere(teamRoom, numbered(id))
		}
	})
	c, _ := connect(t, url, "/")
	c.Send(`42["go"]`)
	c.Want(`42["m0"]`, `42["new"]`)
}

// A client may not make the server keep more for it than its outbox takes, whatever the messages weigh.
func TestHoldIsBounded(t *testing.T) {
	for name, event := range map[string]string{"large": strings.Repeat("x", 1000), "small": "x"} {
		queued := make(chan int, 1)
		s, url := newHoldServer(t, func(s *Server, p app.Peer, e *app.Event) {
			p.DeferDelivery()
			n := 0
			for s.hub.SendHere(teamRoom, &hub.Message{Namespace: "/", Event: event}) == 1 {
				n++
			}
			queued <- n
			p.ResumeDelivery(nil)
		}, func(c *Config) { c.Conn.OutboxBytes = 20_000 })
		c, _ := connect(t, url, "/")
		c.Send(`42["go"]`)
		if n := receive(t, queued); n < 10 || n > 20_000/deferredBytes {
			t.Errorf("%s: %d messages were kept", name, n)
		}
		for {
			if _, err := c.TryRead(); err != nil {
				break
			}
		}
		waitFor(t, func() bool { return s.Conns().Stats().Closed[netconn.ReasonSlowClient] == 1 })
		if s.Conns().Stats().SlowClients != 1 {
			t.Errorf("%s: the client was not counted as slow", name)
		}
	}
}

// Messages of one sender stay in order while their receiver holds and releases.
func TestHoldUnderLoad(t *testing.T) {
	const messages, holds = 3000, 200
	begun := make(chan struct{})
	var once sync.Once
	s, url := newHoldServer(t, func(_ *Server, p app.Peer, e *app.Event) {
		once.Do(func() { close(begun) })
		p.DeferDelivery()
		p.ResumeDelivery(func(id string) bool { return id == "none" })
	})
	c, _ := connect(t, url, "/")
	c.Send(`42["hold"]`)
	<-begun
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range messages {
			s.hub.SendHere(teamRoom, numbered(fmt.Sprint(i)))
		}
	})
	sending.Go(func() {
		for range holds {
			c.Send(`42["hold"]`)
		}
	})
	for i := range messages {
		c.Want(fmt.Sprintf(`42["%d"]`, i))
	}
	sending.Wait()
}

// A client that leaves while it holds leaves nothing behind.
func TestHoldEndsWithTheClient(t *testing.T) {
	held := make(chan *peer, 1)
	s, url := newHoldServer(t, func(s *Server, p app.Peer, e *app.Event) {
		h := p.(*peer)
		h.DeferDelivery()
		h.ResumeDelivery(func(string) bool { return false })
		h.DeferDelivery()
		s.hub.SendHere(teamRoom, numbered("never"))
		p.Disconnect(false)
		h.ResumeDelivery(nil)
		h.DeferDelivery()
		held <- h
	})
	c, _ := connect(t, url, "/")
	c.Send(`42["go"]`)
	c.Want("41")
	p := receive(t, held)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deferred != nil || p.status() != left {
		t.Errorf("what waits after the end: %+v", p.deferred)
	}
	if s.hub.SendHere(teamRoom, numbered("x")) != 0 {
		t.Error("a client that has left gets a message")
	}
}
