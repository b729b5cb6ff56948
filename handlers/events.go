package handlers

import (
	"strconv"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// Events serves the streams /events and /events/user/:userId.
type Events struct {
	hub      RoomHub
	tap      *Tap
	presence *Presence
	gate     gatekeeper
}

func newEvents(h RoomHub, tap *Tap, p *Presence, gate gatekeeper) *Events {
	return &Events{hub: h, tap: tap, presence: p, gate: gate}
}

// All returns the handler of /events: what is published on update, and what comes in on /tap as messages without a name.
// Where tokens are required it asks for one with the scope tap.
func (e *Events) All() app.StreamHandler { return allEvents{e} }

// User returns the handler of the streams of users, whose route has the parameter userId: what is published on
// user:<userId> and on broadcast. It needs the token of that user.
func (e *Events) User() app.StreamHandler { return userEvents{e} }

type allEvents struct{ events *Events }

// Connect implements [app.StreamHandler].
func (d allEvents) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	e := d.events
	id, err := e.gate.scoped(v, tapScope)
	if err != nil {
		return nil, err
	}
	now := strconv.AppendInt([]byte(`{"time":`), time.Now().UnixMilli(), 10)
	p.Send(appendRecord(nil, "", "connected", append(now, '}')))
	e.hub.Join(p.Member(), topicUpdate)
	e.tap.listen(p, v.Header("Last-Event-ID"))
	return &openEvents{lease: leaseStream(&e.gate, p, id)}, nil
}

// openEvents is a client of /events.
type openEvents struct{ lease *auth.Lease }

// Close implements [app.StreamSession].
func (s *openEvents) Close(string) { stopLease(s.lease) }

type userEvents struct{ events *Events }

// Connect implements [app.StreamHandler].
func (d userEvents) Connect(p app.StreamPeer, v app.Visit) (app.StreamSession, error) {
	e := d.events
	id, err := e.gate.verify(v.Token)
	if err != nil {
		return nil, err
	}
	if id.UserID() != v.Param("userId") {
		return nil, errForbidden
	}
	e.hub.Join(p.Member(), accountRoom(id.UserID()))
	e.hub.Join(p.Member(), topicBroadcast)
	return openStream(&e.gate, e.presence, p, id), nil
}
