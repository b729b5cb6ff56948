package testkit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/hub"
)

// Chatter is a client of /chat.
type Chatter struct {
	*Guest
	*chatSink
	Session app.Session
}

// chatSink gets what is delivered to a chatter, and can keep it back.
type chatSink struct {
	guest *Guest

	mu sync.Mutex
	// mu guards the following.
	holding bool
	held    []*hub.Message
	skip    func(id string) bool
	until   time.Time // when skip is forgotten
}

func (s *chatSink) Deliver(m *hub.Message) bool {
	if m.Namespace != message.ChatNamespace || m.Event == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		s.held = append(s.held, copied(m))
		return true
	}
	return s.deliverLocked(m)
}

func (s *chatSink) deliverLocked(m *hub.Message) bool {
	if m.ID != "" && s.skip != nil && time.Now().Before(s.until) && s.skip(m.ID) {
		return true
	}
	return s.guest.add(line(m.Event, m.Args))
}

func (s *chatSink) DeferDelivery() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		panic("held twice")
	}
	s.holding = true
}

func (s *chatSink) ResumeDelivery(skip func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holding {
		panic("released without a hold")
	}
	s.holding, s.skip, s.until = false, skip, time.Now().Add(app.DeferGrace)
	for _, m := range s.held {
		s.deliverLocked(m)
	}
	s.held = nil
}

func line(event string, args []json.RawMessage) string {
	for _, a := range args {
		event += " " + string(a)
	}
	return event
}

func (c *Chatter) Namespace() string { return message.ChatNamespace }
func (c *Chatter) Emit(event string, args ...any) error {
	if !c.add(line(event, marshal(args))) {
		return errors.New("gone")
	}
	return nil
}
func (c *Chatter) Disconnect(closeConnection bool) {
	c.end(fmt.Sprintf("disconnect %v", closeConnection))
}
func (c *Chatter) Answer(_ string, args ...any) { c.add(line("ack", marshal(args))) }

func (h *House) TryChat(auth string, header ...string) (*Chatter, error) {
	c := &Chatter{chatSink: new(chatSink)}
	c.Guest = h.Guest(func(g *Guest) hub.Sink { c.chatSink.guest = g; return c.chatSink })
	var err error
	c.Session, err = h.Rooms.Chat().Connect(c, app.Handshake{
		Auth:   json.RawMessage(auth),
		Query:  func(string) string { return "" },
		Header: func(name string) string { return strings.Join(header, "") },
	})
	return c, err
}

func (h *House) Chat(token string) *Chatter {
	h.t.Helper()
	c, err := h.TryChat(`{"token":"` + token + `"}`)
	if err != nil {
		h.t.Fatalf("Connect to /chat = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// Say delivers an event without a callback, ask one with. The buffers of the arguments are used again afterwards.
func (c *Chatter) Say(event string, args ...string) { c.event(app.Acker{}, event, args) }
func (c *Chatter) Ask(event string, args ...string) { c.event(app.NewAcker(c, "1"), event, args) }

func (c *Chatter) event(ack app.Acker, event string, args []string) {
	e := &app.Event{Name: event, Ack: ack}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	c.Session.Event(e)
	for _, a := range e.Args {
		Scribble(a)
	}
}

func Scribble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// Leave ends the connection; again it does nothing.
func (c *Chatter) Leave() { c.LeaveWith("transport close") }
func (c *Chatter) LeaveWith(reason string) {
	if c.Session != nil {
		c.Session.Close(reason)
		c.Session = nil
		c.house.Hub.Remove(c.member)
	}
}
