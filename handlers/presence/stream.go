package presence

import (
	"signalbox/handlers/gate"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
)

// OpenStream registers the stream of a user and holds its token.
func (p *Presence) OpenStream(g *gate.Gate, peer app.StreamPeer, addr string, id *auth.Identity) app.StreamSession {
	client := gate.Client{ID: peer.ID(), User: id.UserID(), Addr: addr}
	p.Enter(peer.Member(), DoorEvents, id.UserID(), id.Name(), func(bool) {
		g.Cut(client, "disconnected")
		peer.Close()
	})
	return &userStream{member: peer.Member(), presence: p, lease: g.WatchStream(peer, addr, id)}
}

// userStream is a stream whose client has a token.
type userStream struct {
	member   *hub.Member
	presence *Presence
	lease    *auth.Lease
}

// User returns whose stream it is.
func (s *userStream) User() string { return s.lease.Identity().UserID() }

// Close implements [app.StreamSession].
func (s *userStream) Close(string) {
	gate.Stop(s.lease)
	s.presence.Leave(s.member)
}
