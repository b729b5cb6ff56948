package conn

import (
	"time"

	"signalbox/server/wire"
)

// This file is for an owner whose client fetches what is queued by request, until it goes on by websocket: its
// connection has no net.Conn meanwhile.

// AwaitLocked registers a request that waits for messages, and returns what wakes it. nil: another one waits already.
func (c *Conn) AwaitLocked() chan struct{} {
	if c.ready != nil {
		return nil
	}
	c.ready = make(chan struct{}, 1)
	if !c.queue.empty() || c.phase != phaseOpen {
		c.WakeLocked()
	}
	return c.ready
}

// WaitsLocked reports whether a request waits.
func (c *Conn) WaitsLocked() bool { return c.ready != nil }

// WakeLocked makes the request that waits, if one does, look again.
func (c *Conn) WakeLocked() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// StopWaitingLocked ends AwaitLocked.
func (c *Conn) StopWaitingLocked() { c.ready = nil }

// NextLocked takes the first message of those that are queued; nil: there is none. Its size counts as queued until
// Fetched.
func (c *Conn) NextLocked() *wire.Message {
	if c.queue.empty() {
		return nil
	}
	return c.queue.pop()
}

// QueuedLocked returns how many bytes are queued, and whether a message is: what is on its way counts as bytes.
func (c *Conn) QueuedLocked() (bytes int, any bool) { return c.bytes, !c.queue.empty() }

// Fetched takes bytes that have reached the client off the outbox.
func (c *Conn) Fetched(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes = max(0, c.bytes-bytes)
	c.resumeLocked()
}

// OpenLocked reports whether the connection takes messages.
func (c *Conn) OpenLocked() bool { return c.phase == phaseOpen }

// DoneLocked reports whether nothing is written any more.
func (c *Conn) DoneLocked() bool { return c.phase == phaseDone }

// ReasonLocked returns why the connection has ended.
func (c *Conn) ReasonLocked() Reason { return c.reason }

// HasConnLocked reports whether messages leave by a net.Conn.
func (c *Conn) HasConnLocked() bool { return c.nc != nil }

// DropLocked forgets what is queued. With done nothing is written any more either.
func (c *Conn) DropLocked(done bool) {
	c.bytes -= c.queue.drop()
	if done {
		c.phase = phaseDone
	}
}

// ExpireLocked gives a connection that is ending the time of q, after which it is done.
func (c *Conn) ExpireLocked(q *Deadlines) { c.srv.clock.startLocked(c, q, c.srv.clock.now()) }

// CheckPongLocked does what the clock is about to do: a ping timeout may be over already.
func (c *Conn) CheckPongLocked() {
	if now := c.srv.clock.now(); c.unanswered && c.dueLocked(now) {
		c.fireLocked(now)
	}
}

// SwitchLocked gives the connection a websocket, by which everything leaves from now on. The request that waits is
// woken. Where the connection is ending, last goes out behind what is queued.
func (c *Conn) SwitchLocked(p *Pending, last *wire.Message) {
	p.SetDeadline(time.Time{})
	c.attachLocked(p.nc, p.deflate)
	c.WakeLocked()
	if c.phase == phaseClosing {
		c.srv.clock.stopLocked(c)
		c.queue.push(last)
		c.bytes += last.Size()
		c.wakeReaderLocked()
	}
	if !c.queue.empty() {
		c.wakeWriterLocked(false)
	}
}

// Switched tells that a connection takes one file descriptor from now on.
func (c *Conn) Switched() {
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.conns[c]; ok {
		s.descriptors -= int(c.descriptors) - 1
		c.descriptors = 1
	}
}

// Remove takes a connection off the books that has ended without a net.Conn. Otherwise [Conn.Serve] sees to that.
func (c *Conn) Remove() { c.srv.remove(c) }
