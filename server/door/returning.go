package door

import (
	"bytes"
	"net/http"
	"sync"
	"sync/atomic"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/recovery"
	"signalbox/server/recovery/move"
	"signalbox/server/remote"
	"signalbox/server/wire"
)

// This file is how a client of a plain WebSocket that was cut comes back: its peer stays as it is, and gets the connection of
// the peer that the client has made to say {"type":"resume"}.

// textStay is what a peer keeps where its client may come back.
type textStay struct {
	session recovery.Session

	// Static after construction.
	store  *recovery.Store
	addr   string
	encode func(*hub.Message) *wire.Message

	// handling is held while the handler has a message, and while the client comes back. It is taken before client.mu.
	handling sync.Mutex

	// passage is there while the client moves from one node to another.
	passage atomic.Pointer[move.Passage]

	// client.mu guards the following.
	away    bool
	absence int
	kept    []keptText // what waits for a client that arrives
	bytes   int        // of kept; -1: there were too many
}

// textRoom marks the logs of this form: a room has others too.
const textRoom = 1 << 7

// withOffset writes a JSON object down as a text message whose last member is its offset, and adds it to the log of a room. What
// is no object has none.
func withOffset(store *recovery.Store, room hub.Room, text []byte) (*wire.Message, *recovery.Entry) {
	body, ok := bytes.CutSuffix(bytes.TrimSpace(text), []byte("}"))
	if !ok {
		return wire.Text(text), nil
	}
	w := wire.NewBuilder(len(body) + 32)
	w.Buf = append(w.Buf, body...)
	if bytes.HasSuffix(body, []byte("{")) {
		w.Buf = append(w.Buf, `"offset":"`...)
	} else {
		w.Buf = append(w.Buf, `,"offset":"`...)
	}
	at := len(w.Buf)
	w.Buf = append(w.Buf, make([]byte, recovery.OffsetLength)...)
	w.Buf = append(w.Buf, `"}`...)
	offset := w.Buf[at:][:recovery.OffsetLength]
	m := w.Message()
	return m, store.Append(recovery.Room{Kind: uint8(room.Kind) | textRoom, Name: room.Name}, m, offset)
}

// settle gives a new peer what it keeps.
func (s *Server) settle(p *textPeer, addr string) {
	p.stay = s.newStay(addr)
	s.cfg.Recovery.Open(&p.stay.session, p)
	s.cfg.Recovery.Crowd(p.stay.network(), s.cfg.Conns.ConnectionsFrom(addr))
}

func (s *Server) newStay(addr string) *textStay {
	store := s.cfg.Recovery
	return &textStay{store: store, addr: addr, encode: func(m *hub.Message) *wire.Message {
		if m.Text == nil {
			return nil
		}
		room, _ := m.To()
		encoded, entry := withOffset(store, room, m.Text)
		m.Logged().Text = entry
		return encoded
	}}
}

func (s *textStay) network() string { return remote.Network(s.addr).String() }

// PID returns the secret by which the client may come back; "": it may not.
func (p *textPeer) PID() string {
	if p.stay == nil {
		return ""
	}
	return p.stay.session.PID()
}

// Away reports whether the client was cut, and may come back.
func (p *textPeer) Away() bool {
	if p.stay == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stay.away && p.status() == opened
}

// socket returns the connection of now.
func (p *textPeer) socket() socket {
	if p.stay == nil {
		return p.ws
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ws
}

// deliver is Deliver of a peer whose client may come back.
func (s *textStay) deliver(p *textPeer, m *hub.Message) bool {
	var encoded *wire.Message
	var entry *recovery.Entry
	if m.Volatile {
		encoded = m.Encoded(hub.FormText, hub.EncodeText)
	} else if encoded = m.Encoded(hub.FormText, s.encode); encoded != nil {
		entry = m.Logged().Text
	}
	if encoded == nil {
		return false
	}
	passage := s.passage.Load()
	if passage != nil && !passage.Takes(m.From, m.Channel) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if passage != nil && s.keepLocked(p, encoded, entry) {
		if entry != nil {
			m.Hold()
		}
		return false
	}
	if p.status() == opened && m.Volatile {
		return !s.away && p.ws.SendVolatile(encoded)
	}
	if s.passLocked(p, encoded, entry, false) {
		return true
	}
	if entry != nil && p.status() == opened {
		m.Hold()
	}
	return false
}

// passLocked queues a message, at once or when the connection is open, and reports whether it did.
func (s *textStay) passLocked(p *textPeer, m *wire.Message, entry *recovery.Entry, reply bool) bool {
	if p.status() == over || p.status() == asked && len(p.early) >= maxEarly {
		return false
	}
	if entry != nil {
		s.session.Note(entry)
	}
	switch {
	case p.status() == asked:
		p.early = append(p.early, m)
		return true
	case s.away:
		return false
	case reply:
		return p.ws.Reply(m) == nil
	default:
		return p.ws.Send(m) == nil
	}
}

// send is Send of such a peer: what it is told before the connection is open is about that connection.
func (s *textStay) send(p *textPeer, text []byte) bool {
	if p.status() == asked && s.passage.Load() == nil {
		return p.hold(wire.Text(text))
	}
	m, entry := withOffset(s.store, hub.Room{Name: p.id}, text)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() == over {
		return false
	}
	return s.keepLocked(p, m, entry) || s.passLocked(p, m, entry, true) || entry != nil
}

// goAway keeps a peer whose connection ws has ended. It reports false where the client has left, or must leave.
func (s *textStay) goAway(p *textPeer, ws socket, reason conn.Reason) bool {
	kept := p.member.Bytes()
	p.mu.Lock()
	if p.ws != ws {
		p.mu.Unlock()
		return true // it has come back already
	}
	if s.away {
		p.mu.Unlock()
		return true
	}
	if ws.ClientLeft() {
		p.mu.Unlock()
		return false
	}
	away := false
	if reason == conn.ReasonServerShutdown && p.server.cfg.Mover != nil {
		reason = conn.ReasonTransportClose // other nodes may fetch it
	}
	switch reason {
	case conn.ReasonTransportClose, conn.ReasonTransportError, conn.ReasonPingTimeout, conn.ReasonSlowClient, conn.ReasonWriteTimeout:
		if p.status() == opened {
			s.absence++
			absence, text := s.absence, reason.String()
			s.away = s.session.Away(s.network(), kept, func(why recovery.Ended) { s.expired(p, absence, why, text) })
			away = s.away
		}
	}
	p.mu.Unlock()
	if away {
		s.store.Crowd(s.network(), p.server.cfg.Conns.ConnectionsFrom(s.addr)-1)
	}
	return away
}

// close is called when the peer was told to go: nobody else tells the handler of one that is away.
func (s *textStay) close(p *textPeer, reason string) {
	s.session.Close()
	p.mu.Lock()
	away := s.away
	p.mu.Unlock()
	if away {
		p.release(p.session, reason)
	}
}

// expired ends the stay of a client that did not come back.
func (s *textStay) expired(p *textPeer, absence int, why recovery.Ended, reason string) {
	p.mu.Lock()
	is := s.away && s.absence == absence
	p.mu.Unlock()
	if !is {
		return
	}
	if why == recovery.EndedClosed {
		reason = app.ReasonShutdown
	}
	p.release(p.session, reason)
}

// returningReceiver is a peer as its connection sees it, where it may turn out to be another one.
type returningReceiver struct {
	peer    atomic.Pointer[textPeer]
	ws      socket
	handler app.TextHandler
	heard   bool // a message has come; owned by the goroutine that reads
}

var _ conn.Receiver = (*returningReceiver)(nil)

// Text implements [conn.Receiver].
func (r *returningReceiver) Text(data []byte) error {
	p := r.peer.Load()
	if first := !r.heard; first {
		r.heard = true
		if r.resume(p, data) {
			return nil
		}
	}
	p.stay.handling.Lock()
	defer p.stay.handling.Unlock()
	if p.socket() == r.ws && !p.Away() {
		p.receive(data)
	}
	return nil
}

// Binary implements [conn.Receiver].
func (r *returningReceiver) Binary(data []byte) error { return r.Text(validText(data)) }

// Names implements [conn.Named].
func (r *returningReceiver) Names() (id, user string) { return r.peer.Load().names() }

// Closed implements [conn.Receiver].
func (r *returningReceiver) Closed(reason conn.Reason) {
	p := r.peer.Load()
	if !p.stay.goAway(p, r.ws, reason) {
		p.end(reason)
	}
}

// resume handles a first message that asks for a session, and reports whether it is one.
func (r *returningReceiver) resume(p *textPeer, data []byte) bool {
	if rawjson.Check(data) != nil {
		return false
	}
	f, ok := rawjson.Fields(data, "type", "session", "offset")
	if !ok {
		return false
	}
	if kind, _ := rawjson.Text(f[0]); kind != "resume" {
		return false
	}
	pid, _ := rawjson.Text(f[1])
	offset, _ := rawjson.Text(f[2])
	err := r.takeOver(p, pid, offset)
	if err == recovery.ErrUnknown && p.server.cfg.Mover != nil && len(pid) == recovery.PIDLength {
		err = r.fetch(p, pid, offset)
	}
	p.stay.store.Count(err)
	if err != nil {
		p.server.cfg.Log.Debug("session not recovered", "client", p.id, "reason", err.Error())
		_ = r.ws.Send(wire.Text([]byte(`{"type":"resumed","recovered":false}`))) // an ended connection is told through Closed
		return true
	}
	return true
}

// takeOver gives this connection to the peer of an earlier one.
func (r *returningReceiver) takeOver(p *textPeer, pid, offset string) error {
	store := p.stay.store
	old, _ := store.Find(pid).(*textPeer)
	if old == nil || old == p {
		return recovery.ErrUnknown
	}
	old.stay.handling.Lock()
	defer old.stay.handling.Unlock()
	returner, ok := old.session.(app.TextReturner)
	if !ok || p.server.guard(p.id, func() error { return returner.Return(p.session) }) != nil {
		return recovery.ErrToken
	}
	before, err := old.stay.move(old, r.ws, offset, p.server.cfg.Conns.OutboxBytes())
	if err == recovery.ErrUnknown {
		return err
	}
	if before != nil {
		before.CloseWith(conn.ReasonForcedClose, uint16(app.CloseNormal), "resumed elsewhere")
	}
	if err != nil {
		old.release(old.session, conn.ReasonTransportClose.String())
		return err
	}
	r.peer.Store(old)
	p.release(p.session, app.ReasonNotOpened)
	return nil
}

// move gives a peer another connection, and returns the one it had.
func (s *textStay) move(p *textPeer, ws socket, offset string, maxBytes int) (before socket, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passage := s.passage.Load(); p.status() != opened || passage != nil && passage.Begun() {
		return nil, recovery.ErrUnknown
	}
	messages, err := s.session.Missed(offset, maxBytes)
	if err != nil {
		return p.ws, err
	}
	if !s.session.Back() {
		return nil, recovery.ErrUnknown // its time is over at this moment
	}
	before = p.ws
	s.passage.Store(nil)
	s.away, p.ws, p.out = false, ws, ws
	for _, m := range messages {
		_ = ws.Send(m) // an ended connection is told through Closed
	}
	_ = ws.Send(wire.Text([]byte(`{"type":"resumed","recovered":true}`)))
	return before, nil
}

// Returning is WebSocket for clients that may come back after a cut, where [Config.Recovery] is set.
func (s *Server) Returning(h app.TextHandler, o conn.WebSocketOptions) http.Handler {
	return s.webSocket(h, o, true)
}
