package router

import (
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
)

// This file is how a client goes on at another node of a cluster: its backend is told nothing of that, and finds the same id,
// user, data, rooms and numbers of events.

// packTimeout is how long a client waits for its backend to have handled what it sent before it was cut. One whose backend
// takes longer is a new one elsewhere.
const packTimeout = 1500 * time.Millisecond

// Follower is a [Leaver] that has another node hear of a client that goes on there. It is told of clients that it let in.
type Follower interface {
	Leaver
	// Arrived and Moved tell that s has come from another node, and that it goes on at one.
	Arrived(s *Socket)
	Moved(s *Socket)
}

// packed is what goes on with a client.
type packed struct {
	Visit   string          `json:"visit"`
	Address string          `json:"address"`
	Since   time.Time       `json:"since"`
	Came    string          `json:"came,omitempty"` // who came
	Proved  string          `json:"proved,omitempty"`
	User    string          `json:"user,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Seq     uint64          `json:"seq"`
	Expires time.Time       `json:"expires,omitzero"`
	Inner   json.RawMessage `json:"inner,omitempty"`
}

// Pack implements [app.Packer].
func (s *session) Pack() json.RawMessage {
	var inner json.RawMessage
	if s.inner != nil {
		if p, ok := s.inner.(app.Packer); ok {
			inner = p.Pack()
		}
		if inner == nil {
			return nil
		}
	}
	if !s.awaitIdle() {
		return nil
	}
	o := s.socket
	b, _ := json.Marshal(packed{ // of texts and checked JSON
		Visit: o.Visit, Address: o.Address, Since: o.Since, Came: s.user, Proved: o.proved, User: o.User(), Data: o.Data(),
		Seq: s.seq, Expires: s.expires, Inner: inner,
	})
	return b
}

// awaitIdle returns when no event of the client is with a backend or waits for one. It reports false where that takes too long.
func (s *session) awaitIdle() bool {
	late := time.NewTimer(packTimeout)
	defer late.Stop()
	for {
		s.mu.Lock()
		if !s.running {
			s.mu.Unlock()
			return true
		}
		if s.idle == nil {
			s.idle = make(chan struct{})
		}
		idle := s.idle
		s.mu.Unlock()
		select {
		case <-idle:
		case <-late.C:
			return false
		}
	}
}

// Resume implements [app.Mover].
func (d *door) Resume(p app.Peer, hs app.Handshake, state json.RawMessage) (app.Session, error) {
	var was packed
	if err := json.Unmarshal(state, &was); err != nil {
		return nil, err
	}
	socket := &Socket{Peer: p, Visit: was.Visit, Address: was.Address, Since: was.Since, proved: was.Proved, router: d.router,
		gone: hs.Gone, user: was.User, data: was.Data}
	s := &session{router: d.router, space: d.space, socket: socket, user: was.Came, seq: was.Seq}
	if err := s.verify(hs); err != nil {
		return nil, err
	}
	if d.inner != nil {
		mover, ok := d.inner.(app.Mover)
		if !ok {
			return nil, app.ErrUnavailable
		}
		var err error
		if s.inner, err = mover.Resume(p, hs, was.Inner); err != nil {
			return nil, err
		}
	}
	s.expire(was.Expires)
	if f, ok := s.space.leaver.(Follower); ok && s.space.connect != nil {
		f.Arrived(socket)
	}
	d.router.o.Occupancy.userCame(p.Namespace(), s.user)
	return s, nil
}

// Kept implements [app.Keeper].
func (s *session) Kept() int { return len(s.socket.Data()) }

// Stayed implements [app.Stayer].
func (s *session) Stayed() {
	if o, ok := s.inner.(app.Stayer); ok {
		o.Stayed()
	}
}

// Landed implements [app.Lander].
func (s *session) Landed() {
	if l, ok := s.inner.(app.Lander); ok {
		l.Landed()
	}
}

// Renewed goes on with a newer token of the same user, see [gate.Renewer].
func (s *session) Renewed(id *auth.Identity) (left []string) {
	if r, ok := s.inner.(interface {
		Renewed(id *auth.Identity) []string
	}); ok {
		return r.Renewed(id)
	}
	return nil
}

// tellLeft tells whom it concerns that the client is not here any more.
func (s *session) tellLeft() {
	switch f, follows := s.space.leaver.(Follower); {
	case s.reason != app.ReasonMoved:
		s.space.leaver.Left(s.socket, s.reason)
	case follows:
		f.Moved(s.socket)
	}
}
