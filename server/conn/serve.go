package conn

import (
	"errors"
	"os"
	"time"
)

// clientClose is the end of a connection by a close frame from the client.
type clientClose struct{ code uint16 }

func (*clientClose) Error() string { return "closed by the client" }

// closedBy returns the end that the payload of a close frame means.
func closedBy(payload []byte) error {
	code, err := parseClose(payload)
	if err != nil {
		return err
	}
	return &clientClose{code}
}

// Serve reads messages until the connection ends, and ends it. It is the body of the goroutine that owns nc.
func (c *Conn) Serve(r *Reader) {
	err := c.read(r)
	if err == errRest {
		c.srv.Spawn(func() { c.Serve(r) })
		return
	}
	c.conclude(r, err, true)
}

// errRest is returned by read to go on waiting on a goroutine with a new stack. Handling a message makes a stack grow,
// and the runtime does not shrink one below 4 KiB as long as the goroutine lives, where 2 are enough for waiting. So a
// connection that seems to become quiet takes a new goroutine: after its first messages, and after a pong. That is
// about a microsecond in a ping interval.
var errRest = errors.New("wait on a new goroutine")

// conclude ends a connection of which err is the end of reading. frames tells whether what may still come are
// websocket frames.
func (c *Conn) conclude(r *Reader, err error, frames bool) {
	reason, done := c.settle(err)
	if done {
		c.closeConn()
	}
	c.owner.Closed(reason)
	if !done {
		c.linger(r, frames && !lostTrack(err))
		c.Abort(reason)
		c.closeConn()
	}
	r.release()
	c.srv.remove(c)
}

// read delivers messages until an error ends that.
func (c *Conn) read(r *Reader) error {
	for {
		// Bytes that came with the handshake are there before the first fill.
		quiet, err := c.batch(r)
		if err != nil {
			return err
		}
		r.yield(c.srv)
		if quiet {
			return errRest
		}
		for {
			err := r.fill()
			if err == nil {
				break
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || c.mustEnd() {
				return err
			}
		}
	}
}

// mustEnd reports whether a reader that was woken by its deadline has to stop.
func (c *Conn) mustEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase != phaseOpen || c.broken
}

// batch handles all messages that have been read, then writes the answers. It reports whether the connection seems to
// become quiet.
func (c *Conn) batch(r *Reader) (quiet bool, err error) {
	if r.start == r.end {
		return false, nil
	}
	c.BeginBatch()
	var messages, bytes int
	defer func() {
		err = c.EndBatch(messages, bytes, recover(), err)
	}()
	for !c.ended.Load() {
		op, payload, ok, err := r.next()
		if err != nil {
			return false, err
		}
		if !ok {
			quiet = r.start == r.end && (!r.begun || (messages == 1 && bytes <= 1))
			r.begun = r.begun || quiet
			return quiet, nil
		}
		messages++
		bytes += len(payload)
		if r.inflater != nil {
			c.inflated += r.inflater.gain
		}
		switch op {
		case opText, opBinary:
			if err := c.owner.Message(op == opBinary, payload); err != nil {
				return false, err
			}
			c.AwaitDrain()
		case opPing:
			c.queuePong(payload)
		case opPong:
			c.owner.Pong()
		case opClose:
			return false, closedBy(payload)
		}
	}
	return false, nil
}

// queuePong answers a websocket ping after the batch. Of several pings only the last is answered.
//
// Rule: RFC 6455 section 5.5.3.
func (c *Conn) queuePong(payload []byte) {
	pong := controlFrame(opPong, payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseOpen && !c.broken {
		c.pong = pong
	}
}

// settle decides why the connection ends, unless that was decided before, and queues the close frame. done is set if
// nothing is left to be written or waited for.
func (c *Conn) settle(err error) (reason Reason, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var fault *Fault
	var closed *clientClose
	switch {
	case errors.As(err, &closed):
		c.clientDone = true
		if c.phase == phaseOpen { // else our close frame is on its way, and is the answer
			c.clientLeft = closed.code == closeNormal || closed.code == closeGoingAway || closed.code == CloseNoCode
			c.bytes -= c.queue.drop()
		}
		c.ShutLocked(ReasonTransportClose, CloseFrame(closed.code, ""))
	case errors.As(err, &fault):
		c.ShutLocked(fault.Reason, CloseFrame(fault.Code, ""))
	case errors.Is(err, os.ErrDeadlineExceeded) && c.broken:
		c.AbortLocked(ReasonTransportError)
	case errors.Is(err, os.ErrDeadlineExceeded):
		// It was woken to end: the reason is there.
	default:
		c.AbortLocked(ReasonTransportClose)
	}
	return c.reason, c.phase == phaseDone || c.broken
}

// linger waits until what is queued has left and the client has answered the close frame, within the close timeout.
//
// Rule: RFC 6455 section 7.1.1: what the client still sends is read, since closing a socket with unread data resets
// the connection, and the close frame with its code would be lost.
func (c *Conn) linger(r *Reader, wellFormed bool) {
	deadline := time.Now().Add(c.srv.cfg.CloseTimeout)
	for c.waitEnd(deadline, wellFormed) {
		closed, err := r.discard(&wellFormed)
		if closed {
			c.mu.Lock()
			c.clientDone = true
			c.mu.Unlock()
			continue
		}
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline)) {
			return
		}
	}
}

// lostTrack reports whether err means that the frames after it cannot be told apart.
func lostTrack(err error) bool {
	fault := (*Fault)(nil)
	return errors.As(err, &fault) && (fault.Code == closeProtocol || fault.Code == closeTooBig || fault.Code == closeInvalid)
}

// waitEnd reports whether there is something to wait for, and sets the deadline for it. Where the client's close frame
// cannot be found any more, its end is asked for by ending our side.
func (c *Conn) waitEnd(deadline time.Time, wellFormed bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	drained := c.drainedLocked()
	if c.phase == phaseDone || c.broken || (c.clientDone && drained) {
		return false
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && !wellFormed {
		if drained && !c.wroteEnd {
			half.CloseWrite() // the deadline covers a failure
		}
		c.endWrite, c.wroteEnd = !drained, drained
	}
	c.nc.SetReadDeadline(deadline)
	return true
}

// closeConn closes the connection. Of a client that does not read, the kernel's buffer is given up as well.
func (c *Conn) closeConn() {
	c.mu.Lock()
	nc, reason := c.nc, c.reason
	c.mu.Unlock()
	if tcp, ok := nc.(interface{ SetLinger(int) error }); ok && !reason.orderly() {
		tcp.SetLinger(0)
	}
	nc.Close()
}
