package engine

import (
	"sync"
	"time"
)

// clock runs the deadlines of all connections on one goroutine. Connections wait for a handful of durations (ping
// interval, ping timeout, close timeout), so there is one queue for each: whoever starts last is due last, starting and
// stopping cost the same however many wait, and nothing runs while nothing is due.
//
// A connection waits for one deadline at a time. Locks are taken in the order link.mu, clock.mu.
type clock struct {
	// Static after construction.
	base    time.Time
	quantum time.Duration // the least time between two rounds, so that many deadlines share one wake-up
	wake    chan struct{}

	mu sync.Mutex
	// mu guards the following.
	queues []*deadlines
	armed  time.Duration // when the goroutine wakes by itself, 0: it does not
}

// deadlines are the links that wait for the same duration, the first due first.
type deadlines struct {
	after      time.Duration
	head, tail *link
}

// waiting is a link's place in a queue. due is written with link.mu and clock.mu held, the rest with clock.mu.
type waiting struct {
	queue      *deadlines
	prev, next *link
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
func (c *clock) queue(after time.Duration) *deadlines {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		if q.after == after {
			return q
		}
	}
	q := &deadlines{after: after}
	c.queues = append(c.queues, q)
	return q
}

// startLocked makes l due q's duration after from, in place of what it waited for. l.mu is held.
func (c *clock) startLocked(l *link, q *deadlines, from time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.waiting.unlink()
	l.waiting.due = from + q.after
	q.insert(l)
	if q.head == l && (c.armed == 0 || l.waiting.due < c.armed) {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// stopLocked makes l wait for nothing. l.mu is held.
func (c *clock) stopLocked(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.waiting.unlink()
	l.waiting.due = 0
}

// insert puts l behind those due before it. That is the end of the queue, or a few places before it.
func (q *deadlines) insert(l *link) {
	after := q.tail
	for after != nil && after.waiting.due > l.waiting.due {
		after = after.waiting.prev
	}
	l.waiting.queue, l.waiting.prev = q, after
	if after == nil {
		l.waiting.next, q.head = q.head, l
	} else {
		l.waiting.next, after.waiting.next = after.waiting.next, l
	}
	if l.waiting.next == nil {
		q.tail = l
	} else {
		l.waiting.next.waiting.prev = l
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
	var due []*link
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
			for i, l := range due {
				l.expired(now)
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
func (c *clock) take(now time.Duration, list []*link) []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.queues {
		for l := q.head; l != nil && l.waiting.due <= now; l = q.head {
			l.waiting.unlink()
			list = append(list, l)
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
