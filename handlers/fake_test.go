package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// client is one client of a handler without a connection: what it gets lands in a list, in order, one line each:
//
//	event argument...      an event, with its attachments as <hex>
//	ack argument...        the answer to a callback
//	disconnect             the server ended the stay
type client struct {
	id      string
	member  *hub.Member
	session app.Session

	mu    sync.Mutex
	lines []string
	gone  bool
}

func (c *client) ID() string          { return c.id }
func (c *client) Namespace() string   { return "/" }
func (c *client) Member() *hub.Member { return c.member }

func (c *client) Emit(event string, args ...any) error {
	return c.record(event, marshal(args), nil)
}

func (c *client) Disconnect(bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, "disconnect")
	c.gone = true
}

func (c *client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// Deliver copies what it gets, as the slices may be used again.
func (c *client) Deliver(m *hub.Message) bool {
	if m.Namespace != "/" {
		return c.record("wrong namespace "+m.Namespace, nil, nil) == nil
	}
	name := m.Event
	if m.RawEvent != nil {
		name = strings.Trim(string(m.RawEvent), `"`)
	}
	return c.record(name, m.Args, m.Attachments) == nil
}

func (c *client) Answer(id string, args ...any) { c.record("ack", marshal(args), nil) }

func (c *client) record(event string, args []json.RawMessage, attachments [][]byte) error {
	line := event
	for _, a := range args {
		line += " " + string(a)
	}
	for _, a := range attachments {
		line += fmt.Sprintf(" <%x>", a)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	return nil
}

func marshal(args []any) []json.RawMessage {
	raw := make([]json.RawMessage, len(args))
	for i, a := range args {
		if r, ok := a.(json.RawMessage); ok {
			raw[i] = r
			continue
		}
		b, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		raw[i] = b
	}
	return raw
}

// take returns the lines since the last take.
func (c *client) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines
	c.lines = nil
	return lines
}

// lastUsers returns the last list of users the client got, "" without one.
func (c *client) lastUsers() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.lines) - 1; i >= 0; i-- {
		if list, ok := strings.CutPrefix(c.lines[i], "users "); ok {
			return list
		}
	}
	return ""
}

// send delivers an event without a callback. Its arguments are in a buffer that is scribbled over afterwards, as the
// read buffer of a connection is.
func (c *client) send(event string, args ...string) { c.event(false, nil, event, args...) }

// ask delivers an event with a callback.
func (c *client) ask(event string, args ...string) { c.event(true, nil, event, args...) }

func (c *client) event(callback bool, attachments [][]byte, event string, args ...string) {
	e := &app.Event{Name: event, RawName: json.RawMessage(strconv.Quote(event))}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	for _, a := range attachments {
		e.Attachments = append(e.Attachments, bytes.Clone(a))
	}
	if callback {
		e.Ack = app.NewAcker(c, "1")
	}
	c.session.Event(e)
	for _, b := range e.Attachments {
		clear(b)
	}
	for _, a := range append(e.Args, e.RawName) {
		for i := range a {
			a[i] = '#'
		}
	}
}

// close ends the connection.
func (w *world) close(c *client) {
	c.session.Close("transport close")
	w.hub.Remove(c.member)
}

// world is a hub, a store and the handler of "/".
type world struct {
	hub   *hub.Hub
	users *store.Memory
	root  *Root
}

func newWorld(t testing.TB, options RootOptions) *world {
	return newWorldLog(t, options, slog.New(slog.DiscardHandler))
}

func newWorldLog(t testing.TB, options RootOptions, log *slog.Logger) *world {
	w := &world{hub: hub.New(), users: store.NewMemory()}
	w.root = NewRoot(w.hub, w.users, options, log)
	t.Cleanup(w.root.Close)
	return w
}

// connect returns a new client with an id.
func (w *world) connect(t testing.TB, id string) *client {
	t.Helper()
	c, err := w.tryConnect(id)
	if err != nil {
		t.Fatalf("Connect(%s) = %v, want nil", id, err)
	}
	return c
}

func (w *world) tryConnect(id string) (*client, error) {
	c := &client{id: id}
	c.member = hub.NewMember(id, c)
	var err error
	c.session, err = w.root.Connect(c, app.Handshake{Auth: json.RawMessage(`{"user":"` + id + `"}`)})
	return c, err
}

// want fails unless the client got exactly these lines since the last look.
func (c *client) want(t testing.TB, lines ...string) {
	t.Helper()
	got := c.take()
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("client %s got\n\t%s\nwant\n\t%s", c.id, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}
