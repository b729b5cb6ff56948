package engine

import (
	"errors"
	"os"
	"sync"
	"time"
)

// scratchBytes is how much one write gathers: 500 messages of a chat. Larger frames are written where they are.
const scratchBytes = 64 * kiB

// writer is what writing takes: a buffer, and one non-blocking attempt on a descriptor. Each flusher has one, others
// borrow one.
type writer struct {
	scratch [scratchBytes]byte

	// cursor is what is being written.
	cursor cursor

	attempt
}

var writers = sync.Pool{New: func() any { return newWriter() }}

func newWriter() *writer {
	w := new(writer)
	w.init()
	return w
}

// flush writes w.cursor, which the caller has taken from l after setting l.writing. On return that is clear again, or a
// goroutine goes on.
func (w *writer) flush(l *link) {
	c := &w.cursor
	raw := l.raw // it and nc do not change once there is something to write
	secure, _ := l.nc.(*secureConn)
	if raw == nil && secure == nil {
		l.finish(c)
		return
	}
	var bytes, messages, writes int
	var err error
	blocked := false
	for c.head != nil && !blocked && err == nil {
		piece := c.gather(w.scratch[:])
		var n int
		if secure == nil {
			n, err = w.write(raw, piece)
			blocked = n < len(piece)
		} else {
			n, blocked, err = secure.tryWrite(piece)
		}
		writes++
		bytes += n
		messages += c.advance(n)
	}
	counters := &l.flusher.counters
	counters.wrote(writes, messages, bytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.writeFailedLocked(c, err)
	case blocked:
		counters.blockedWrites.Add(1)
		l.bytes -= bytes
		l.blocked = true
		l.finishLocked(c)
	default:
		l.wroteLocked(bytes)
	}
}

// takeLocked moves all that is to be written now to c.
func (l *link) takeLocked(c *cursor) {
	*c = cursor{queue: l.queue.take()}
	if l.pong != nil {
		c.pushFront(l.pong)
		l.bytes += l.pong.Size()
		l.pong = nil
	}
}

// wroteLocked ends a write that left nothing over.
func (l *link) wroteLocked(bytes int) {
	l.bytes -= bytes
	l.writing, l.blocked = false, false
	if l.phase == phaseDone {
		l.bytes = 0
		return
	}
	l.relieveLocked()
	if !l.queue.empty() || l.pong != nil {
		l.wakeWriterLocked(false)
		return
	}
	l.drainingLocked()
}

// drainingLocked wakes the reader if it waits for nothing but the end of writing.
func (l *link) drainingLocked() {
	if l.phase == phaseClosing && (l.peerDone || l.endWrite) {
		l.wakeReaderLocked()
	}
}

// writeFailedLocked ends writing for good. The reader is left to find the end of the connection itself: what the client
// sent before it left may still be unread.
func (l *link) writeFailedLocked(c *cursor, err error) {
	c.drop()
	l.queue.drop()
	l.pong = nil
	l.bytes = 0
	l.writing, l.blocked = false, false
	if l.phase == phaseDone {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.abortLocked(ReasonWriteTimeout)
		return
	}
	l.broken = true
	l.relieveLocked()
	if l.phase == phaseClosing {
		l.wakeReaderLocked()
		return
	}
	l.nc.SetReadDeadline(time.Now().Add(l.srv.cfg.CloseTimeout))
}

// finish goes on with a write on a goroutine of its own, until nothing is queued any more. It takes over what c holds.
func (l *link) finish(c *cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finishLocked(c)
}

func (l *link) finishLocked(c *cursor) {
	rest := new(cursor)
	*rest, *c = *c, cursor{}
	l.srv.spawn(func() { l.writeBlocking(rest) })
}

// writeBlocking writes c and what is queued after it. A write may take as long as it makes progress.
func (l *link) writeBlocking(c *cursor) {
	scratch := readBuffers.Get().(*[readBytes]byte) // small: there may be as many of these as slow clients
	defer readBuffers.Put(scratch)
	if secure, ok := l.nc.(*secureConn); ok && !l.progress(c, 0, secure.drain()) {
		return
	}
	for more := true; more; more = l.again(c) {
		for c.head != nil {
			piece := c.gather(scratch[:])
			l.nc.SetWriteDeadline(time.Now().Add(l.srv.cfg.WriteTimeout))
			n, err := l.nc.Write(piece)
			l.flusher.counters.wrote(1, c.advance(n), n)
			if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
			if !l.progress(c, n, err) {
				return
			}
		}
	}
}

// progress accounts for n bytes written, and reports whether there is a reason to go on.
func (l *link) progress(c *cursor, n int, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= n
	if err == nil && l.phase != phaseDone {
		l.relieveLocked()
		return true
	}
	if err == nil {
		err = ErrClosed
	}
	l.writeFailedLocked(c, err)
	return false
}

// again takes what was queued meanwhile, or gives writing back to the flusher.
func (l *link) again(c *cursor) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseDone || (l.queue.empty() && l.pong == nil) {
		if l.phase != phaseDone {
			l.nc.SetWriteDeadline(time.Time{})
		}
		l.wroteLocked(0)
		return false
	}
	l.takeLocked(c)
	return true
}
