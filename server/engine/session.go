package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/wire"
)

// Receiver is what a connection delivers to. Calls come one at a time and in order, on the goroutine that reads: the
// next packet waits until the call returns.
type Receiver interface {
	// Text takes one message without its leading packet type. data is valid until Text returns. An error ends a
	// [Session] with [ReasonForcedClose], a [WebSocket] with [ReasonParseError].
	Text(data []byte) error
	// Binary takes one binary message, under the same conditions.
	Binary(data []byte) error
	// Closed is called once, after the last Text or Binary. No lock of the engine is held.
	Closed(reason Reason)
}

// Named may be implemented by a [Receiver]: the log then names its client where the connection is cut.
type Named interface {
	// Names returns the id by which the client knows itself, and its user; "" for what is not known. It is called before
	// Closed.
	Names() (id, user string)
}

// Session is one Engine.IO client. All methods may be called from any goroutine.
type Session struct {
	link // mu of which guards polling

	// Static after construction.
	id       string
	addr     string
	request  *Request
	receiver Receiver

	// deliver is held while a packet that came by polling is with the receiver: what ends such a session is not
	// the goroutine that reads.
	deliver sync.Mutex

	// polling is the state of a session that polls, nil once it goes on by websocket.
	polling  *polling
	upgraded bool
	told     bool // the receiver knows, or is about to, that the session has ended

	textOnly atomic.Bool // the client takes no binary frames
}

// ID returns the session id: 20 characters that nobody can guess.
func (s *Session) ID() string { return s.id }

// Send queues a message. Its text parts begin with the packet type, "4". It never blocks and never writes. It returns
// [ErrClosed] once the session has ended, and [ErrSlowClient] if this message does not fit the outbox, which ends the
// session. A message larger than the outbox is taken when nothing else is queued.
func (s *Session) Send(m *wire.Message) error { return s.send(s.inText(m), false) }

// Reply is Send for an answer to the packet being handled: if the reader is at work, the message waits until it has
// handled what has arrived, and leaves with the other answers in one write.
func (s *Session) Reply(m *wire.Message) error { return s.send(s.inText(m), true) }

// Pause is for a receiver whose client sends more than it may: it takes d, or less if the session ends, and lets what Reply
// holds back leave. The receiver is not taken to be busy meanwhile: a pong that is not read within the ping timeout is
// missing. It reports whether the session is still open.
func (s *Session) Pause(d time.Duration) bool {
	s.mu.Lock()
	var gone <-chan struct{}
	if s.polling != nil {
		gone = s.polling.gone
	}
	s.mu.Unlock()
	return s.pause(d, gone)
}

// SendVolatile queues a message if the client is ready for it, else drops it: a client that polls is ready while a poll
// waits, one with a websocket unless it reads too slowly. It reports whether the message was queued.
func (s *Session) SendVolatile(m *wire.Message) bool { return s.sendVolatile(s.inText(m)) }

// Writable reports whether [Session.SendVolatile] would take a message now.
func (s *Session) Writable() bool { return s.writable() }

// Close ends the session. What is queued still leaves, within [Config.CloseTimeout]. It returns at once; closing twice
// is harmless.
func (s *Session) Close(reason Reason) { s.shut(reason, s.srv.heart.last) }

// Transport returns how packets travel now.
func (s *Session) Transport() Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nc == nil {
		return Polling
	}
	return WebSocketTransport
}

// Upgraded reports whether the session began with polling and went on to a websocket.
func (s *Session) Upgraded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upgraded
}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (s *Session) RemoteAddr() string { return s.addr }

// Request returns what is kept of the request that opened the session.
func (s *Session) Request() *Request { return s.request }
