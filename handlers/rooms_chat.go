package handlers

import (
	"encoding/json"
	"strings"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// okAnswer answers a callback whose event was carried out.
var okAnswer = json.RawMessage(`{"ok":true}`)

// partialAnswer does so while the other nodes of the cluster, and who is there, cannot be told.
var partialAnswer = json.RawMessage(`{"ok":true,"partial":true}`)

// Chat returns the handler of the namespace /chat.
func (r *Rooms) Chat() app.Handler { return chatDoor{r} }

type chatDoor struct{ rooms *Rooms }

// Connect lets in who has a good token, in the payload of CONNECT or as Authorization: Bearer.
func (d chatDoor) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	r := d.rooms
	id, err := r.gate.verify(chatToken(hs))
	if err != nil {
		return nil, errAuthentication
	}
	s := &chatClient{occupant: occupant{rooms: r, member: p.Member()}, peer: p}
	s.prove(id)
	r.hub.Join(p.Member(), accountRoom(id.UserID()))
	r.hub.Join(p.Member(), topicBroadcast)
	r.presence.enter(p.Member(), DoorChat, id.UserID(), id.Name(), func() { p.Disconnect(true) })
	s.lease = leasePeer(&r.gate, p, id)
	return s, nil
}

// chatToken returns the token of a CONNECT, "" without one.
func chatToken(hs app.Handshake) string {
	var payload struct {
		Token json.RawMessage `json:"token"`
	}
	if json.Unmarshal(hs.Auth, &payload) == nil {
		if token, ok := stringValue(payload.Token); ok {
			return token
		}
	}
	if payload.Token != nil {
		return "" // of another type: it is not for us to look elsewhere
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(hs.Header("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// chatClient is one client of /chat.
type chatClient struct {
	occupant
	peer  app.Peer
	lease *auth.Lease
	seen  seen // what it got as history a moment ago
}

// Event implements [app.Session].
func (s *chatClient) Event(e *app.Event) {
	var answer json.RawMessage
	var err error
	switch e.Name {
	case "join_room":
		err = s.joinRoom(e)
	case "leave_room":
		err = s.inRoom(e, s.leaveRoom)
	case "message":
		err = s.message(e)
	case "typing_start":
		err = s.inRoom(e, func(room string, _ json.RawMessage) error { return s.startTyping(room) })
	case "typing_stop":
		err = s.inRoom(e, func(room string, _ json.RawMessage) error { s.stopTyping(room); return nil })
	case "room_history_before":
		answer, err = s.older(e)
	case "presence":
		answer, err = s.whoIsThere(e)
	case "renew":
		answer, err = s.renew(e)
	default:
		s.rooms.gate.counters.roomsRefused.Add(1)
		e.Ack.Send(refusal(errEvent))
		return
	}
	switch {
	case err != nil:
		s.rooms.gate.counters.roomsRefused.Add(1)
		_ = s.peer.Emit("error", errorMessage(err)) // an ended connection is told through Close
		e.Ack.Send(refusal(err))
	case answer != nil:
		e.Ack.Send(answer)
	case s.rooms.nodes.Up():
		e.Ack.Send(okAnswer)
	default:
		e.Ack.Send(partialAnswer)
	}
}

// Close implements [app.Session].
func (s *chatClient) Close(reason string) {
	stopLease(s.lease)
	s.gone(reason)
}

// inRoom is for events whose argument is the name of a room that the client is in.
func (s *chatClient) inRoom(e *app.Event, do func(room string, raw json.RawMessage) error) error {
	raw := argument(e)
	room, err := roomName(raw)
	if err != nil {
		return err
	}
	if !s.isIn(room) {
		return errNotMember
	}
	return do(room, raw)
}

func (s *chatClient) leaveRoom(room string, raw json.RawMessage) error { return s.leave(room, raw) }

func (s *chatClient) message(e *app.Event) error {
	if len(e.Attachments) > 0 {
		return errBinary
	}
	f, ok := fieldsOf(argument(e), "roomId", "content")
	if !ok {
		return errMessage
	}
	room, err := roomName(f[0])
	if err != nil {
		return err
	}
	return s.say(room, f[0], f[1])
}

// renew takes a newer token of the same user. Rooms that it does not open are left.
func (s *chatClient) renew(e *app.Event) (json.RawMessage, error) {
	f, _ := fieldsOf(argument(e), "token")
	var token string
	if f != nil {
		token, _ = stringValue(f[0]) // no text is no token
	}
	id, err := s.rooms.gate.renew(s.lease, token)
	if err != nil {
		return nil, err
	}
	s.proveAgain(id)
	return renewed(id, s.leaveAll(id.CanJoin)), nil
}

// renewed answers a renewal: until when the token is good, and the rooms that it does not open any more.
func renewed(id *auth.Identity, left []string) json.RawMessage {
	b := append([]byte(`{"ok":true,"expiresAt":`), appendTime(nil, id.Expires())...)
	for i, room := range left {
		if i == 0 {
			b = append(b, `,"left":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendJSONString(b, room)
	}
	if len(left) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

// argument returns the first argument of an event, nil without one.
func argument(e *app.Event) json.RawMessage {
	if len(e.Args) == 0 {
		return nil
	}
	return e.Args[0]
}

// fieldsOf returns the values of some members of an object, nil for those it does not have, and whether it is an object.
// Of two members with one name the last counts, as in JavaScript.
func fieldsOf(raw json.RawMessage, names ...string) ([]json.RawMessage, bool) {
	m, ok := membersOf(raw)
	if !ok {
		return nil, false
	}
	values := make([]json.RawMessage, len(names))
	for key, value, more := m.next(); more; key, value, more = m.next() {
		for i, name := range names {
			if keyIs(key, name) {
				values[i] = value
			}
		}
	}
	return values, true
}

func refusal(err error) json.RawMessage {
	b := appendJSONString([]byte(`{"ok":false,"error":`), err.Error())
	return append(b, '}')
}

func errorMessage(err error) json.RawMessage {
	b := appendJSONString([]byte(`{"message":`), err.Error())
	return append(b, '}')
}
