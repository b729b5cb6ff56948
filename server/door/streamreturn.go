package door

import (
	"slices"
	"sync"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/remote"
	"signalbox/server/wire"
)

// This file is how a stream goes on where it broke: the id of each record is its offset, and who asks again with Last-Event-ID gets
// what the logs of its rooms have behind that. The peer of a stream that broke stays in its rooms until the client asks again, so that
// there are logs.

// streamRoom marks the logs of this form.
const streamRoom = 1 << 6

// streamStay is what a peer keeps where its stream may go on.
type streamStay struct {
	session recovery.Session // bounds the time away

	// Static after construction.
	store *recovery.Store
	addr  string
	key   string // path and user; whole when the stream is open
	after uint64 // number of the last message that the client has got
	again bool   // it has got one, and is sent what is behind that when the stream opens

	open bool // among those of [absent.open]; its mu guards it

	// client.mu guards the following.
	away     bool
	replayed uint64 // number of the last message that may have been replayed
}

// absent are peers whose stream broke, by key. The zero value is ready.
type absent struct {
	mu sync.Mutex
	// mu guards the following.
	peers map[string][]*streamPeer
	open  map[string]int // streams that did not break
}

// opened counts a stream, until ended.
func (a *absent) opened(p *streamPeer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = make(map[string]int)
	}
	a.open[p.stay.key]++
	p.stay.open = true
}

// ended takes opened back, and reports whether there are others: they are in the same rooms, whose logs go on.
func (a *absent) ended(p *streamPeer) (others bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.stay.open {
		p.stay.open = false
		if a.open[p.stay.key]--; a.open[p.stay.key] == 0 {
			delete(a.open, p.stay.key)
		}
	}
	return a.open[p.stay.key] > 0
}

func (a *absent) add(p *streamPeer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.peers == nil {
		a.peers = make(map[string][]*streamPeer)
	}
	a.peers[p.stay.key] = append(a.peers[p.stay.key], p)
}

func (a *absent) remove(p *streamPeer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.peers[p.stay.key]
	i := slices.Index(list, p)
	switch {
	case i < 0:
	case len(list) == 1:
		delete(a.peers, p.stay.key)
	default:
		a.peers[p.stay.key] = slices.Delete(list, i, i+1)
	}
}

// first returns the one that has been away for longest, nil where there is none.
func (a *absent) first(key string) *streamPeer {
	a.mu.Lock()
	defer a.mu.Unlock()
	if list := a.peers[key]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// mayGoOn gives a new peer what it keeps.
func (p *streamPeer) mayGoOn(v app.Visit, path string) {
	store := p.server.cfg.Recovery
	p.stay = &streamStay{store: store, addr: v.RemoteAddr, key: path}
	if last := v.Header("Last-Event-ID"); last != "" {
		if p.stay.after, p.stay.again = store.Number(last); !p.stay.again {
			store.Count(recovery.ErrPosition)
		}
	}
	store.Open(&p.stay.session, nil)
}

// encode writes a record down with its offset as id, and adds it to the log of its room.
func (s *streamStay) encode(m *hub.Message) *wire.Message {
	room, single := m.To()
	if m.SSE == nil || !single {
		return hub.EncodeSSE(m)
	}
	record := make([]byte, 0, len(m.SSE)+recovery.OffsetLength+5)
	record = append(record, "id: "...)
	offset := record[len(record):][:recovery.OffsetLength:recovery.OffsetLength]
	record = append(record[:len(record)+recovery.OffsetLength], '\n')
	encoded := wire.Raw(append(record, m.SSE...))
	m.Logged().SSE = s.store.Append(logOf(room), encoded, offset)
	return encoded
}

func logOf(room hub.Room) recovery.Room {
	return recovery.Room{Kind: uint8(room.Kind) | streamRoom, Name: room.Name}
}

// deliver is Deliver of such a peer.
func (s *streamStay) deliver(p *streamPeer, m *hub.Message) bool {
	encoded := m.Encoded(hub.FormSSE, s.encode)
	if encoded == nil {
		return false
	}
	entry := m.Logged().SSE
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.status() == over:
		return false
	case s.away:
		if entry != nil {
			m.Hold()
		}
		return false
	case entry != nil && (entry.Seq() <= s.replayed || s.again && p.status() == asked):
		return true // it is among what is replayed
	case p.status() == opened:
		return p.out.Send(encoded) == nil
	case len(p.early) >= maxEarly:
		return false
	}
	p.early = append(p.early, encoded)
	return true
}

// replay sends what the client missed.
func (s *streamStay) replay(p *streamPeer, out outlet) {
	if u, ok := p.session.(app.Known); ok {
		s.key += "\x00" + u.User()
	}
	if !s.again {
		return
	}
	if before := p.server.absent.first(s.key); before != nil {
		before.end(conn.ReasonTransportClose.String()) // this is its client, and in its rooms
	}
	var rooms []recovery.Room
	for _, room := range p.member.Rooms() {
		rooms = append(rooms, logOf(room))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var missed []*wire.Message
	missed, s.replayed = s.store.Behind(s.after, rooms, p.server.cfg.Conns.OutboxBytes())
	s.again = false
	for _, m := range missed {
		_ = out.Send(m) // an ended connection is told through Closed
	}
	s.store.Count(nil)
}

// goAway keeps the peer of a stream that ended. It reports false where the client has left, or must leave.
func (s *streamStay) goAway(p *streamPeer, reason conn.Reason) bool {
	switch reason {
	case conn.ReasonTransportClose, conn.ReasonTransportError, conn.ReasonSlowClient, conn.ReasonWriteTimeout:
	default:
		return false
	}
	if p.server.absent.ended(p) {
		return false // its client may have come back already
	}
	kept := p.member.Bytes()
	p.mu.Lock()
	if p.status() != opened {
		p.mu.Unlock()
		return false
	}
	network := remote.Network(s.addr).String()
	p.server.absent.add(p)
	away := s.session.Away(network, kept, func(recovery.Ended) { p.end(reason.String()) })
	s.away = away
	p.mu.Unlock()
	if away {
		s.store.Crowd(network, p.server.cfg.Conns.ConnectionsFrom(s.addr)-1)
	}
	return away
}

// Away reports whether the stream broke, and may go on.
func (p *streamPeer) Away() bool {
	if p.stay == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stay.away && p.status() == opened
}

// end tells the handler once that the client has gone.
func (p *streamPeer) end(reason string) {
	if p.stay != nil {
		p.stay.session.Close()
		p.server.absent.ended(p)
		p.server.absent.remove(p)
	}
	p.release(p.session, reason)
}
