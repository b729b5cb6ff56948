package socketio

import (
	"encoding/json"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/recovery/move"
)

// This file is how a client that was cut comes back at another node of the cluster, see package move: a peer that leaves there,
// and one that arrives here.

var (
	_ move.Resident = (*peer)(nil)
	_ move.Newcomer = (*newcomer)(nil)
)

// doorOf names the clients of a namespace among those that move.
func doorOf(namespace string) string { return "socket.io" + namespace }

// Pack implements [move.Resident].
func (p *peer) Pack(door string, passage *move.Passage) (parcel move.Parcel, ok bool) {
	s := p.stay
	if door != doorOf(p.name) {
		return parcel, false
	}
	s.handling.Lock() // the handler is at no event
	defer s.handling.Unlock()
	p.mu.Lock()
	packer, is := p.session.(app.Packer)
	connected := p.status() == connected
	p.mu.Unlock()
	if !is || !connected {
		return parcel, false
	}
	c := p.conn()
	s.passage.Store(passage)
	if !p.goAway(c, "transport close") || s.passage.Load() != passage {
		return parcel, false
	}
	c.closing.Store(true)
	c.session.Abort(netconn.ReasonForcedClose)
	parcel = move.Parcel{Namespace: p.name, ID: p.ID(), Rooms: p.member.Rooms()}
	parcel.State, ok = p.pack(packer)
	return parcel, ok
}

func (p *peer) pack(packer app.Packer) (state json.RawMessage, ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			p.panicked(fault)
			ok = false
		}
	}()
	state = packer.Pack()
	return state, state != nil
}

// Unpack implements [move.Resident].
func (p *peer) Unpack(passage *move.Passage) {
	s := p.stay
	s.passage.CompareAndSwap(passage, nil)
	s.handling.Lock()
	defer s.handling.Unlock()
	defer func() {
		if fault := recover(); fault != nil {
			p.panicked(fault)
		}
	}()
	p.mu.Lock()
	stayer, is := p.session.(app.Stayer)
	connected := p.status() == connected
	p.mu.Unlock()
	if is && connected {
		stayer.Stayed()
	}
}

// Depart implements [move.Resident].
func (p *peer) Depart(passage *move.Passage) bool {
	return p.stay.passage.Load() == passage && p.status() == connected
}

// Missed implements [move.Resident].
func (p *peer) Missed(offset string) ([]recovery.Missed, []hub.Room, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	missed, err := p.stay.session.Carry(offset, p.server().conns.OutboxBytes())
	return missed, p.member.Rooms(), err
}

// Moved implements [move.Resident].
func (p *peer) Moved(passage *move.Passage) {
	if p.stay.passage.Load() == passage {
		p.stay.session.Moved()
		p.detach(app.ReasonMoved)
	}
}

// arriving reports whether the client comes from another node.
func (s *stay) arriving() bool {
	if s == nil {
		return false
	}
	passage := s.passage.Load()
	return passage != nil && passage.Arriving()
}

// keepLocked keeps a message for a client that is on its way.
func (s *stay) keepLocked(p *peer, o outgoing) fate {
	size := o.message.Size() + deferredBytes
	if s.kept < 0 || s.kept+size > p.server().conns.OutboxBytes() {
		s.kept, p.early = -1, nil
		return lost
	}
	s.kept += size
	p.early = append(p.early, o)
	return held
}

// newcomer is a client on its way here.
type newcomer struct {
	*peer
	offset string // what it got last
	missed int
}

// fetch has a client of another node come back here.
func (c *conn) fetch(namespace, pid, offset string, payload []byte) (p *peer, missed int, err error) {
	p = &peer{name: namespace}
	p.link.Store(c)
	h := c.server.handlerOf(p)
	defer func() {
		if err != nil {
			p.depart()
			p = nil
		}
	}()
	mover, ok := h.Handler.(app.Mover)
	if !ok {
		return p, 0, recovery.ErrUnknown
	}
	c.bucket.Charge(app.WeightCostly)
	if h.passing {
		c.server.openPassing(namespace)
	}
	n := &newcomer{peer: p, offset: offset}
	err = c.server.recoveries.mover.Fetch(pid, offset, doorOf(namespace),
		func(parcel move.Parcel, passage *move.Passage) (move.Newcomer, error) {
			c.arrive(p, pid, parcel.ID, passage)
			err := n.settle(mover, payload, parcel.Rooms, parcel.State)
			if err != nil {
				n.Abandon(true)
				return nil, recovery.ErrToken
			}
			return n, nil
		})
	return p, n.missed, err
}

// arrive has p be the peer of a client that comes from another node.
func (c *conn) arrive(p *peer, pid, id string, passage *move.Passage) {
	p.member = hub.NewMember(id, p)
	p.stay = &stay{recoveries: c.server.recoveries}
	p.stay.passage.Store(passage)
	p.stay.store.OpenAs(&p.stay.session, p, pid)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = append(c.peers, p)
}

// settle puts the client into its rooms, and gives it to the handler.
func (n *newcomer) settle(mover app.Mover, payload []byte, rooms []hub.Room, state json.RawMessage) (err error) {
	n.step(asked, attached)
	n.server().hub.Settle(n.member, []hub.Room{hub.SocketRoom(n.name, n.ID()), hub.EverybodyRoom(n.name)}, rooms)
	session, err := n.resume(mover, payload, state)
	if err == nil && !n.keep(session) {
		err = errClosed
	}
	return err
}

func (n *newcomer) resume(mover app.Mover, payload []byte, state json.RawMessage) (session app.Session, err error) {
	defer func() {
		if r := recover(); r != nil {
			n.panicked(r)
			session, err = nil, errPanic
		}
	}()
	hs := n.conn().handshake(payload)
	hs.Gone = n.gone
	return mover.Resume(n.peer, hs, state)
}

// Land implements [move.Newcomer].
func (n *newcomer) Land(missed []recovery.Missed, rooms, left []hub.Room) error {
	p, s, c := n.peer, n.stay, n.conn()
	p.server().hub.Resettle(p.member, rooms, left)
	p.mu.Lock()
	if s.kept < 0 {
		p.mu.Unlock()
		return recovery.ErrTooMuch
	}
	if !p.step(attached, opening) {
		p.mu.Unlock()
		return recovery.ErrUnknown // somebody has sent it away meanwhile
	}
	c.inNamespace()
	for _, m := range s.session.Land(n.offset, missed) {
		_ = c.send(m) // an ended connection is told through Closed
	}
	n.missed = len(missed)
	_ = c.send(connectPacket(p.name, p.ID(), s.pid()))
	s.passage.Store(nil)
	for _, m := range p.early {
		m.volatile = false
		p.passLocked(m)
	}
	p.early = nil
	p.state.Store(uint32(connected) | detour)
	p.mu.Unlock()
	p.server().hub.Show(p.member)
	p.landed()
	if c.closing.Load() { // it ended meanwhile, and left the client to this
		p.goAway(c, "transport close")
	}
	return nil
}

// Gone implements [move.Newcomer].
func (n *newcomer) Gone() bool { return n.conn().closing.Load() }

// Abandon implements [move.Newcomer].
func (n *newcomer) Abandon(still bool) {
	reason := "transport close"
	if still {
		reason = app.ReasonMoved
	}
	n.stay.passage.Store(nil)
	n.detach(reason)
	n.conn().remove(n.peer)
}
