package engine

import (
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"signalbox/server/wire"
)

// probe is a websocket that wants to take a session over from polling.
//
// Rule: [upgrade]: the client sends "2probe" and gets "3probe"; polls are released meanwhile; when the last has ended the
// client sends "5", and from then on the websocket alone is used. Until then nothing is sent on it but the answer, so
// whatever goes wrong leaves polling as it was.
//
// [upgrade]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#upgrade
type probe struct {
	nc net.Conn // guarded by Session.mu; nil until the handshake is through

	// answered tells that the client knows it may go on. Guarded by Session.mu.
	answered bool
}

var (
	probePing   = string(packetPing) + "probe"
	probeAnswer = wire.Text([]byte{packetPong}, []byte("probe")).Parts()[0].Frame()

	errNoUpgrade error = &frameError{closeNoCode, ReasonTransportError, "not an upgrade"}
)

// wake makes the goroutine of the probe look whether the session has ended. Session.mu is held; p may be nil.
func (p *probe) wake() {
	if p != nil && p.nc != nil {
		p.nc.SetReadDeadline(longAgo)
	}
}

// upgradeSession answers the websocket handshake of a session that polls. textOnly says that the websocket will not take
// binary frames.
func (s *Server) upgradeSession(w http.ResponseWriter, r *http.Request, session *Session, textOnly bool) {
	refused := checkUpgrade(r)
	if refused == nil {
		refused = s.checkOrigin(r)
	}
	if refused == nil {
		refused = session.beginProbe()
	}
	if refused == refuseSecond {
		s.refuseSecond(w, r)
		return
	}
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	t, err := s.openWebSocket(w, r)
	if err != nil {
		session.freeProbe()
		s.release()
		s.cfg.Log.Debug("websocket handshake failed", "error", err)
		return
	}
	reader := newReader(t.nc, s.cfg.MaxPayloadBytes, t.early)
	if textOnly {
		session.textOnly.Store(true) // until the upgrade this makes no difference
	}
	session.setProbe(t.nc)
	s.spawn(func() { session.runProbe(t.nc, reader) })
}

// refuseSecond opens and closes a websocket for a session that has one, or is about to. It takes a place meanwhile.
//
// Rule: the protocol's test suite wants the websocket closed rather than its handshake refused.
func (s *Server) refuseSecond(w http.ResponseWriter, r *http.Request) {
	addr := s.cfg.ClientIP(r)
	if refused := s.reserve(addr, 1); refused != nil {
		s.refuse(w, refused)
		return
	}
	t, err := s.openWebSocket(w, r)
	if err != nil {
		s.cancel(addr, 1)
		return
	}
	s.countRefusal(refuseSecond)
	reader := newReader(t.nc, s.cfg.MaxPayloadBytes, t.early)
	s.spawn(func() {
		defer s.cancel(addr, 1)
		farewell(t.nc, reader, errNoUpgrade, s.cfg.CloseTimeout)
	})
}

// beginProbe takes the one place for an upgrade that a session has.
func (s *Session) beginProbe() *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.polling == nil && s.upgraded, s.polling != nil && s.polling.probe != nil:
		return refuseSecond
	}
	if refused := s.checkPollingLocked(); refused != nil {
		return refused
	}
	if s.phase != phaseOpen || !s.srv.hold() {
		return refuseSession
	}
	s.polling.probe = new(probe)
	return nil
}

// setProbe gives the probe its connection, and the time it may take.
func (s *Session) setProbe(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling.probe.nc = nc
	nc.SetDeadline(time.Now().Add(s.srv.cfg.UpgradeTimeout))
	if s.goneLocked() {
		s.polling.probe.wake()
	}
}

// goneLocked reports whether there is nothing left to take over.
func (s *Session) goneLocked() bool {
	return s.phase == phaseDone || (s.phase == phaseClosing && !s.polling.draining)
}

// freeProbe gives the place for an upgrade back: the next one need not wait until the websocket of this one is closed.
func (s *Session) freeProbe() {
	s.srv.tally.upgradesFailed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling.probe = nil
}

// runProbe is the goroutine of a websocket that began as an upgrade.
func (s *Session) runProbe(nc net.Conn, r *reader) {
	err := s.awaitUpgrade(nc, r)
	if err == nil && s.takeOver(nc) {
		s.srv.release()
		s.serve(r, s)
		return
	}
	s.freeProbe()
	defer s.srv.release()
	farewell(nc, r, err, s.srv.cfg.CloseTimeout)
}

// awaitUpgrade answers the probe and returns nil when the client has sent the upgrade packet.
func (s *Session) awaitUpgrade(nc net.Conn, r *reader) error {
	for {
		op, payload, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		switch {
		case op == opText && string(payload) == probePing:
			if _, err := nc.Write(probeAnswer); err != nil {
				return err
			}
			s.answeredProbe()
		case op == opText && len(payload) == 1 && payload[0] == packetUpgrade:
			return nil
		case op == opPing:
			if _, err := nc.Write(controlFrame(opPong, payload).Parts()[0].Frame()); err != nil {
				return err
			}
		case op == opPong:
		case op == opClose:
			code, err := parseClose(payload)
			if err != nil {
				return err
			}
			return &peerClose{code}
		default:
			return errNoUpgrade
		}
	}
}

// answeredProbe releases the poll that waits, for the client waits for it before it goes on.
func (s *Session) answeredProbe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling.probe.answered = true
	if s.ready != nil {
		s.wakePollLocked()
	}
}

// takeOver makes the websocket the session's transport, and reports false if there is no session any more. It returns
// when a post that was on its way has been handled, so that the next packet is the first of the websocket.
func (s *Session) takeOver(nc net.Conn) bool {
	s.mu.Lock()
	if s.goneLocked() {
		s.mu.Unlock()
		return false
	}
	posting := s.polling.posting
	s.polling, s.upgraded = nil, true
	nc.SetDeadline(time.Time{})
	s.attachLocked(nc)
	if s.ready != nil {
		s.wakePollLocked()
	}
	if s.phase == phaseClosing {
		s.srv.clock.stopLocked(&s.link)
		s.queue.push(s.srv.heart.last)
		s.bytes += s.srv.heart.last.Size()
		s.wakeReaderLocked()
	}
	if !s.queue.empty() {
		s.wakeWriterLocked(false)
	}
	s.mu.Unlock()
	s.srv.upgraded(&s.link)
	s.srv.tally.upgrades.Add(1)
	if posting != nil {
		<-posting
	}
	return true
}

// farewell ends a websocket that has no outbox: a close frame for err, then the wait for the client's.
func farewell(nc net.Conn, r *reader, err error, timeout time.Duration) {
	defer nc.Close()
	var frame *frameError
	var peer *peerClose
	code, answered := uint16(closeNoCode), false
	switch {
	case errors.As(err, &peer):
		code, answered = peer.code, true
	case errors.As(err, &frame):
		code = frame.code
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return
	}
	nc.SetDeadline(time.Now().Add(timeout))
	if _, err := nc.Write(closeFrame(code, "").Parts()[0].Frame()); err != nil || answered {
		return
	}
	for wellFormed := true; ; {
		if closed, err := r.discard(&wellFormed); closed || err != nil {
			return
		}
		if half, ok := nc.(interface{ CloseWrite() error }); ok && !wellFormed {
			half.CloseWrite() // the client's close frame cannot be found: its end is asked for, see waitEnd
		}
	}
}
