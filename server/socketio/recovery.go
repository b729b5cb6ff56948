package socketio

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/recovery"
	"signalbox/server/recovery/move"
	"signalbox/server/remote"
	"signalbox/server/wire"
)

// This file is connection state recovery: a client that was cut comes back as the same socket, with the messages that it
// missed. Its [peer] stays as it is all the while, in its rooms and with its handler's session; only the connection under it
// is another one afterwards.
//
// Rule: https://socket.io/docs/v4/connection-state-recovery, and what the client of 4.6 to 4.8 does.

// Recovery has clients that were cut come back as they were.
type Recovery struct {
	recovery.Config
	// In reports whether a namespace has it; nil: each has.
	In func(namespace string) bool
	// Nodes are the other nodes, to which clients may come back; nil: there are none.
	Nodes move.Nodes
	// Handover is how long a server that stops waits for the other nodes to fetch the clients that are to come back.
	Handover time.Duration
}

// recoveries is what a server with recovery keeps.
type recoveries struct {
	store  *recovery.Store
	mover  *move.Mover // nil: there are no other nodes
	in     func(namespace string) bool
	encode func(*hub.Message) *wire.Message // method value, made once
	// translated is set once a client speaks msgpack: messages keep translations, and the log should not.
	translated atomic.Bool
}

func newRecoveries(cfg Config, conns *netconn.Server) *recoveries {
	bounds := cfg.Recovery.Config
	bounds.Compresses = conns.Compresses
	r := &recoveries{store: recovery.New(bounds), in: cfg.Recovery.In}
	if cfg.Recovery.Nodes != nil {
		r.mover = move.New(cfg.Recovery.Nodes, cfg.Hub, r.store)
	}
	r.encode = func(m *hub.Message) *wire.Message {
		room, _ := m.To()
		return r.log(room, m)
	}
	return r
}

// log writes a message down as an EVENT packet with its offset behind the arguments, and adds it to the log of a room; the zero
// room is the log of what was sent to several at once.
func (r *recoveries) log(room hub.Room, m *hub.Message) *wire.Message {
	if m.Event == "" && m.RawEvent == nil {
		return nil
	}
	w := eventBuilder(m, "")
	w.Buf = append(w.Buf, `,"`...)
	place := len(w.Buf)
	w.Buf = append(w.Buf, make([]byte, recovery.OffsetLength)...)
	w.Buf = append(w.Buf, `"]`...)
	offset := w.Buf[place:][:recovery.OffsetLength]
	encoded := w.Message(m.Attachments...)
	logged := encoded
	if r.translated.Load() {
		logged = encoded.Alone()
	}
	m.Logged().SocketIO = r.store.Append(recovery.Room{Kind: uint8(room.Kind), Name: room.Name}, logged, offset)
	return encoded
}

// tail returns what stands for the text at the end of an event without an offset, 0 where there is none: a client takes it
// for one.
func (r *recoveries) tail(m *hub.Message) uint64 {
	last := m.RawEvent
	if n := len(m.Args); n > 0 {
		last = m.Args[n-1]
	} else if last == nil {
		return r.store.Hash(m.Event)
	}
	text, ok := rawjson.Text(last)
	if !ok {
		return 0
	}
	return r.store.Hash(text)
}

// RecoveryStore returns what is kept for clients that were cut, whichever door they came in by; nil: nothing is.
func (s *Server) RecoveryStore() *recovery.Store {
	if s.recoveries == nil {
		return nil
	}
	return s.recoveries.store
}

// Mover returns what takes clients from node to node; nil: there are no others.
func (s *Server) Mover() *move.Mover {
	if s.recoveries == nil {
		return nil
	}
	return s.recoveries.mover
}

// recovers reports whether clients of a namespace may come back.
func (s *Server) recovers(namespace string) bool {
	r := s.recoveries
	return r != nil && (r.in == nil || r.in(namespace))
}

// stay is what a [peer] keeps where its client may come back.
type stay struct {
	session recovery.Session

	// Static after construction.
	*recoveries

	// handling is held while the handler has an event, and while the client comes back: the one connection's events are
	// over before those of the next begin. It is taken before peer.mu.
	handling sync.Mutex
	reader   *conn // whose event the handler has; guarded by handling

	// passage is there while the client moves from one node to another.
	passage atomic.Pointer[move.Passage]

	// peer.mu guards the following.
	away    bool
	absence int    // how often it was away
	reason  string // why
	kept    int    // bytes that wait for a client that arrives; -1: there were too many
	// returning is set while the library looks at the client again, which is away until it lets it in; offset is what that got last.
	returning bool
	offset    string
}

// settle gives the peer of a client that is not known what it keeps.
func (r *recoveries) settle(p *peer) {
	c := p.conn()
	p.stay = &stay{recoveries: r, reader: c}
	r.store.Open(&p.stay.session, p)
	r.store.Crowd(c.network(), c.server.conns.ConnectionsFrom(c.session.RemoteAddr()))
}

func (s *stay) pid() string {
	if s == nil {
		return ""
	}
	return s.session.PID()
}

func (s *stay) end() {
	if s != nil {
		s.session.Close()
	}
}

// Away reports whether the client was cut, and may come back.
func (p *peer) Away() bool {
	if p.stay == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stay.away && p.status() == connected
}

// deliver is Deliver of a peer whose client may come back.
func (s *stay) deliver(p *peer, m *hub.Message) bool {
	if !m.Volatile { // nearly all: nothing waits
		encoded := m.Encoded(hub.FormOffset, s.encode)
		if encoded == nil {
			return false
		}
		p.mu.Lock()
		if p.status() == connected && p.deferred == nil && !s.away {
			s.session.Note(m.Logged().SocketIO)
			queued := p.conn().send(encoded) == nil
			p.mu.Unlock()
			if !queued {
				m.Hold()
			}
			return queued
		}
		p.mu.Unlock()
	}
	if passage := s.passage.Load(); passage != nil && !passage.Takes(m.From, m.Channel) {
		return false
	}
	o := outgoing{id: m.ID, volatile: m.Volatile}
	if m.Volatile {
		o.message, o.tail = m.Encoded(hub.FormSocketIO, encodeMessage), s.tail(m)
	} else {
		o.message = m.Encoded(hub.FormOffset, s.encode)
		o.entry = m.Logged().SocketIO
	}
	if o.message == nil {
		return false
	}
	fate := p.wait(o)
	if fate == held {
		m.Hold()
	}
	return fate == sent
}

// passLocked is passLocked of such a peer.
func (s *stay) passLocked(p *peer, o outgoing) fate {
	if o.entry != nil {
		s.session.Note(o.entry)
	}
	switch {
	case !s.away && p.send(o.message, o.volatile):
		if o.tail != 0 {
			s.session.NoteTail(o.tail)
		}
		return sent
	case o.entry != nil:
		return held
	default:
		return lost
	}
}

// emit is Emit of such a peer.
func (s *stay) emit(p *peer, m *hub.Message) error {
	encoded := s.log(hub.SocketRoom(p.name, p.ID()), m)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status() {
	case connected:
		s.session.Note(m.Logged().SocketIO)
		if !s.away {
			_ = p.conn().reply(encoded) // who is cut by now gets it when it is back
		}
		return nil
	case attached, opening:
		if len(p.early) < maxEarly {
			p.early = append(p.early, outgoing{message: encoded, entry: m.Logged().SocketIO})
			return nil
		}
	}
	return errClosed
}

// answerer returns what answers an event that came on c: on that connection and on no later one.
func (p *peer) answerer(c *conn) app.Answerer {
	if p.stay == nil {
		return p
	}
	return &answerer{p, c}
}

type answerer struct {
	peer *peer
	conn *conn
}

func (a *answerer) Answer(id string, args ...any) { a.peer.answer(a.conn, id, args) }

// mayReturn reports whether the clients of a connection that ended may come back.
//
// Rule: as in the reference, not where either side asked for the end; nor where the server failed.
func (c *conn) mayReturn(reason netconn.Reason) bool {
	if c.server.recoveries == nil || c.failed {
		return false
	}
	switch reason {
	case netconn.ReasonServerShutdown:
		return c.server.recoveries.mover != nil // other nodes may fetch them
	case netconn.ReasonTransportClose, netconn.ReasonTransportError, netconn.ReasonPingTimeout, netconn.ReasonForcedClose,
		netconn.ReasonSlowClient, netconn.ReasonWriteTimeout:
		return true
	default:
		return false
	}
}

// goAway keeps the peer of a client whose connection c has ended. It reports false where the client has left, or must leave.
func (p *peer) goAway(c *conn, reason string) bool {
	s := p.stay
	if s == nil {
		return false
	}
	kept := p.member.Bytes()
	p.mu.Lock()
	if p.conn() != c {
		p.mu.Unlock()
		return true // it has come back already
	}
	if s.away && !s.returning || s.arriving() {
		p.mu.Unlock()
		return true
	}
	s.returning = false
	if p.status() != connected {
		p.mu.Unlock()
		return false
	}
	s.absence++
	absence, address := s.absence, c.network()
	if k, ok := p.session.(app.Keeper); ok {
		kept += k.Kept()
	}
	s.away = s.session.Away(address, kept, func(why recovery.Ended) { p.expired(absence, why) })
	s.reason = reason
	away := s.away
	p.mu.Unlock()
	if away {
		c.server.log.LogAttrs(context.Background(), slog.LevelDebug, "session away",
			slog.String("namespace", p.name), slog.String("sid", p.ID()), slog.String("reason", reason))
		s.store.Crowd(address, c.server.conns.ConnectionsFrom(c.session.RemoteAddr())-1) // this one is still among them
		if p.library != nil {
			p.library.Away(reason)
		}
	}
	return away
}

// network is what the connections of an address are counted by.
func (c *conn) network() string { return remote.Network(c.session.RemoteAddr()).String() }

// expired ends the stay of a client that did not come back.
func (p *peer) expired(absence int, why recovery.Ended) {
	p.mu.Lock()
	s := p.stay
	is, reason := s.away && s.absence == absence, s.reason
	p.mu.Unlock()
	if !is {
		return
	}
	if why == recovery.EndedClosed {
		reason = app.ReasonShutdown
	}
	p.server().log.LogAttrs(context.Background(), slog.LevelDebug, "session ended while away",
		slog.String("namespace", p.name), slog.String("sid", p.ID()), slog.String("reason", string(why)))
	p.detach(reason)
}
