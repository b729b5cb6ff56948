package conn

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

// flush writes w.cursor, which the caller has taken from l after setting l.writing. On return that is clear again, or
// a goroutine goes on.
func (w *writer) flush(l *Conn) {
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
func (c *Conn) takeLocked(cur *cursor) {
	*cur = cursor{queue: c.queue.take()}
	if c.pong != nil {
		cur.pushFront(c.pong)
		c.bytes += c.pong.Size()
		c.pong = nil
	}
}

// wroteLocked ends a write that left nothing over.
func (c *Conn) wroteLocked(bytes int) {
	c.bytes -= bytes
	c.writing, c.blocked = false, false
	if c.phase == phaseDone {
		c.bytes = 0
		return
	}
	c.resumeLocked()
	if !c.queue.empty() || c.pong != nil {
		c.wakeWriterLocked(false)
		return
	}
	c.drainingLocked()
}

// drainingLocked wakes the reader if it waits for nothing but the end of writing.
func (c *Conn) drainingLocked() {
	if c.phase == phaseClosing && (c.clientDone || c.endWrite) {
		c.wakeReaderLocked()
	}
}

// writeFailedLocked ends writing for good. The reader is left to find the end of the connection itself: what the
// client sent before it left may still be unread.
func (c *Conn) writeFailedLocked(cur *cursor, err error) {
	cur.drop()
	c.queue.drop()
	c.pong = nil
	c.bytes = 0
	c.writing, c.blocked = false, false
	if c.phase == phaseDone {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.AbortLocked(ReasonWriteTimeout)
		return
	}
	c.broken = true
	c.resumeLocked()
	if c.phase == phaseClosing {
		c.wakeReaderLocked()
		return
	}
	c.nc.SetReadDeadline(time.Now().Add(c.srv.cfg.CloseTimeout))
}

// finish goes on with a write on a goroutine of its own, until nothing is queued any more. It takes over what c holds.
func (c *Conn) finish(cur *cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(cur)
}

func (c *Conn) finishLocked(cur *cursor) {
	rest := new(cursor)
	*rest, *cur = *cur, cursor{}
	c.srv.Spawn(func() { c.writeBlocking(rest) })
}

// writeBlocking writes c and what is queued after it. A write may take as long as it makes progress.
func (c *Conn) writeBlocking(cur *cursor) {
	scratch := readBuffers.Get().(*[readBytes]byte) // small: there may be as many of these as slow clients
	defer readBuffers.Put(scratch)
	if secure, ok := c.nc.(*secureConn); ok && !c.progress(cur, 0, secure.drain()) {
		return
	}
	for more := true; more; more = c.again(cur) {
		for cur.head != nil {
			piece := cur.gather(scratch[:])
			c.nc.SetWriteDeadline(time.Now().Add(c.srv.cfg.WriteTimeout))
			n, err := c.nc.Write(piece)
			c.flusher.counters.wrote(1, cur.advance(n), n)
			if n > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
			if !c.progress(cur, n, err) {
				return
			}
		}
	}
}

// progress accounts for n bytes written, and reports whether there is a reason to go on.
func (c *Conn) progress(cur *cursor, n int, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes -= n
	if err == nil && c.phase != phaseDone {
		c.resumeLocked()
		return true
	}
	if err == nil {
		err = ErrClosed
	}
	c.writeFailedLocked(cur, err)
	return false
}

// again takes what was queued meanwhile, or gives writing back to the flusher.
func (c *Conn) again(cur *cursor) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseDone || (c.queue.empty() && c.pong == nil) {
		if c.phase != phaseDone {
			c.nc.SetWriteDeadline(time.Time{})
		}
		c.wroteLocked(0)
		return false
	}
	c.takeLocked(cur)
	return true
}
