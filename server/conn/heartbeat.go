package conn

import (
	"time"

	"signalbox/server/wire"
)

// HeartbeatOptions are the choices for the heartbeat of connections of one kind. A program uses a few, not one for
// each connection.
//
// Rule: the server pings, and ends a connection whose pong does not come in time ([heartbeat]). Where there is no Ping the
// client pings, and is ended when it has not for Timeout.
//
// [heartbeat]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#heartbeat
type HeartbeatOptions struct {
	Interval time.Duration // until the next ping
	Timeout  time.Duration // until the pong; 0: none is expected
	Ping     *wire.Message // what is sent; nil: nothing is
	Last     *wire.Message // what is sent after a ping timeout
	Patient  bool          // what arrives while a pong is due starts the timeout again, once
}

// Heartbeat is shared by all connections with the same choices.
type Heartbeat struct {
	HeartbeatOptions
	interval, timeout *Deadlines
}

// Heartbeat returns the heartbeat for o.
func (s *Server) Heartbeat(o HeartbeatOptions) *Heartbeat {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.heartbeats[o]
	if h == nil {
		h = &Heartbeat{o, s.clock.queue(o.Interval), s.clock.queue(o.Timeout)}
		s.heartbeats[o] = h
	}
	return h
}

// StartHeartbeat makes the first ping due.
func (c *Conn) StartHeartbeat(h *Heartbeat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heartbeat = h
	if c.phase == phaseOpen {
		c.beatLocked()
	}
}

// beatLocked begins the time until the next ping.
func (c *Conn) beatLocked() {
	due := c.heartbeat.interval
	if c.unanswered = c.heartbeat.Ping == nil; c.unanswered { // it is the client's turn at once
		c.extended, due = true, c.heartbeat.timeout
	}
	c.srv.clock.startLocked(c, due, c.srv.clock.now())
}

// expired is called by the clock when c is due.
func (c *Conn) expired(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dueLocked(now) {
		c.fireLocked(now)
	}
}

// dueLocked reports whether what c waits for is due. The clock may come late: c may wait for something else by now.
func (c *Conn) dueLocked(now time.Duration) bool {
	return c.waiting.due != 0 && c.waiting.due <= now
}

// fireLocked does what is due.
func (c *Conn) fireLocked(now time.Duration) {
	due := c.waiting.due
	c.srv.clock.stopLocked(c) // a request that comes before the clock finds c still in its queue
	switch {
	case c.phase == phaseClosing:
		c.AbortLocked(c.reason) // a client that polls did not fetch what was left for it
	case c.phase == phaseDone:
	case c.unanswered && c.reading && !c.pausing:
		// The pong may be behind the packet that is with the receiver: a slow receiver is not a client that has gone.
		// One that sends so much more than it may that the pong is far behind it is.
		c.srv.clock.startLocked(c, c.heartbeat.timeout, now)
	case c.unanswered:
		c.ShutLocked(ReasonPingTimeout, c.heartbeat.Last)
	case c.sendLocked(c.heartbeat.Ping, false) != nil:
	case c.heartbeat.Timeout == 0:
		c.srv.clock.startLocked(c, c.heartbeat.interval, now)
	default:
		c.unanswered, c.extended = true, false
		c.srv.clock.startLocked(c, c.heartbeat.timeout, due)
	}
}

// heardLocked is called when something has arrived. On a slow uplink a pong comes behind what was sent before it.
//
// Rule: as the reference implementation does, the ping timeout begins again once.
func (c *Conn) heardLocked() {
	if c.unanswered && !c.extended && c.phase == phaseOpen && c.heartbeat.Patient {
		c.extended = true
		c.srv.clock.startLocked(c, c.heartbeat.timeout, c.srv.clock.now())
	}
}

// GotPong takes an answer to a ping, or the ping of a client that is to send them. One that nobody asked for is ignored, as
// the reference implementation does.
func (c *Conn) GotPong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unanswered && c.phase == phaseOpen {
		c.beatLocked()
	}
}
