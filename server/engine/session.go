package engine

import (
	"signalbox/server/wire"
)

// Receiver is what a connection delivers to. Calls come one at a time and in order, on the goroutine that reads: the
// next packet waits until the call returns.
type Receiver interface {
	// Text takes one message without its leading packet type. data is valid until Text returns. An error ends the
	// connection with [ReasonParseError].
	Text(data []byte) error
	// Binary takes one binary message, under the same conditions.
	Binary(data []byte) error
	// Closed is called once, after the last Text or Binary. No lock of the engine is held.
	Closed(reason Reason)
}

// Session is one Engine.IO client. All methods may be called from any goroutine.
type Session struct {
	id string
}

// ID returns the session id: 20 characters that nobody can guess.
func (s *Session) ID() string { return s.id }

// Send queues a message. Its text parts begin with the packet type, "4". It never blocks and never writes. It returns
// [ErrClosed] once the session has ended, and [ErrSlowClient] if this message does not fit the outbox, which ends the
// session.
func (s *Session) Send(m *wire.Message) error { return ErrClosed }

// Reply is Send for an answer to the packet being handled: if the reader is at work, the message waits until it has
// handled what has arrived, and leaves with the other answers in one write.
func (s *Session) Reply(m *wire.Message) error { return ErrClosed }

// SendVolatile queues a message if it would leave at once, else drops it. It reports whether it was queued.
func (s *Session) SendVolatile(m *wire.Message) bool { return false }

// Writable reports whether [Session.SendVolatile] would take a message now.
func (s *Session) Writable() bool { return false }

// Close ends the session. What is queued still leaves, within [Config.CloseTimeout]. It returns at once; closing twice
// is harmless.
func (s *Session) Close(reason Reason) {}

// Transport returns how packets travel now.
func (s *Session) Transport() Transport { return Polling }

// Upgraded reports whether the session began with polling and went on to a websocket.
func (s *Session) Upgraded() bool { return false }

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (s *Session) RemoteAddr() string { return "" }

// Request returns what is kept of the request that opened the session.
func (s *Session) Request() *Request { return nil }
