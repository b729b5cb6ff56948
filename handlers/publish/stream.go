package publish

import (
	"signalbox/handlers/gate"
	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/hub"
)

// UserStreams serves the streams of users, whose route has the parameter userId: what is published on user:<userId> and on
// broadcast. It needs the token of that user. It is a [app.StreamHandler].
type UserStreams struct {
	Hub      *hub.Hub
	Gate     *gate.Gate
	Presence *presence.Presence
}

// Connect implements [app.StreamHandler].
func (s UserStreams) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	id, err := s.Gate.Verify(v.Token)
	if err != nil {
		return nil, err
	}
	if id.UserID() != v.Param("userId") {
		return nil, gate.ErrForbidden
	}
	s.Hub.Join(p.Member(), message.Account(id.UserID()))
	s.Hub.Join(p.Member(), message.Broadcast)
	return s.Presence.OpenStream(s.Gate, p, v.RemoteAddr, id), nil
}
