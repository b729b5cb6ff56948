package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// Socket is one client in a namespace. Its methods may be called from any goroutine, also after the client has left: then they
// do nothing.
type Socket struct {
	inner     *router.Socket
	namespace *Namespace
}

// Connecting is a client that wants to come in.
type Connecting struct {
	*Socket
	Auth    json.RawMessage // what it sent in auth, {} without anything
	Query   map[string]string
	Header  func(name string) string
	Address string

	user string
}

// SetUser says who the client is: [Socket.User] returns it, and [Namespace.ToUser] finds it.
func (c *Connecting) SetUser(user string) {
	c.user = user
	c.inner.Named(user)
}

// ID returns the socket's id, which other clients may know.
func (s *Socket) ID() string { return s.inner.Peer.ID() }

// User returns who the client is, by its token or by SetUser; "" for nobody.
func (s *Socket) User() string { return s.inner.User() }

// Context ends when the client has left.
func (s *Socket) Context() context.Context { return s.inner.Context() }

// SetData keeps a value with the client, as JSON.
func (s *Socket) SetData(v any) error {
	data, err := rawjson.Marshal(v)
	if err == nil {
		s.inner.SetData(data)
	}
	return err
}

// Data reads what SetData keeps. Where that was never called it leaves into as it is.
func (s *Socket) Data(into any) error {
	data := s.inner.Data()
	if data == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

// Join and Leave change the rooms that the client is in.
func (s *Socket) Join(rooms ...string) {
	for _, name := range rooms {
		s.namespace.o.Hub.Join(s.inner.Peer.Member(), hub.RoomNamed(s.namespace.name, name))
	}
}

// Leave takes the client out of rooms.
func (s *Socket) Leave(rooms ...string) {
	for _, name := range rooms {
		s.namespace.o.Hub.Leave(s.inner.Peer.Member(), hub.RoomNamed(s.namespace.name, name))
	}
}

// Emit sends an event to this client alone. A []byte goes out as binary, anything else as encoding/json writes it.
func (s *Socket) Emit(event string, args ...any) error { return s.inner.Peer.Emit(event, args...) }

// Disconnect ends the client's stay in the namespace, with closeConnection in all of them.
func (s *Socket) Disconnect(closeConnection bool) { s.inner.Peer.Disconnect(closeConnection) }

// Peer returns the client as handlers of the product see it.
func (s *Socket) Peer() app.Peer { return s.inner.Peer }

// ErrNoAnswer is the error of [Socket.Ask] where the client did not answer.
var ErrNoAnswer = errors.New("the client has not answered")

// Ask sends an event, waits for the client's answer until ctx is over or the client has left, and reads its first argument into
// answer; nil: nobody wants it. A function that handles an event of the same client may do so.
func (s *Socket) Ask(ctx context.Context, answer any, event string, args ...any) error {
	if s.namespace.o.Asker == nil {
		return errors.New("events: Options.Asker is not set")
	}
	raw, attachments, err := marshal(args)
	if err != nil {
		return fmt.Errorf("ask %s: %w", event, err)
	}
	var got json.RawMessage
	answered := false
	s.namespace.o.Asker.EmitWithAck(ctx, hub.Selection{Rooms: []hub.Room{hub.SocketRoom(s.namespace.name, s.ID())}},
		&hub.Message{Namespace: s.namespace.name, Event: event, Args: raw, Attachments: attachments},
		func(_ string, args []json.RawMessage, _ [][]byte) {
			answered = true
			if len(args) > 0 {
				got = slices.Clone(args[0])
			}
		})
	switch {
	case !answered:
		return ErrNoAnswer
	case answer == nil || got == nil:
		return nil
	}
	return json.Unmarshal(got, answer)
}

// Audience is who an event goes to, on all servers.
type Audience struct {
	namespace *Namespace
	sel       hub.Selection
}

// To returns the clients in any of the rooms; without rooms it is everybody in the namespace.
func (n *Namespace) To(rooms ...string) Audience {
	a := Audience{namespace: n}
	for _, name := range rooms {
		a.sel.Rooms = append(a.sel.Rooms, hub.RoomNamed(n.name, name))
	}
	return a
}

// ToUser returns the clients of users.
func (n *Namespace) ToUser(users ...string) Audience {
	a := Audience{namespace: n}
	for _, user := range users {
		a.sel.Rooms = append(a.sel.Rooms, router.UserRoom(n.name, user))
	}
	return a
}

// Except leaves a client out.
func (a Audience) Except(s *Socket) Audience {
	a.sel.Except = append(slices.Clip(a.sel.Except), hub.SocketRoom(a.namespace.name, s.ID()))
	return a
}

// Emit sends an event to all of them. The error is an argument that cannot be written as JSON.
func (a Audience) Emit(event string, args ...any) error {
	raw, attachments, err := marshal(args)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	msg := &hub.Message{Namespace: a.namespace.name, Event: event, Args: raw, Attachments: attachments}
	a.namespace.router.Send(a.sel, msg)
	return nil
}
