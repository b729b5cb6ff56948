package conn

import (
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"signalbox/server/wire"
)

// volatileBytes is how much may be queued for a client that is still called ready for volatile messages: about what
// one write takes.
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

// Owner is what a connection belongs to and delivers to: an Engine.IO session, a [WebSocket], a [Stream].
type Owner interface {
	// Message takes a text or binary message, valid until it returns. The error, usually a [*Fault], ends the
	// connection.
	Message(binary bool, data []byte) error
	// Pong takes a websocket pong frame.
	Pong()
	// Closed is called once, on the goroutine that reads, after the last message.
	Closed(reason Reason)
	// EndedLocked is called when the connection takes no more messages, and again if later nothing is written any
	// more. The connection is locked.
	EndedLocked()
	// Removed is called when the connection is not counted any more. The server is locked.
	Removed()
	// Close ends the connection after what is queued.
	Close(reason Reason)
}

// Conn is the outgoing side of a connection and its state: part of every [WebSocket], [Stream] and Engine.IO session.
// Its lock may guard fields of its owner as well.
//
// Whoever writes to nc has set writing: a flusher, the reader, or the goroutine that finishes a blocked write. So
// there is one of them at a time. What is appended meanwhile is written by the same one, or goes to the flusher
// afterwards.
type Conn struct {
	// Static after construction.
	srv     *Server
	owner   Owner
	flusher *flusher
	addr    string // of the client

	ended        atomic.Bool // phase is not phaseOpen any more
	backpressure atomic.Bool // the answers of a batch fill the outbox
	deflates     atomic.Bool // the client takes compressed messages

	// Owned by the reader. See [Conn.Inflated].
	inflated int

	// Guarded by clock.mu.
	waiting waiting

	// Guarded by flusher.mu.
	nextDirty *Conn

	mu sync.Mutex
	// mu guards the following.
	nc     net.Conn        // nil while a session is polling
	raw    syscall.RawConn // nil when nc is not a kernel socket
	ready  chan struct{}   // wakes the poll that waits, nil: none does
	queue  queue
	pong   *wire.Message // the answer to the last websocket ping; goes out before the queue
	bytes  int           // queued or being written
	got    received
	resume chan struct{} // closed when a reader that waits in awaitDrain or Pause should look again, nil: none does

	heartbeat *Heartbeat // nil: none

	phase      phase
	reason     Reason
	queued     bool // on the flusher's list
	writing    bool // somebody writes
	blocked    bool // and found the kernel's buffer full
	reading    bool // the reader is in a batch of packets, and flushes after it
	broken     bool // a write failed
	clientDone bool // the client has closed its side, or there is no close handshake
	clientLeft bool // it did so first, as one that has done
	endWrite   bool // the reader waits for the end of writing to close this side
	wroteEnd   bool // this side is closed
	pausing    bool // the reader is in Pause

	unanswered bool // a ping is
	extended   bool // and its timeout has begun again

	// Guarded by Server.mu, once the connection is registered.
	descriptors uint8 // that it may take
}

func (c *Conn) init(s *Server, o Owner, addr string, descriptors uint8) {
	c.srv, c.owner, c.flusher, c.addr, c.descriptors = s, o, s.nextFlusher(), addr, descriptors
}

// Lock locks the connection, and what of its owner is guarded with it. No method without Locked in its name may be
// called then.
func (c *Conn) Lock() { c.mu.Lock() }

// Unlock ends Lock.
func (c *Conn) Unlock() { c.mu.Unlock() }

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (c *Conn) RemoteAddr() string { return c.addr }

// attachLocked gives the connection what it writes to.
func (c *Conn) attachLocked(nc net.Conn, deflate bool) {
	c.nc, c.raw = nc, rawConn(nc)
	c.deflates.Store(deflate)
}

// form returns m as the client gets it.
func (c *Conn) form(m *wire.Message) *wire.Message {
	if c.deflates.Load() {
		return m.Deflated(c.srv.deflater)
	}
	return m
}

// Send queues m. With batched set it may stay until the reader is through with what has arrived.
func (c *Conn) Send(m *wire.Message, batched bool) error {
	m = c.form(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sendLocked(m, batched)
}

func (c *Conn) sendLocked(m *wire.Message, batched bool) error {
	if c.phase != phaseOpen || c.broken {
		return ErrClosed
	}
	if c.bytes > 0 && c.bytes+m.Size() > c.srv.OutboxBytes() {
		c.AbortLocked(ReasonSlowClient)
		return ErrSlowClient
	}
	c.queue.push(m)
	c.bytes += m.Size()
	if c.reading && c.bytes > c.srv.backpressureBytes() {
		c.backpressure.Store(true)
	}
	c.wakeWriterLocked(batched)
	return nil
}

// SendVolatile queues m if it is about to leave at once.
func (c *Conn) SendVolatile(m *wire.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseOpen {
		return false
	}
	if !c.writableLocked() {
		c.flusher.counters.volatileDropped.Add(1)
		return false
	}
	return c.sendLocked(c.form(m), false) == nil
}

// Writable reports whether [Conn.SendVolatile] would take a message now.
func (c *Conn) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writableLocked()
}

func (c *Conn) writableLocked() bool {
	if c.phase != phaseOpen || c.broken || c.blocked || c.bytes > volatileBytes {
		return false
	}
	return c.nc != nil || c.ready != nil
}

// wakeWriterLocked sees to it that what is queued gets written.
func (c *Conn) wakeWriterLocked(batched bool) {
	switch {
	case c.nc == nil:
		if !(batched && c.reading) {
			c.WakeLocked()
		}
	case c.queued || c.writing || (batched && c.reading):
	default:
		c.queued = true
		c.flusher.push(c)
	}
}

// Ended reports whether the connection takes no more messages.
func (c *Conn) Ended() bool { return c.ended.Load() }

// BeginBatch tells that the reader starts to handle packets. What they are answered with waits for EndBatch, as far as
// it is sent batched.
func (c *Conn) BeginBatch() {
	c.mu.Lock()
	c.reading = true
	c.heardLocked()
	c.mu.Unlock()
}

// EndBatch ends a batch of so many packets and bytes and writes the answers, on this goroutine. panicked is what the
// reader has recovered: it is logged, and ends the connection. EndBatch returns err, or the fault that stands for the
// panic.
func (c *Conn) EndBatch(packets, bytes int, panicked any, err error) error {
	if panicked != nil {
		c.srv.cfg.Log.Error("panic while handling a message", "panic", panicked, "stack", string(debug.Stack()))
		err = &Fault{closeInternal, ReasonInternalError, "panic"}
	}
	counters := &c.flusher.counters
	counters.packetsIn.Add(uint64(packets))
	counters.bytesIn.Add(uint64(bytes))
	c.endBatch(packets, bytes)
	return err
}

// endBatch counts what was received and writes what the handlers of a batch have queued, on the goroutine of the
// reader.
func (c *Conn) endBatch(packets, bytes int) {
	c.mu.Lock()
	c.got.packets += uint32(packets)
	c.got.bytes += uint32(bytes)
	c.reading = false
	switch {
	case c.queue.empty() && c.pong == nil:
		c.mu.Unlock()
	case c.nc == nil || !c.directLocked() || c.queued || c.writing:
		c.wakeWriterLocked(false)
		c.mu.Unlock()
	default:
		w := writers.Get().(*writer)
		c.writing = true
		c.takeLocked(&w.cursor)
		c.mu.Unlock()
		w.flush(c)
		writers.Put(w)
	}
}

// directLocked reports whether writing to nc never waits.
func (c *Conn) directLocked() bool {
	_, secure := c.nc.(*secureConn)
	return c.raw != nil || secure
}

// Shut ends the connection in order: nothing more is taken, what is queued leaves, then last (nil: nothing).
func (c *Conn) Shut(reason Reason, last *wire.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ShutLocked(reason, last)
}

// ShutLocked is Shut.
func (c *Conn) ShutLocked(reason Reason, last *wire.Message) {
	if c.phase != phaseOpen {
		return
	}
	c.phase, c.reason = phaseClosing, reason
	c.ended.Store(true)
	c.srv.clock.stopLocked(c)
	if last != nil && c.nc != nil && !c.broken {
		c.queue.push(last)
		c.bytes += last.Size()
	}
	c.wakeWriterLocked(false)
	c.wakeReaderLocked()
	c.resumeLocked()
	c.owner.EndedLocked()
}

// Abort ends the connection at once: what is queued is dropped and nothing is written any more.
func (c *Conn) Abort(reason Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.AbortLocked(reason)
}

// AbortLocked is Abort.
func (c *Conn) AbortLocked(reason Reason) {
	if c.phase == phaseDone {
		return
	}
	open := c.phase == phaseOpen
	c.phase = phaseDone
	c.queue.drop()
	c.pong = nil
	if !c.writing {
		c.bytes = 0
	}
	if c.nc != nil {
		c.nc.SetDeadline(longAgo) // wakes the reader and a blocked writer; the reader closes
	} else {
		c.WakeLocked()
	}
	c.srv.clock.stopLocked(c)
	if open {
		c.reason = reason
		c.ended.Store(true)
	}
	c.resumeLocked()
	c.owner.EndedLocked()
}

// wakeReaderLocked makes the reader look at the phase.
func (c *Conn) wakeReaderLocked() {
	if c.nc != nil {
		c.nc.SetReadDeadline(longAgo)
	}
}

// drainedLocked reports whether nothing is left to write.
func (c *Conn) drainedLocked() bool {
	return c.phase == phaseDone || c.broken || (!c.writing && c.queue.empty() && c.pong == nil)
}
