package door

import (
	"encoding/json"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/recovery/move"
	"signalbox/server/wire"
)

// This file is how a client of a plain WebSocket that was cut comes back at another node of the cluster, see package move.

var (
	_ move.Resident = (*textPeer)(nil)
	_ move.Newcomer = (*textNewcomer)(nil)
)

const (
	// textDoor names these clients among those that move.
	textDoor = "websocket"
	// textNamespace is where messages to their rooms go.
	textNamespace = "/chat"
	// keptBytes is what a message that waits counts for beside its own bytes.
	keptBytes = 64
)

// keptText is a message to a client that is on its way here.
type keptText struct {
	message *wire.Message
	entry   *recovery.Entry
}

// keepLocked keeps a message for a client that is on its way, and reports whether it is.
func (s *textStay) keepLocked(p *textPeer, m *wire.Message, entry *recovery.Entry) bool {
	if passage := s.passage.Load(); passage == nil || !passage.Arriving() {
		return false
	}
	size := m.Size() + keptBytes
	if s.bytes < 0 || s.bytes+size > p.server.cfg.Conns.OutboxBytes() {
		s.bytes, s.kept = -1, nil
		return true
	}
	s.bytes += size
	s.kept = append(s.kept, keptText{m, entry})
	return true
}

// Pack implements [move.Resident].
func (p *textPeer) Pack(door string, passage *move.Passage) (parcel move.Parcel, ok bool) {
	s := p.stay
	if door != textDoor {
		return parcel, false
	}
	s.handling.Lock()
	defer s.handling.Unlock()
	packer, is := p.session.(app.Packer)
	if !is || p.status() != opened {
		return parcel, false
	}
	ws := p.socket()
	s.passage.Store(passage)
	if !s.goAway(p, ws, conn.ReasonTransportClose) || s.passage.Load() != passage {
		return parcel, false
	}
	ws.CloseWith(conn.ReasonForcedClose, uint16(app.CloseNormal), "resumed elsewhere")
	parcel = move.Parcel{Namespace: textNamespace, ID: p.id, Rooms: p.member.Rooms()}
	err := p.server.guard(p.id, func() error { parcel.State = packer.Pack(); return nil })
	return parcel, err == nil
}

// Unpack implements [move.Resident].
func (p *textPeer) Unpack(passage *move.Passage) { p.stay.passage.CompareAndSwap(passage, nil) }

// Depart implements [move.Resident].
func (p *textPeer) Depart(passage *move.Passage) bool {
	return p.stay.passage.Load() == passage && p.status() == opened
}

// Missed implements [move.Resident].
func (p *textPeer) Missed(offset string) ([]recovery.Missed, []hub.Room, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	missed, err := p.stay.session.Carry(offset, p.server.cfg.Conns.OutboxBytes())
	return missed, p.member.Rooms(), err
}

// Moved implements [move.Resident].
func (p *textPeer) Moved(passage *move.Passage) {
	if p.stay.passage.Load() == passage {
		p.stay.session.Moved()
		p.release(p.session, app.ReasonMoved)
	}
}

// textNewcomer is a client on its way here.
type textNewcomer struct {
	*textPeer
	offset string    // what it got last
	anew   *textPeer // with which it has asked to come back
}

// Gone implements [move.Newcomer].
func (n *textNewcomer) Gone() bool { return n.anew.Away() || n.anew.Closed() }

// fetch has a client of another node come back here, in place of p, with which it has asked for that.
func (r *returningReceiver) fetch(p *textPeer, pid, offset string) error {
	mover, ok := r.handler.(app.TextMover)
	if !ok {
		return recovery.ErrUnknown
	}
	p.Charge(app.WeightCostly)
	var n *textNewcomer
	err := p.server.cfg.Mover.Fetch(pid, offset, textDoor,
		func(parcel move.Parcel, passage *move.Passage) (move.Newcomer, error) {
			n = r.arrive(p, pid, offset, parcel.ID, passage)
			if err := n.settle(mover, p.session, parcel.Rooms, parcel.State); err != nil {
				n.Abandon(true)
				return nil, recovery.ErrToken
			}
			return n, nil
		})
	if err != nil {
		return err
	}
	r.peer.Store(n.textPeer)
	ended := n.Gone()
	p.release(p.session, app.ReasonNotOpened)
	if ended {
		n.stay.goAway(n.textPeer, r.ws, conn.ReasonTransportClose)
	}
	return nil
}

// arrive makes the peer of a client that comes from another node, with the connection of p.
func (r *returningReceiver) arrive(p *textPeer, pid, offset, id string, passage *move.Passage) *textNewcomer {
	n := &textPeer{ws: r.ws}
	n.server, n.id = p.server, id
	n.out = r.ws
	n.member = hub.NewMember(id, n)
	n.stay = p.server.newStay(p.stay.addr)
	n.stay.passage.Store(passage)
	n.stay.store.OpenAs(&n.stay.session, n, pid)
	return &textNewcomer{n, offset, p}
}

func (n *textNewcomer) settle(mover app.TextMover, anew app.TextSession, rooms []hub.Room, state json.RawMessage) error {
	n.server.cfg.Hub.Settle(n.member, nil, rooms)
	return n.server.guard(n.id, func() (err error) {
		n.session, err = mover.Resume(n.textPeer, anew, state)
		return err
	})
}

// Land implements [move.Newcomer].
func (n *textNewcomer) Land(missed []recovery.Missed, rooms, left []hub.Room) error {
	p, s := n.textPeer, n.stay
	p.server.cfg.Hub.Resettle(p.member, rooms, left)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.bytes < 0 {
		return recovery.ErrTooMuch
	}
	if !p.state.CompareAndSwap(uint32(asked), uint32(opened)) {
		return recovery.ErrUnknown
	}
	for _, m := range s.session.Land(n.offset, missed) {
		_ = p.ws.Send(m) // an ended connection is told through Closed
	}
	_ = p.ws.Send(wire.Text([]byte(`{"type":"resumed","recovered":true}`)))
	s.passage.Store(nil)
	for _, k := range s.kept {
		s.passLocked(p, k.message, k.entry, false)
	}
	s.kept = nil
	return nil
}

// Abandon implements [move.Newcomer].
func (n *textNewcomer) Abandon(still bool) {
	reason := conn.ReasonTransportClose.String()
	if still {
		reason = app.ReasonMoved
	}
	n.stay.passage.Store(nil)
	if n.session != nil {
		n.release(n.session, reason)
		return
	}
	n.stay.session.Close()
	n.state.Store(uint32(over))
	n.server.cfg.Hub.Remove(n.member)
}
