package engine

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"signalbox/server/wire"
)

// volatileBytes is how much may be queued for a client that is still called ready for volatile messages: about what one
// write takes.
const volatileBytes = 16 * kiB

// longAgo is a deadline that wakes whoever reads or writes a connection.
var longAgo = time.Unix(1, 0)

// phase is how far a connection has come.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // takes no more messages; what is queued leaves
	phaseDone          // nothing is written any more
)

// owner is whose connection a link is.
type owner interface {
	// endedLocked is called when the link leaves phaseOpen, and again if it reaches phaseDone later. link.mu is held.
	endedLocked()

	Close(reason Reason)
	RemoteAddr() string
}

// link is the outgoing side of a connection and its state: part of every [Session], [WebSocket] and [Stream].
//
// Whoever writes to nc has set writing: a flusher, the reader, or the goroutine that finishes a blocked write. So there
// is one of them at a time. What is appended meanwhile is written by the same one, or goes to the flusher afterwards.
type link struct {
	// Static after construction.
	srv     *Server
	owner   owner
	flusher *flusher

	ended   atomic.Bool // phase is not phaseOpen any more
	pressed atomic.Bool // the answers of a batch fill the outbox

	// Guarded by clock.mu.
	waiting waiting

	// Guarded by flusher.mu.
	nextDirty *link

	// Guarded by Server.mu, once the link is registered.
	descriptors int // that it may take

	mu sync.Mutex
	// mu guards the following.
	nc       net.Conn        // nil while a session is polling
	raw      syscall.RawConn // nil when nc is not a kernel socket
	ready    chan struct{}   // wakes the poll that waits, nil: none does
	queue    queue
	pong     *wire.Message // the answer to the last websocket ping; goes out before the queue
	bytes    int           // queued or being written
	phase    phase
	reason   Reason
	queued   bool // on the flusher's list
	writing  bool // somebody writes
	blocked  bool // and found the kernel's buffer full
	reading  bool // the reader is in a batch of packets, and flushes after it
	broken   bool // a write failed
	peerDone bool // the client has closed its side, or there is no close handshake
	endWrite bool // the reader waits for the end of writing to close this side
	wroteEnd bool // this side is closed

	relief  chan struct{} // closed when a reader that waits in relieve or pause should look again, nil: none does
	pausing bool          // the reader is in pause

	heart      *heart // nil: none
	unanswered bool   // a ping is
	extended   bool   // and its timeout has begun again
}

func (l *link) init(s *Server, o owner) {
	l.srv, l.owner, l.flusher, l.descriptors = s, o, s.nextFlusher(), 1
}

// attachLocked gives the link its connection.
func (l *link) attachLocked(nc net.Conn) {
	l.nc, l.raw = nc, rawConn(nc)
}

// send queues m. With batched set it may stay until the reader is through with what has arrived.
func (l *link) send(m *wire.Message, batched bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sendLocked(m, batched)
}

func (l *link) sendLocked(m *wire.Message, batched bool) error {
	if l.phase != phaseOpen || l.broken {
		return ErrClosed
	}
	if l.bytes > 0 && l.bytes+m.Size() > l.srv.cfg.OutboxBytes {
		l.abortLocked(ReasonSlowClient)
		return ErrSlowClient
	}
	l.queue.push(m)
	l.bytes += m.Size()
	if l.reading && l.bytes > l.srv.pressureBytes {
		l.pressed.Store(true)
	}
	l.wakeWriterLocked(batched)
	return nil
}

// sendVolatile queues m if it is about to leave at once.
func (l *link) sendVolatile(m *wire.Message) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen {
		return false
	}
	if !l.writableLocked() {
		l.flusher.counters.volatileDropped.Add(1)
		return false
	}
	return l.sendLocked(m, false) == nil
}

func (l *link) writable() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.writableLocked()
}

func (l *link) writableLocked() bool {
	if l.phase != phaseOpen || l.broken || l.blocked || l.bytes > volatileBytes {
		return false
	}
	return l.nc != nil || l.ready != nil
}

// wakeWriterLocked sees to it that what is queued gets written.
func (l *link) wakeWriterLocked(batched bool) {
	switch {
	case l.nc == nil:
		if l.ready != nil && !(batched && l.reading) {
			l.wakePollLocked()
		}
	case l.queued || l.writing || (batched && l.reading):
	default:
		l.queued = true
		l.flusher.push(l)
	}
}

func (l *link) wakePollLocked() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// beginBatch tells that the reader starts to handle packets.
func (l *link) beginBatch() {
	l.mu.Lock()
	l.reading = true
	l.heardLocked()
	l.mu.Unlock()
}

// endBatch writes what the handlers of a batch have queued, on the goroutine of the reader.
func (l *link) endBatch() {
	l.mu.Lock()
	l.reading = false
	switch {
	case l.queue.empty() && l.pong == nil:
		l.mu.Unlock()
	case l.nc == nil || !l.directLocked() || l.queued || l.writing:
		l.wakeWriterLocked(false)
		l.mu.Unlock()
	default:
		w := writers.Get().(*writer)
		l.writing = true
		l.takeLocked(&w.cursor)
		l.mu.Unlock()
		w.flush(l)
		writers.Put(w)
	}
}

// directLocked reports whether writing to nc never waits.
func (l *link) directLocked() bool {
	_, secure := l.nc.(*secureConn)
	return l.raw != nil || secure
}

// shut ends the connection in order: nothing more is taken, what is queued leaves, then last (nil: nothing).
func (l *link) shut(reason Reason, last *wire.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shutLocked(reason, last)
}

func (l *link) shutLocked(reason Reason, last *wire.Message) {
	if l.phase != phaseOpen {
		return
	}
	l.phase, l.reason = phaseClosing, reason
	l.ended.Store(true)
	l.srv.clock.stopLocked(l)
	if last != nil && l.nc != nil && !l.broken {
		l.queue.push(last)
		l.bytes += last.Size()
	}
	l.wakeWriterLocked(false)
	l.wakeReaderLocked()
	l.relieveLocked()
	l.owner.endedLocked()
}

// abort ends the connection at once: what is queued is dropped and nothing is written any more.
func (l *link) abort(reason Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abortLocked(reason)
}

func (l *link) abortLocked(reason Reason) {
	if l.phase == phaseDone {
		return
	}
	open := l.phase == phaseOpen
	l.phase = phaseDone
	l.queue.drop()
	l.pong = nil
	if !l.writing {
		l.bytes = 0
	}
	if l.nc != nil {
		l.nc.SetDeadline(longAgo) // wakes the reader and a blocked writer; the reader closes
	} else if l.ready != nil {
		l.wakePollLocked()
	}
	l.srv.clock.stopLocked(l)
	if open {
		l.reason = reason
		l.ended.Store(true)
	}
	l.relieveLocked()
	l.owner.endedLocked()
}

// wakeReaderLocked makes the reader look at the phase.
func (l *link) wakeReaderLocked() {
	if l.nc != nil {
		l.nc.SetReadDeadline(longAgo)
	}
}

// drainedLocked reports whether nothing is left to write.
func (l *link) drainedLocked() bool {
	return l.phase == phaseDone || l.broken || (!l.writing && l.queue.empty() && l.pong == nil)
}
