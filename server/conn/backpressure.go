package conn

import (
	"runtime"
	"time"
)

// drainWait bounds how long one message holds up the next. The client is served on even if others keep its outbox
// full.
const drainWait = time.Second

// AwaitDrain is called by the reader, between two messages of a batch. Where the outbox has filled, it waits: the
// answers to what has been read must leave before more are made. So a client that asks for much at once is held up and
// not cut for being slow, which it had no chance not to be.
func (c *Conn) AwaitDrain() {
	if c.backpressure.Load() {
		c.awaitDrain()
	}
}

func (c *Conn) awaitDrain() {
	c.endBatch(0, 0)
	timeout := time.NewTimer(drainWait)
	defer timeout.Stop()
	for waiting := true; waiting; {
		c.mu.Lock()
		if waiting = c.heldUpLocked(); !waiting {
			c.mu.Unlock()
			break
		}
		if c.resume == nil {
			c.resume = make(chan struct{})
		}
		resume := c.resume
		c.mu.Unlock()
		select {
		case <-resume:
		case <-timeout.C:
			waiting = false
		}
	}
	c.backpressure.Store(false)
	c.BeginBatch()
}

// Pause holds the reader up for d, for a client that sends more than it may. What it was answered leaves meanwhile. A
// client that has gone does not stay until all it has sent is worked off: the ping timeout counts meanwhile, and a
// write that fails or gone, which may be nil, ends the connection. It reports whether the connection is still open.
func (c *Conn) Pause(d time.Duration, gone <-chan struct{}) bool {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	ended := make(chan struct{})
	c.mu.Lock()
	if !c.queue.empty() {
		c.wakeWriterLocked(false)
	}
	c.pausing, c.resume = true, ended
	c.resumeLocked()
	c.mu.Unlock()
	left := false
	select {
	case <-timeout.C:
	case <-ended:
	case <-gone:
		left = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pausing, c.resume = false, nil
	if left || c.broken {
		c.AbortLocked(ReasonTransportError)
	}
	return c.phase == phaseOpen
}

// heldUpLocked reports whether there is something to wait for in awaitDrain or Pause.
func (c *Conn) heldUpLocked() bool {
	return c.phase == phaseOpen && !c.broken && (c.pausing || c.bytes > c.srv.backpressureBytes())
}

// resumeLocked wakes a reader that waits in awaitDrain or Pause, if there is nothing to wait for any more.
func (c *Conn) resumeLocked() {
	if c.resume != nil && !c.heldUpLocked() {
		close(c.resume)
		c.resume = nil
	}
}

// yieldBatches is how many batches a reader handles without waiting before it lets the flusher run.
const yieldBatches = 8

// yield lets the flusher run if it shares the only processor with a reader whose client keeps sending. Such a reader
// never waits, and what it relays would pile up in the outboxes of others.
func (r *Reader) yield(s *Server) {
	if r.busy >= yieldBatches && len(s.flushers) == 1 && s.flushers[0].waiting() > 0 {
		r.busy = 0
		runtime.Gosched()
	}
}
