package handlers

import (
	"sync"
	"time"
)

// beater is called at intervals by a [beat], on the goroutine of a timer. It must be quick, and returns whether it wants
// to be called again.
type beater interface{ beat() bool }

// beat calls many beaters at the same interval, each counted from when it came, with one timer for all and none without
// beaters. Since the interval is the same, the one that waited longest is always the next.
type beat struct {
	// Static after construction.
	interval time.Duration

	mu sync.Mutex
	// mu guards the following.
	first, last *beatEntry
	timer       *time.Timer
}

// beatEntry is a beater's place. It is guarded by beat.mu.
type beatEntry struct {
	who        beater
	due        time.Time
	prev, next *beatEntry
	in         bool
}

func newBeat(interval time.Duration) *beat { return &beat{interval: interval} }

// add has who called, the first time after one interval. e must not be in another beat.
func (b *beat) add(e *beatEntry, who beater) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.who = who
	e.due = time.Now().Add(b.interval)
	b.pushLocked(e)
	b.setLocked()
}

// remove ends the calls for e. One that is under way may still come. An entry that is not there is no error.
func (b *beat) remove(e *beatEntry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.in {
		b.unlinkLocked(e)
		b.setLocked()
	}
}

func (b *beat) pushLocked(e *beatEntry) {
	e.in, e.prev, e.next = true, b.last, nil
	if b.last == nil {
		b.first = e
	} else {
		b.last.next = e
	}
	b.last = e
}

func (b *beat) unlinkLocked(e *beatEntry) {
	if e.prev == nil {
		b.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		b.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = false, nil, nil
}

// setLocked sets the timer for the first entry.
func (b *beat) setLocked() {
	switch {
	case b.first == nil:
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(time.Until(b.first.due), b.run)
	default:
		b.timer.Reset(time.Until(b.first.due))
	}
}

// run calls those who are due. It runs on the timer's goroutine.
func (b *beat) run() {
	for {
		b.mu.Lock()
		e := b.first
		now := time.Now()
		if e == nil || e.due.After(now) {
			b.setLocked()
			b.mu.Unlock()
			return
		}
		b.unlinkLocked(e)
		// By what was due, so that nobody drifts; by the clock where the machine slept through a beat. The list stays
		// in order.
		if e.due = e.due.Add(b.interval); e.due.Before(now) {
			e.due = now.Add(b.interval)
		}
		if b.last != nil && e.due.Before(b.last.due) {
			e.due = b.last.due
		}
		b.pushLocked(e)
		who := e.who
		b.mu.Unlock()
		if !who.beat() {
			b.remove(e)
		}
	}
}
