package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// flusher writes for the links that were assigned to it. A link that has something to write stands on its list once.
type flusher struct {
	// Static after construction.
	wake     chan struct{}
	counters counters

	mu sync.Mutex
	// mu guards the following.
	head, tail *link // by link.nextDirty
	length     int
}

// crowd is the length of a list from which a flusher lets others run before it writes: whoever has sent something to so
// many is likely not alone, and what the next ones send leaves in the same writes. 300 users that log in to one room at
// once, each of whom is announced to all others, cost a third of the CPU with it.
const crowd = 32

// counters are the parts of [Stats] that busy goroutines write: each flusher has its own, so that they do not share
// cache lines.
type counters struct {
	packetsIn, bytesIn   atomic.Uint64
	packetsOut, bytesOut atomic.Uint64
	flushWrites          atomic.Uint64
	blockedWrites        atomic.Uint64
	volatileDropped      atomic.Uint64
}

func (c *counters) wrote(writes, messages, bytes int) {
	c.flushWrites.Add(uint64(writes))
	c.packetsOut.Add(uint64(messages))
	c.bytesOut.Add(uint64(bytes))
}

func newFlusher() *flusher {
	return &flusher{wake: make(chan struct{}, 1)}
}

// push puts l at the end of the list. l.mu is held and l.queued was set.
func (f *flusher) push(l *link) {
	f.mu.Lock()
	first := f.head == nil
	if first {
		f.head = l
	} else {
		f.tail.nextDirty = l
	}
	f.tail = l
	f.length++
	f.mu.Unlock()
	if first {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// waiting returns how many links stand on the list.
func (f *flusher) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.length
}

// take empties the list.
func (f *flusher) take() *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.head
	f.head, f.tail, f.length = nil, nil, 0
	return l
}

// run writes until stop is closed.
func (f *flusher) run(stop <-chan struct{}) {
	w := newWriter()
	for {
		if f.waiting() >= crowd {
			runtime.Gosched()
		}
		for l := f.take(); l != nil; {
			next := l.nextDirty
			l.nextDirty = nil
			if l.claim(&w.cursor) {
				w.flush(l)
			}
			l = next
		}
		select {
		case <-f.wake:
		case <-stop:
			return
		}
	}
}

// claim takes l off its flusher's list and what it has queued with it. It reports whether there is something to write.
func (l *link) claim(c *cursor) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued = false
	if l.writing || (l.queue.empty() && l.pong == nil) {
		return false
	}
	l.writing = true
	l.takeLocked(c)
	return true
}
