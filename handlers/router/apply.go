package router

import (
	"encoding/json"
	"errors"
	"slices"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// errUnknown answers an event that nobody owns.
var errUnknown = errors.New("unknown event")

// publicError is what a client is told of an error.
func publicError(err error) error {
	if f := (*Failure)(nil); errors.As(err, &f) {
		return f
	}
	return ErrUnavailable
}

// apply carries out a result.
func (r *Router) apply(s *Socket, result *Result, ack app.Acker) {
	namespace, member := s.Peer.Namespace(), s.Peer.Member()
	for _, name := range result.Join {
		r.o.Hub.Join(member, hub.RoomNamed(namespace, name))
	}
	for _, name := range result.Leave {
		r.o.Hub.Leave(member, hub.RoomNamed(namespace, name))
	}
	if result.Data != nil {
		s.SetData(result.Data)
	}
	for i := range result.Emit {
		r.emit(s, &result.Emit[i])
	}
	switch {
	case !ack.Wanted():
	case result.Failed != nil:
		ack.Send(message.Refusal(errors.New(*result.Failed)))
	default:
		ack.Send(answer(result)...)
	}
	switch result.Disconnect {
	case LeaveNamespace:
		s.Peer.Disconnect(false)
	case CloseConnection:
		s.Peer.Disconnect(true)
	}
}

// answer returns the arguments of an acknowledgement. Placeholders count over all of them, and each argument takes its own
// attachments along.
func answer(result *Result) []any {
	args := make([]any, len(result.Ack))
	for i, arg := range result.Ack {
		args[i] = arg
		if len(result.Attachments) == 0 {
			continue
		}
		if own, attachments := ownAttachments(arg, result.Attachments); len(attachments) > 0 {
			args[i] = app.Raw{JSON: own, Attachments: attachments}
		}
	}
	return args
}

// ownAttachments returns a value whose placeholders count its own attachments, and these.
func ownAttachments(value json.RawMessage, all [][]byte) (json.RawMessage, [][]byte) {
	placeholders := rawjson.Placeholders(nil, value)
	if len(placeholders) == 0 {
		return value, nil
	}
	var out json.RawMessage
	var own [][]byte
	end := 0
	for _, p := range placeholders {
		out = rawjson.AppendPlaceholder(append(out, value[end:p.Start]...), len(own))
		own = append(own, all[p.Num])
		end = p.End
	}
	return append(out, value[end:]...), own
}

// UserRoom is where the sockets of a user are in a namespace without users of its own.
func UserRoom(namespace, user string) hub.Room {
	if kind, _ := hub.KindsOf(namespace); kind != 0 {
		return hub.Room{Kind: kind, Name: user}
	}
	return hub.NamespaceRoom(namespace, userPrefix+user)
}

// userPrefix begins the name of the room of a user's sockets.
const userPrefix = "user:"

// emit sends an event to whom it is for, on all nodes.
func (r *Router) emit(s *Socket, e *Emission) {
	namespace := s.Peer.Namespace()
	msg := &hub.Message{Namespace: namespace, Event: e.Event, Args: e.Args, Attachments: e.Attachments}
	if e.Self {
		if !slices.Contains(e.Except, s.Peer.ID()) {
			s.Peer.Member().Deliver(msg)
		}
		return
	}
	if !e.Everybody && len(e.Rooms) == 0 && len(e.Users) == 0 {
		return
	}
	var sel hub.Selection
	if !e.Everybody {
		for _, name := range e.Rooms {
			sel.Rooms = append(sel.Rooms, roomOrSocket(namespace, name))
		}
		for _, user := range e.Users {
			sel.Rooms = append(sel.Rooms, UserRoom(namespace, user))
		}
	}
	for _, name := range e.Except {
		sel.Except = append(sel.Except, hub.RoomNamed(namespace, name), hub.SocketRoom(namespace, name), UserRoom(namespace, name))
	}
	r.Send(sel, msg)
}

// Send sends a message to whom sel selects, on all nodes.
func (r *Router) Send(sel hub.Selection, msg *hub.Message) {
	r.o.Hub.SendSelection(sel, msg, nil)
}

// roomOrSocket returns what a backend means by a name in to: what looks like the id of a socket is that.
func roomOrSocket(namespace, name string) hub.Room {
	if hub.IsSocketIn(namespace, name) {
		return hub.SocketRoom(namespace, name)
	}
	return hub.RoomNamed(namespace, name)
}
