package engine

import (
	"errors"
	"os"
	"runtime/debug"
	"time"
)

// sink is what a websocket delivers to: a [Session] or a [WebSocket].
type sink interface {
	// message takes a text or binary message. The error, usually a *frameError, ends the connection.
	message(op opcode, data []byte) error
	// wsPong takes a websocket pong frame.
	wsPong()
	// closed is called once, on the goroutine that reads, after the last message.
	closed(reason Reason)
}

// peerClose is the end of a connection by a close frame from the client.
type peerClose struct{ code uint16 }

func (*peerClose) Error() string { return "closed by the client" }

// serve reads messages until the connection ends, and ends it. It is the body of the goroutine that owns nc.
func (l *link) serve(r *reader, k sink) {
	err := l.read(r, k)
	if err == errRest {
		l.srv.spawn(func() { l.serve(r, k) })
		return
	}
	l.conclude(r, err, true, k.closed)
}

// errRest is returned by read to go on waiting on a goroutine with a new stack. Handling a message makes a stack grow,
// and the runtime does not shrink one below 4 KiB as long as the goroutine lives, where 2 are enough for waiting. So a
// connection that seems to become quiet takes a new goroutine: after its first messages, and after a pong. That is about
// a microsecond in a ping interval.
var errRest = errors.New("wait on a new goroutine")

// conclude ends a connection of which err is the end of reading. frames tells whether what may still come are websocket
// frames.
func (l *link) conclude(r *reader, err error, frames bool, closed func(Reason)) {
	reason, done := l.settle(err)
	if done {
		l.closeConn()
	}
	closed(reason)
	if !done {
		l.linger(r, frames && !lostTrack(err))
		l.abort(reason)
		l.closeConn()
	}
	r.release()
	l.srv.remove(l)
}

// read delivers messages until an error ends that.
func (l *link) read(r *reader, k sink) error {
	for {
		// Bytes that came with the handshake are there before the first fill.
		quiet, err := l.batch(r, k)
		if err != nil {
			return err
		}
		r.yield(l.srv)
		if quiet {
			return errRest
		}
		for {
			err := r.fill()
			if err == nil {
				break
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) || l.mustEnd() {
				return err
			}
		}
	}
}

// mustEnd reports whether a reader that was woken by its deadline has to stop.
func (l *link) mustEnd() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase != phaseOpen || l.broken
}

// batch handles all messages that have been read, then writes the answers. It reports whether the connection seems to
// become quiet.
func (l *link) batch(r *reader, k sink) (quiet bool, err error) {
	if r.start == r.end {
		return false, nil
	}
	l.beginBatch()
	var messages, bytes int
	defer func() {
		if p := recover(); p != nil {
			l.srv.cfg.Log.Error("panic while handling a message", "panic", p, "stack", string(debug.Stack()))
			err = &frameError{closeInternal, ReasonInternalError, "panic"}
		}
		counters := &l.flusher.counters
		counters.packetsIn.Add(uint64(messages))
		counters.bytesIn.Add(uint64(bytes))
		l.endBatch()
	}()
	for !l.ended.Load() {
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
		switch op {
		case opText, opBinary:
			if err := k.message(op, payload); err != nil {
				return false, err
			}
			if l.pressed.Load() {
				l.relieve()
			}
		case opPing:
			l.queuePong(payload)
		case opPong:
			k.wsPong()
		case opClose:
			code, err := parseClose(payload)
			if err != nil {
				return false, err
			}
			return false, &peerClose{code}
		}
	}
	return false, nil
}

// queuePong answers a websocket ping after the batch. Of several pings only the last is answered.
//
// Rule: RFC 6455 section 5.5.3.
func (l *link) queuePong(payload []byte) {
	pong := controlFrame(opPong, payload)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen && !l.broken {
		l.pong = pong
	}
}

// settle decides why the connection ends, unless that was decided before, and queues the close frame. done is set if
// nothing is left to be written or waited for.
func (l *link) settle(err error) (reason Reason, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var frame *frameError
	var peer *peerClose
	switch {
	case errors.As(err, &peer):
		l.peerDone = true
		if l.phase == phaseOpen { // else our close frame is on its way, and is the answer
			l.bytes -= l.queue.drop()
		}
		l.shutLocked(ReasonTransportClose, closeFrame(peer.code, ""))
	case errors.As(err, &frame):
		l.shutLocked(frame.reason, closeFrame(frame.code, ""))
	case errors.Is(err, os.ErrDeadlineExceeded) && l.broken:
		l.abortLocked(ReasonTransportError)
	case errors.Is(err, os.ErrDeadlineExceeded):
		// It was woken to end: the reason is there.
	default:
		l.abortLocked(ReasonTransportClose)
	}
	return l.reason, l.phase == phaseDone || l.broken
}

// linger waits until what is queued has left and the client has answered the close frame, within the close timeout.
//
// Rule: RFC 6455 section 7.1.1: what the client still sends is read, since closing a socket with unread data resets the
// connection, and the close frame with its code would be lost.
func (l *link) linger(r *reader, wellFormed bool) {
	deadline := time.Now().Add(l.srv.cfg.CloseTimeout)
	for l.waitEnd(deadline, wellFormed) {
		closed, err := r.discard(&wellFormed)
		if closed {
			l.mu.Lock()
			l.peerDone = true
			l.mu.Unlock()
			continue
		}
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline)) {
			return
		}
	}
}

// lostTrack reports whether err means that the frames after it cannot be told apart.
func lostTrack(err error) bool {
	frame := (*frameError)(nil)
	return errors.As(err, &frame) && (frame.code == closeProtocol || frame.code == closeTooBig || frame.code == closeInvalid)
}

// waitEnd reports whether there is something to wait for, and sets the deadline for it. Where the client's close frame
// cannot be found any more, its end is asked for by ending our side.
func (l *link) waitEnd(deadline time.Time, wellFormed bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	drained := l.drainedLocked()
	if l.phase == phaseDone || l.broken || (l.peerDone && drained) {
		return false
	}
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok && !wellFormed {
		if drained && !l.wroteEnd {
			half.CloseWrite() // the deadline covers a failure
		}
		l.endWrite, l.wroteEnd = !drained, drained
	}
	l.nc.SetReadDeadline(deadline)
	return true
}

// closeConn closes the connection. Of a client that does not read, the kernel's buffer is given up as well.
func (l *link) closeConn() {
	l.mu.Lock()
	nc, reason := l.nc, l.reason
	l.mu.Unlock()
	if tcp, ok := nc.(interface{ SetLinger(int) error }); ok && !reason.orderly() {
		tcp.SetLinger(0)
	}
	nc.Close()
}
