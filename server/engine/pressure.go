package engine

import (
	"runtime"
	"time"
)

// reliefWait bounds how long one message holds up the next. The client is served on even if others keep its outbox full.
const reliefWait = time.Second

// relieve is called by the reader, between two messages of a batch, when the outbox has filled: the answers to what has
// been read must leave before more are made. So a client that asks for much at once is held up and not cut for being
// slow, which it had no chance not to be.
func (l *link) relieve() {
	l.endBatch()
	timeout := time.NewTimer(reliefWait)
	defer timeout.Stop()
	for waiting := true; waiting; {
		l.mu.Lock()
		if waiting = l.pressureLocked(); !waiting {
			l.mu.Unlock()
			break
		}
		if l.relief == nil {
			l.relief = make(chan struct{})
		}
		relief := l.relief
		l.mu.Unlock()
		select {
		case <-relief:
		case <-timeout.C:
			waiting = false
		}
	}
	l.pressed.Store(false)
	l.beginBatch()
}

// pause holds the reader up for d, for a client that sends more than it may. What it was answered leaves meanwhile. A client
// that has gone does not stay until all it has sent is worked off: the ping timeout counts meanwhile, and a write that
// fails or gone, which may be nil, ends the connection. pause reports whether the connection is still open.
func (l *link) pause(d time.Duration, gone <-chan struct{}) bool {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	ended := make(chan struct{})
	l.mu.Lock()
	if !l.queue.empty() {
		l.wakeWriterLocked(false)
	}
	l.pausing, l.relief = true, ended
	l.relieveLocked()
	l.mu.Unlock()
	left := false
	select {
	case <-timeout.C:
	case <-ended:
	case <-gone:
		left = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pausing, l.relief = false, nil
	if left || l.broken {
		l.abortLocked(ReasonTransportError)
	}
	return l.phase == phaseOpen
}

// pressureLocked reports whether there is something to wait for in relieve or pause.
func (l *link) pressureLocked() bool {
	return l.phase == phaseOpen && !l.broken && (l.pausing || l.bytes > l.srv.pressureBytes)
}

// relieveLocked wakes a reader that waits in relieve or pause, if there is nothing to wait for any more.
func (l *link) relieveLocked() {
	if l.relief != nil && !l.pressureLocked() {
		close(l.relief)
		l.relief = nil
	}
}

// yieldBatches is how many batches a reader handles without waiting before it lets the flusher run.
const yieldBatches = 8

// yield lets the flusher run if it shares the only processor with a reader whose client keeps sending. Such a reader never
// waits, and what it relays would pile up in the outboxes of others.
func (r *reader) yield(s *Server) {
	if r.busy >= yieldBatches && len(s.flushers) == 1 && s.flushers[0].waiting() > 0 {
		r.busy = 0
		runtime.Gosched()
	}
}
