package rooms

import (
	"encoding/json"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/rawjson"
)

// Chat returns the handler of the namespace /chat.
func (r *Rooms) Chat() app.Handler { return chatDoor{r} }

type chatDoor struct{ rooms *Rooms }

var _ app.SelfGuarding = chatDoor{}

// SelfGuarding implements [app.SelfGuarding]: nobody comes in without a token in any case.
func (chatDoor) SelfGuarding() {}

// Connect lets in who has a good token, in the payload of CONNECT or as Authorization: Bearer.
func (d chatDoor) Connect(p app.Peer, hs app.Handshake) (app.Session, error) {
	s, err := d.begin(p, hs, "")
	if err != nil {
		return nil, err
	}
	d.rooms.hub.Join(p.Member(), message.Account(s.identity.UserID()))
	d.rooms.hub.Join(p.Member(), message.Broadcast)
	return s, nil
}

// Resume implements [app.Mover]. Rooms that a newer token does not open are left.
func (d chatDoor) Resume(p app.Peer, hs app.Handshake, state json.RawMessage) (app.Session, error) {
	was, err := unpack(state)
	if err != nil {
		return nil, err
	}
	s, err := d.begin(p, hs, string(was.Account))
	if err != nil {
		return nil, err
	}
	s.resume(was)
	s.leaveAll(s.identity.CanJoin)
	return s, nil
}

// begin begins the session of a client with a good token; user is whose it has to be, "": anybody's.
func (d chatDoor) begin(p app.Peer, hs app.Handshake, user string) (*chatClient, error) {
	r := d.rooms
	id, err := r.gate.Verify(gate.Token(hs))
	if err != nil || user != "" && id.UserID() != user {
		return nil, gate.ErrAuthentication
	}
	s := &chatClient{occupant: occupant{rooms: r, member: p.Member()}, peer: p}
	s.prove(id)
	client := gate.Client{ID: p.ID(), User: id.UserID(), Addr: hs.RemoteAddr}
	r.presence.Enter(p.Member(), presence.DoorChat, id.UserID(), id.Name(), func(closeConnection bool) {
		r.gate.Cut(client, "disconnected")
		p.Disconnect(closeConnection)
	})
	s.lease = r.gate.WatchPeer(p, hs.RemoteAddr, id)
	return s, nil
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
	switch e.Name {
	case "join_room", "leave_room", "room_history_before", "presence", "renew":
		app.Charge(s.peer, app.WeightCostly)
	}
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
		s.rooms.stats.Refused.Add(1)
		e.Ack.Send(message.Refusal(errEvent))
		return
	}
	switch {
	case err != nil:
		s.rooms.stats.Refused.Add(1)
		_ = s.peer.Emit("error", message.Error(err)) // an ended connection is told through Close
		e.Ack.Send(message.Refusal(err))
	case answer != nil:
		e.Ack.Send(answer)
	case s.rooms.nodes.Up():
		e.Ack.Send(message.OK)
	default:
		e.Ack.Send(message.Partial)
	}
}

// Close implements [app.Session].
func (s *chatClient) Close(reason string) {
	gate.Stop(s.lease)
	s.gone(reason)
}

// Return implements [app.Returner]. Rooms that a newer token does not open are left.
func (s *chatClient) Return(hs app.Handshake) error {
	id, err := s.rooms.gate.Again(s.lease, gate.Token(hs))
	if err != nil {
		return err
	}
	s.proveAgain(id)
	s.leaveAll(id.CanJoin)
	return nil
}

// inRoom is for events whose argument is the name of a room that the client is in.
func (s *chatClient) inRoom(e *app.Event, do func(room string, raw json.RawMessage) error) error {
	raw := e.Argument()
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
	f, ok := rawjson.Fields(e.Argument(), "roomId", "content")
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
	f, _ := rawjson.Fields(e.Argument(), "token")
	token, _ := rawjson.Text(f[0]) // no text is no token
	id, err := s.rooms.gate.Renew(s.lease, token)
	if err != nil {
		return nil, err
	}
	s.proveAgain(id)
	return message.Renewed(id.Expires(), s.leaveAll(id.CanJoin)), nil
}
