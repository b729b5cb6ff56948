package router

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/trace"
)

// A socket's queue holds so much. A client that sends more waits.
const (
	maxQueued      = 64
	maxQueuedBytes = 256 << 10
	eventBytes     = 64 // what an event counts for beside its own bytes
)

// session is one client. Its events for backends are handed over one at a time, on a goroutine that is there as long as there
// are some.
type session struct {
	// Static after construction.
	router  *Router
	space   *space
	socket  *Socket
	inner   app.Session // nil: the namespace has no handler of its own
	expires time.Time   // when the client's stay ends; zero: it does not
	expiry  *time.Timer // ends it
	user    string      // who came

	// Owned by the goroutine of the queue.
	seq uint64

	mu sync.Mutex
	// mu guards the following.
	queue   []queued
	bytes   int
	running bool
	room    chan struct{} // closed when the queue has room again; nil while nobody waits
	idle    chan struct{} // closed when no event is at a backend; nil while nobody waits
	left    bool          // reason says why, and who wants to know is told behind the last event
	reason  string
}

type queued struct {
	backend Backend
	event   Event
	ack     app.Acker
	span    *trace.Span
	size    int
}

// Event implements [app.Session]. It returns when the event is queued, so that what comes behind it and is for others does
// not wait.
func (s *session) Event(e *app.Event) {
	backend := s.space.owner(e.Name)
	switch {
	case backend != nil:
	case s.inner != nil:
		s.inner.Event(e)
		return
	default:
		s.router.counters.unknown.Add(1)
		e.Ack.Send(message.Refusal(errUnknown))
		return
	}
	if backend.Remote() {
		app.Charge(s.socket.Peer, app.WeightAsked)
	}
	q := queued{backend: backend, event: s.copied(e), ack: e.Ack, span: e.Span}
	e.Span = nil // it ends with the answer
	s.push(q)
}

// copied returns e as an event that outlives the buffer it was read into.
func (s *session) copied(e *app.Event) Event {
	size := len(e.RawName)
	for _, arg := range e.Args {
		size += len(arg)
	}
	own := append(make([]byte, 0, size), e.RawName...)
	out := Event{Socket: s.socket, Name: e.Name, RawName: own, Args: make([]json.RawMessage, len(e.Args)), Ack: e.Ack.Wanted()}
	for i, arg := range e.Args {
		from := len(own)
		own = append(own, arg...)
		out.Args[i] = own[from:len(own):len(own)]
	}
	for _, b := range e.Attachments {
		out.Attachments = append(out.Attachments, bytes.Clone(b))
	}
	return out
}

// push queues an event, and waits where there is no room for it and the client has not left.
func (s *session) push(q queued) {
	q.size = eventBytes + len(q.event.RawName)
	for _, arg := range q.event.Args {
		q.size += len(arg)
	}
	for _, b := range q.event.Attachments {
		q.size += len(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && (len(s.queue) >= maxQueued || s.bytes+q.size > maxQueuedBytes) {
		if s.room == nil {
			s.room = make(chan struct{})
			s.router.counters.full.Add(1)
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-s.socket.gone:
		}
		s.mu.Lock()
		if s.left || isClosed(s.socket.gone) {
			return
		}
	}
	s.queue = append(s.queue, q)
	s.bytes += q.size
	s.workLocked()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close implements [app.Session]. What the client sent before it left is still handed over.
func (s *session) Close(reason string) {
	if s.expiry != nil {
		s.expiry.Stop()
	}
	if s.inner != nil {
		s.inner.Close(reason)
	}
	s.router.o.Occupancy.userLeft(s.socket.Peer.Namespace(), s.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.reason = true, reason
	if s.space.leaver != nil || len(s.queue) > 0 {
		s.workLocked()
	}
}

// workLocked has a goroutine look after the queue.
func (s *session) workLocked() {
	if !s.running {
		s.running = true
		s.router.queues.Go(s.work)
	}
}

// work hands events over until there are none, then tells that the client has left, where it has.
func (s *session) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.queue = nil
			left := s.left
			s.running = left // so nobody else tells it
			if s.idle != nil {
				close(s.idle)
				s.idle = nil
			}
			s.mu.Unlock()
			if left && s.space.leaver != nil {
				s.tellLeft()
			}
			return
		}
		q := s.queue[0]
		s.queue[0] = queued{}
		s.queue = s.queue[1:]
		s.bytes -= q.size
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
		s.mu.Unlock()
		s.hand(&q)
	}
}

// hand gives one event to its backend, and carries out what that answers.
func (s *session) hand(q *queued) {
	s.seq++
	q.event.Seq = s.seq
	q.event.ID = s.socket.Peer.ID() + "." + strconv.FormatUint(s.seq, 10)
	q.event.Taken = time.Now()
	result, err := s.call(q)
	s.router.counters.observe(time.Since(q.event.Taken), err)
	defer q.span.End()
	if err != nil {
		q.span.Fail(fault(err))
		if u := (*Unanswered)(nil); errors.As(err, &u) && u.Unsent {
			s.seq-- // the backend sees no gap
		}
		if q.ack.Wanted() {
			q.ack.Send(message.Refusal(publicError(err)))
		}
		return
	}
	s.router.apply(s.socket, result, q.ack)
}

// call calls the backend. A panic there is the handler's, and fails this event alone.
func (s *session) call(q *queued) (result *Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.router.counters.panics.Add(1)
			s.router.o.Log.Error("a handler panicked", "namespace", s.socket.Peer.Namespace(), "sid", s.socket.Peer.ID(),
				"event", q.event.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = &Failure{"internal error"}
		}
	}()
	return q.backend.Event(q.span.In(s.router.ctx), &q.event)
}
