package conn

import (
	"sync"
	"time"
)

// clock runs the deadlines of all connections on one goroutine. Connections wait for a handful of durations (ping
// interval, ping timeout, close timeout), so there is one queue for each: whoever starts last is due last, starting
// and stopping cost the same however many wait, and nothing runs while nothing is due.
//
// A connection waits for one deadline at a time. Locks are taken in the order Conn.mu, clock.mu.
type clock struct {
	// Static after construction.
	base    time.Time
	quantum time.Duration // the least time between two rounds, so that many deadlines share one wake-up
	wake    chan struct{}

	mu sync.Mutex
	// mu guards the following.
	queues []*Deadlines
	armed  time.Duration // when the goroutine wakes by itself, 0: it does not
}

// Deadlines are the connections that wait for the same duration, the first due first.
type Deadlines struct {
	after      time.Duration
	head, tail *Conn
}

// waiting is a connection's place in a queue. due is written with Conn.mu and clock.mu held, the rest with clock.mu.
type waiting struct {
	queue      *Deadlines
	prev, next *Conn
	due        time.Duration // since clock.base
}

func newClock(shortest time.Duration) *clock {
	return &clock{
		base:    time.Now(),
		quantum: min(max(shortest/100, time.Millisecond), 20*time.Millisecond),
		wake:    make(chan struct{}, 1),
	}
}

// now returns the time since the clock was made.
func (c *clock) now() time.Duration { return time.Since(c.base) }

// queue returns the queue for a duration. Queues are never removed, so callers must not make durations up freely.
func (c *clock) queue(after time.Duration) *Deadlines {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		if q.after == after {
			return q
		}
	}
	q := &Deadlines{after: after}
	c.queues = append(c.queues, q)
	return q
}

// Deadlines returns the queue for a duration, see [Conn.ExpireLocked].
func (s *Server) Deadlines(after time.Duration) *Deadlines { return s.clock.queue(after) }

// startLocked makes conn due q's duration after from, in place of what it waited for. conn.mu is held.
func (c *clock) startLocked(conn *Conn, q *Deadlines, from time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.waiting.unlink()
	conn.waiting.due = from + q.after
	q.insert(conn)
	if q.head == conn && (c.armed == 0 || conn.waiting.due < c.armed) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// stopLocked makes conn wait for nothing. conn.mu is held.
func (c *clock) stopLocked(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.waiting.unlink()
	conn.waiting.due = 0
}

// insert puts conn behind those due before it. That is the end of the queue, or a few places before it.
func (q *Deadlines) insert(conn *Conn) {
	after := q.tail
	for after != nil && after.waiting.due > conn.waiting.due {
		after = after.waiting.prev
	}
	conn.waiting.queue, conn.waiting.prev = q, after
	if after == nil {
		conn.waiting.next, q.head = q.head, conn
	} else {
		conn.waiting.next, after.waiting.next = after.waiting.next, conn
	}
	if conn.waiting.next == nil {
		q.tail = conn
	} else {
		conn.waiting.next.waiting.prev = conn
	}
}

func (w *waiting) unlink() {
	q := w.queue
	if q == nil {
		return
	}
	if w.prev == nil {
		q.head = w.next
	} else {
		w.prev.waiting.next = w.next
	}
	if w.next == nil {
		q.tail = w.prev
	} else {
		w.next.waiting.prev = w.prev
	}
	w.queue, w.prev, w.next = nil, nil, nil
}

// run fires deadlines until stop is closed.
func (c *clock) run(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var due []*Conn
	last := -c.quantum // when the last round was
	for {
		select {
		case <-stop:
			return
		case <-c.wake:
		case <-timer.C:
			now := c.now()
			last = now
			due = c.take(now, due[:0])
			for i, conn := range due {
				conn.expired(now)
				due[i] = nil
			}
		}
		if wait, ok := c.arm(last + c.quantum); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
	}
}

// take unlinks what is due at now and appends it to list.
func (c *clock) take(now time.Duration, list []*Conn) []*Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		for conn := q.head; conn != nil && conn.waiting.due <= now; conn = q.head {
			conn.waiting.unlink()
			list = append(list, conn)
		}
	}
	return list
}

// arm returns how long to sleep until the next round, which is not before earliest.
func (c *clock) arm(earliest time.Duration) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = 0
	for _, q := range c.queues {
		if q.head != nil && (c.armed == 0 || q.head.waiting.due < c.armed) {
			c.armed = max(q.head.waiting.due, 1)
		}
	}
	if c.armed == 0 {
		return 0, false
	}
	c.armed = max(c.armed, earliest)
	return c.armed - c.now(), true
}
