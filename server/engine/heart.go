package engine

import (
	"time"

	"signalbox/server/wire"
)

// heart is the heartbeat that connections of one kind share.
//
// Rule: the server pings, and ends a connection whose pong does not come in time ([heartbeat]).
//
// [heartbeat]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#heartbeat
type heart struct {
	interval *deadlines    // until the next ping
	timeout  *deadlines    // until the pong; nil: none is expected
	ping     *wire.Message // what is sent
	last     *wire.Message // what is sent after a ping timeout
	patient  bool          // what arrives while a pong is due starts the timeout again, once
}

// beat tells apart the hearts of plain websockets and streams.
type beat struct {
	interval, timeout time.Duration
	message           *wire.Message // nil: a websocket ping
}

// wsPing is the ping of plain websockets.
var wsPing = controlFrame(opPing, nil)

// heartOf returns the heart for b, which all connections with the same choices share.
func (s *Server) heartOf(b beat) *heart {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hearts[b]
	if h != nil {
		return h
	}
	h = &heart{interval: s.clock.queue(b.interval), ping: b.message}
	if b.message == nil {
		h.ping, h.last = wsPing, closeFrame(closeCode(ReasonPingTimeout), ReasonPingTimeout.String())
		h.timeout = s.clock.queue(b.timeout)
	}
	s.hearts[b] = h
	return h
}

// startHeartLocked makes the first ping due.
func (l *link) startHeartLocked(h *heart) {
	l.heart = h
	if l.phase == phaseOpen {
		l.srv.clock.startLocked(l, h.interval, l.srv.clock.now())
	}
}

// expired is called by the clock when l is due.
func (l *link) expired(now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dueLocked(now) {
		l.beatLocked(now)
	}
}

// dueLocked reports whether what l waits for is due. The clock may come late: l may wait for something else by now.
func (l *link) dueLocked(now time.Duration) bool {
	return l.waiting.due != 0 && l.waiting.due <= now
}

func (l *link) beatLocked(now time.Duration) {
	due := l.waiting.due
	l.srv.clock.stopLocked(l) // a request that comes before the clock finds l still in its queue
	switch {
	case l.phase == phaseClosing:
		l.abortLocked(l.reason) // a client that polls did not fetch what was left for it
	case l.phase == phaseDone:
	case l.unanswered && l.reading && !l.pausing:
		// The pong may be behind the packet that is with the receiver: a slow receiver is not a client that has gone. One
		// that sends so much more than it may that the pong is far behind it is.
		l.srv.clock.startLocked(l, l.heart.timeout, now)
	case l.unanswered:
		l.shutLocked(ReasonPingTimeout, l.heart.last)
	case l.sendLocked(l.heart.ping, false) != nil:
	case l.heart.timeout == nil:
		l.srv.clock.startLocked(l, l.heart.interval, now)
	default:
		l.unanswered, l.extended = true, false
		l.srv.clock.startLocked(l, l.heart.timeout, due)
	}
}

// heardLocked is called when something has arrived. On a slow uplink a pong comes behind what was sent before it.
//
// Rule: as the reference implementation does, the ping timeout begins again once.
func (l *link) heardLocked() {
	if l.unanswered && !l.extended && l.phase == phaseOpen && l.heart.patient {
		l.extended = true
		l.srv.clock.startLocked(l, l.heart.timeout, l.srv.clock.now())
	}
}

// gotPong takes an answer to a ping. One that nobody asked for is ignored, as the reference implementation does.
func (l *link) gotPong() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unanswered && l.phase == phaseOpen {
		l.unanswered = false
		l.srv.clock.startLocked(l, l.heart.interval, l.srv.clock.now())
	}
}
