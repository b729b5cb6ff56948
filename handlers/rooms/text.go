package rooms

import (
	"bytes"
	"encoding/json"
	"time"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/rawjson"
	"signalbox/server/remote"
)

// Text returns the handler of the plain WebSocket /ws.
func (r *Rooms) Text() app.TextHandler { return textDoor{r} }

type textDoor struct{ rooms *Rooms }

// Connect lets in everybody, or who has a token where tokens are required. A token that is there counts in any case: then
// the client is who the token says.
func (d textDoor) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	r := d.rooms
	id, err := r.gate.Optional(v)
	if err != nil {
		return nil, err
	}
	s := d.begin(p, id, v.RemoteAddr)
	greeting := `{"type":"connected","clientId":"` + p.ID() + `"`
	if returning, ok := p.(interface{ PID() string }); ok && returning.PID() != "" {
		greeting += `,"session":"` + returning.PID() + `"`
	}
	p.Send([]byte(greeting + "}"))
	return s, nil
}

// begin begins the session of a client; id is nil without a token.
func (d textDoor) begin(p app.TextPeer, id *auth.Identity, addr string) *textClient {
	r := d.rooms
	s := &textClient{occupant: occupant{rooms: r, member: p.Member(), guest: remote.Network(addr).String()}, peer: p, addr: addr}
	if id != nil {
		s.prove(id)
		client := gate.Client{ID: p.ID(), User: id.UserID(), Addr: addr}
		r.presence.Enter(p.Member(), presence.DoorText, id.UserID(), id.Name(), func(bool) {
			r.gate.Cut(client, "disconnected")
			p.Close(app.ClosePolicy, "disconnected")
		})
		s.lease = r.gate.Watch(client, id,
			func(expires time.Time) { p.Send(tokenExpiring(expires)) },
			func() { p.Close(app.ClosePolicy, "token expired") })
	}
	return s
}

// Resume implements [app.TextMover]: who had proved who it is has to prove it again.
func (d textDoor) Resume(p app.TextPeer, anew app.TextSession, state json.RawMessage) (app.TextSession, error) {
	was, err := unpack(state)
	n, ok := anew.(*textClient)
	if err != nil || !ok || was.Verified != (n.identity != nil) || was.Verified && n.identity.UserID() != string(was.Account) {
		return nil, gate.ErrAuthentication
	}
	s := d.begin(p, n.identity, n.addr)
	if !was.Verified && was.UserID != nil {
		s.userID, s.userName = was.UserID, was.UserName
		d.rooms.presence.Guest(s.member, presence.DoorText, s.userID)
	}
	s.resume(was)
	s.leaveAll(s.may)
	return s, nil
}

func tokenExpiring(expires time.Time) []byte {
	b := message.AppendTime([]byte(`{"type":"token_expiring","expiresAt":`), expires)
	return append(b, '}')
}

// textClient is one client of /ws.
type textClient struct {
	occupant
	peer  app.TextPeer
	addr  string
	lease *auth.Lease // nil without a token
}

// User implements [app.Known].
func (s *textClient) User() string { return s.lease.User() }

// The members of a message that mean something, in the order in which rawjson.Fields returns them.
const (
	fieldType = iota
	fieldRoom
	fieldContent
	fieldUserID
	fieldToken
)

// Text implements [app.TextSession]. What is no JSON object with a known type is ignored.
func (s *textClient) Text(data []byte) {
	if rawjson.Check(data) != nil {
		s.ignore()
		return
	}
	f, ok := rawjson.Fields(data, "type", "room", "content", "userId", "token")
	if !ok {
		s.ignore()
		return
	}
	kind, _ := rawjson.Text(f[fieldType]) // what is no text is no type either
	if kind == "join" || kind == "leave" || kind == "renew" {
		app.Charge(s.peer, app.WeightCostly)
	}
	var err error
	switch kind {
	case "ping":
		s.peer.Send([]byte(`{"type":"pong"}`))
	case "message":
		err = s.inRoom(f, func(room string) error { return s.say(room, f[fieldRoom], f[fieldContent], s.member) })
	case "join":
		err = s.inRoom(f, func(room string) error { return s.join(room, f[fieldRoom]) })
	case "leave":
		err = s.inRoom(f, func(room string) error { return s.leave(room, f[fieldRoom]) })
	case "authenticate":
		err = s.authenticate(f[fieldUserID])
	case "renew":
		err = s.renew(f[fieldToken])
	default:
		s.ignore()
	}
	if err != nil {
		s.refuse(err, f[fieldRoom])
	}
}

// Return implements [app.TextReturner]: who has proved who it is has to prove it again.
func (s *textClient) Return(anew app.TextSession) error {
	n, ok := anew.(*textClient)
	switch {
	case !ok || (s.identity == nil) != (n.identity == nil):
		return gate.ErrAuthentication
	case s.identity == nil:
		return nil
	}
	if err := s.lease.Renew(n.identity); err != nil {
		return err
	}
	s.proveAgain(n.identity)
	s.leaveAll(n.identity.CanJoin)
	return nil
}

// Close implements [app.TextSession].
func (s *textClient) Close(reason string) {
	gate.Stop(s.lease)
	s.gone(reason)
}

func (s *textClient) ignore() { s.rooms.stats.Ignored.Add(1) }

// inRoom calls do with the name of the room that a message is about.
func (s *textClient) inRoom(f []json.RawMessage, do func(room string) error) error {
	room, err := roomName(f[fieldRoom])
	if err != nil {
		return err
	}
	return do(room)
}

// authenticate takes the client's word for its id, which keeps its JSON type. Who has a token is who the token says.
func (s *textClient) authenticate(userID json.RawMessage) error {
	switch {
	case s.identity != nil:
		if !bytes.Equal(userID, s.userID) {
			return errTokenUser
		}
		return nil
	case len(userID) > maxUserBytes || len(userID) > 0 && (userID[0] == '{' || userID[0] == '['):
		return errUserID
	}
	s.userID = bytes.Clone(userID)
	s.userName = nil
	if userID != nil {
		s.userName = rawjson.String(string(rawjson.AppendText(nil, userID)))
	}
	s.rewrite()
	s.rooms.presence.Guest(s.member, presence.DoorText, s.userID)
	return nil
}

// renew takes a newer token of the same user. Rooms that it does not open are left.
func (s *textClient) renew(raw json.RawMessage) error {
	if s.lease == nil {
		return gate.ErrAuthentication // a guest has nothing to renew
	}
	token, _ := rawjson.Text(raw) // no text is no token
	id, err := s.rooms.gate.Renew(s.lease, token)
	if err != nil {
		return err
	}
	s.proveAgain(id)
	left := s.leaveAll(id.CanJoin)
	s.peer.Send(append([]byte(`{"type":"renewed",`), message.Renewed(id.Expires(), left)[1:]...))
	return nil
}

// refuse tells the client what it was not given. The client that there was before tokens ignores it.
func (s *textClient) refuse(err error, room json.RawMessage) {
	s.rooms.stats.Refused.Add(1)
	b := rawjson.AppendString([]byte(`{"type":"error","message":`), err.Error())
	if len(room) <= maxRoomBytes {
		b = message.AppendMember(b, "room", room)
	}
	s.peer.Send(append(b, '}'))
}
