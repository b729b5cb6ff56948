package engine

import (
	"net/http"
	"time"

	"signalbox/server/conn"
	"signalbox/server/wire"
)

// probe is a websocket that wants to take a session over from polling.
//
// Rule: [upgrade]: the client sends "2probe" and gets "3probe"; polls are released meanwhile; when the last has ended
// the client sends "5", and from then on the websocket alone is used. Until then nothing is sent on it but the answer,
// so whatever goes wrong leaves polling as it was.
//
// [upgrade]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#upgrade
type probe struct {
	ws *conn.Pending // nil until the handshake is through

	// answered tells that the client knows it may go on.
	answered bool
}

var (
	probePing   = string(packetPing) + "probe"
	probeAnswer = wire.Text([]byte{packetPong}, []byte("probe")).Parts()[0].Frame()
)

// wake makes the goroutine of the probe look whether the session has ended. The session's connection is locked; p may
// be nil.
func (p *probe) wake() {
	if p != nil && p.ws != nil {
		p.ws.Wake()
	}
}

// upgradeSession answers the websocket handshake of a session that polls. textOnly says that the websocket will not
// take binary frames.
func (s *Server) upgradeSession(w http.ResponseWriter, r *http.Request, session *Session, textOnly bool) {
	refused := conn.CheckUpgrade(r)
	if refused == nil {
		refused = s.conns.CheckOrigin(r)
	}
	if refused == nil {
		refused = session.beginProbe()
	}
	if refused == refuseSecond {
		s.refuseSecond(w, r)
		return
	}
	if refused != nil {
		s.conns.Refuse(w, refused)
		return
	}
	ws, err := s.conns.OpenPending(w, r)
	if err != nil {
		session.freeProbe()
		s.conns.Release()
		s.conns.Config().Log.Debug("websocket handshake failed", "error", err)
		return
	}
	if textOnly {
		session.textOnly.Store(true) // until the upgrade this makes no difference
	}
	s.note(s.hops.streams, session, hopOf(r))
	session.setProbe(ws)
	s.conns.Spawn(func() { session.runProbe(ws) })
}

// refuseSecond opens and closes a websocket for a session that has one, or is about to. It takes a place meanwhile.
//
// Rule: the protocol's test suite wants the websocket closed rather than its handshake refused.
func (s *Server) refuseSecond(w http.ResponseWriter, r *http.Request) {
	place, err := s.conns.Reserve(w, r, 1)
	if err != nil {
		return
	}
	ws, err := s.conns.OpenPending(w, r)
	if err != nil {
		place.Cancel()
		return
	}
	s.conns.CountRefusal(refuseSecond)
	s.conns.Spawn(func() {
		defer place.Cancel()
		ws.Refuse(errNoUpgrade)
	})
}

// beginProbe takes the one place for an upgrade that a session has.
func (s *Session) beginProbe() *conn.Refusal {
	s.c.Lock()
	defer s.c.Unlock()
	switch {
	case s.polling == nil && s.upgraded, s.polling != nil && s.polling.probe != nil:
		return refuseSecond
	}
	if refused := s.checkPollingLocked(); refused != nil {
		return refused
	}
	if !s.c.OpenLocked() || !s.srv.conns.Hold() {
		return refuseSession
	}
	s.polling.probe = new(probe)
	return nil
}

// setProbe gives the probe its connection, and the time it may take.
func (s *Session) setProbe(ws *conn.Pending) {
	s.c.Lock()
	defer s.c.Unlock()
	s.polling.probe.ws = ws
	ws.SetDeadline(time.Now().Add(s.srv.cfg.UpgradeTimeout))
	if s.goneLocked() {
		ws.Wake()
	}
}

// goneLocked reports whether there is nothing left to take over.
func (s *Session) goneLocked() bool {
	return s.c.DoneLocked() || (!s.c.OpenLocked() && !s.polling.draining)
}

// freeProbe gives the place for an upgrade back: the next one need not wait until the websocket of this one is closed.
func (s *Session) freeProbe() {
	s.srv.upgradesFailed.Add(1)
	s.srv.forgetHop(s.srv.hops.streams, s)
	s.c.Lock()
	defer s.c.Unlock()
	s.polling.probe = nil
}

// runProbe is the goroutine of a websocket that began as an upgrade.
func (s *Session) runProbe(ws *conn.Pending) {
	err := s.awaitUpgrade(ws)
	if err == nil && s.takeOver(ws) {
		s.srv.conns.Release()
		s.c.Serve(ws.Reader)
		return
	}
	s.freeProbe()
	defer s.srv.conns.Release()
	ws.Refuse(err)
}

// awaitUpgrade answers the probe and returns nil when the client has sent the upgrade packet.
func (s *Session) awaitUpgrade(ws *conn.Pending) error {
	for {
		packet, binary, err := ws.Read()
		switch {
		case err != nil:
			return err
		case binary:
			return errNoUpgrade
		case string(packet) == probePing:
			if err := ws.Write(probeAnswer); err != nil {
				return err
			}
			s.answeredProbe()
		case len(packet) == 1 && packet[0] == packetUpgrade:
			return nil
		default:
			return errNoUpgrade
		}
	}
}

// answeredProbe releases the poll that waits, for the client waits for it before it goes on.
func (s *Session) answeredProbe() {
	s.c.Lock()
	defer s.c.Unlock()
	s.polling.probe.answered = true
	s.c.WakeLocked()
}

// takeOver makes the websocket the session's transport, and reports false if there is no session any more. It returns
// when a post that was on its way has been handled, so that the next packet is the first of the websocket.
func (s *Session) takeOver(ws *conn.Pending) bool {
	s.c.Lock()
	if s.goneLocked() {
		s.c.Unlock()
		return false
	}
	posting := s.polling.posting
	s.polling, s.upgraded = nil, true
	s.c.SwitchLocked(ws, lastFrame)
	s.c.Unlock()
	s.c.Switched()
	s.srv.upgrades.Add(1)
	if posting != nil {
		<-posting
	}
	if u, ok := s.receiver.(Upgrader); ok {
		u.Upgraded()
	}
	return true
}

// Upgrader may be implemented by a session's receiver.
type Upgrader interface {
	// Upgraded is called when the session goes on by websocket, before the first packet that comes by it. It must not block.
	Upgraded()
}
