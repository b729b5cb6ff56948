package handlers

import (
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
)

// Watch returns the handler of the streams of rooms, whose route has the parameter room: who comes and goes, messages, and
// what is published on room:<room>. It needs a token that opens the room. Who watches is not in the room: nobody is told.
func (r *Rooms) Watch() app.StreamHandler { return watchDoor{r} }

type watchDoor struct{ rooms *Rooms }

// Connect implements [app.StreamHandler].
func (d watchDoor) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	r := d.rooms
	id, err := r.gate.verify(v.Token)
	if err != nil {
		return nil, err
	}
	room := v.Param("room")
	if room == "" || !hub.MayJoin(room) || !id.CanJoin(room) {
		return nil, errForbidden
	}
	s := openStream(&r.gate, r.presence, p, id) // first: in the room it is known for a stream
	r.hub.Join(p.Member(), roomAddress(room))
	return s, nil
}

// openStream registers the stream of a user and holds its token.
func openStream(gate *gatekeeper, presence *Presence, p app.StreamPeer, id *auth.Identity) app.StreamSession {
	presence.enter(p.Member(), DoorEvents, id.UserID(), id.Name(), p.Close)
	return &userStream{member: p.Member(), presence: presence, lease: leaseStream(gate, p, id)}
}

// leaseStream ends a stream with its token; nil for a stream without one. A browser then asks again and is refused, which
// ends its EventSource.
func leaseStream(gate *gatekeeper, p app.StreamPeer, id *auth.Identity) *auth.Lease {
	return gate.watch(id,
		func(expires time.Time) { p.Send(appendRecord(nil, "", "token_expiring", appendExpiry(nil, expires))) },
		p.Close)
}

// userStream is a stream whose client has a token.
type userStream struct {
	member   *hub.Member
	presence *Presence
	lease    *auth.Lease
}

// Close implements [app.StreamSession].
func (s *userStream) Close(string) {
	stopLease(s.lease)
	s.presence.leave(s.member)
}
