package conn

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// flusher writes for the connections that were assigned to it. One that has something to write stands on its list
// once.
type flusher struct {
	// Static after construction.
	wake     chan struct{}
	counters counters

	mu sync.Mutex
	// mu guards the following.
	head, tail *Conn // by Conn.nextDirty
	length     int
}

// crowd is the length of a list from which a flusher lets others run before it writes: whoever has sent something to
// so many is likely not alone, and what the next ones send leaves in the same writes. 300 users that log in to one
// room at once, each of whom is announced to all others, cost a third of the CPU with it.
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

// push puts c at the end of the list. c.mu is held and c.queued was set.
func (f *flusher) push(c *Conn) {
	f.mu.Lock()
	first := f.head == nil
	if first {
		f.head = c
	} else {
		f.tail.nextDirty = c
	}
	f.tail = c
	f.length++
	f.mu.Unlock()
	if first {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// waiting returns how many connections stand on the list.
func (f *flusher) waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.length
}

// take empties the list.
func (f *flusher) take() *Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.head
	f.head, f.tail, f.length = nil, nil, 0
	return c
}

// run writes until stop is closed.
func (f *flusher) run(stop <-chan struct{}) {
	w := newWriter()
	for {
		if f.waiting() >= crowd {
			runtime.Gosched()
		}
		for c := f.take(); c != nil; {
			next := c.nextDirty
			c.nextDirty = nil
			if c.claim(&w.cursor) {
				w.flush(c)
			}
			c = next
		}
		select {
		case <-f.wake:
		case <-stop:
			return
		}
	}
}

// claim takes c off its flusher's list and what it has queued with it. It reports whether there is something to write.
func (c *Conn) claim(cur *cursor) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = false
	if c.writing || (c.queue.empty() && c.pong == nil) {
		return false
	}
	c.writing = true
	c.takeLocked(cur)
	return true
}
