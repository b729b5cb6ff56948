package engine

import (
	"net/http"
	"time"

	"signalbox/server/wire"
)

// StreamOptions are the choices for one stream.
type StreamOptions struct {
	// Header goes out with the response head, Content-Type included.
	Header http.Header
	// KeepAlive is sent whenever KeepAliveInterval has passed. Nil: nothing is.
	KeepAlive         *wire.Message
	KeepAliveInterval time.Duration
}

// Stream is an HTTP response that goes on: server-sent events. Nothing is read but its end.
type Stream struct{ link }

// Send queues a record, made with [wire.Raw], as [Session.Send] does.
func (st *Stream) endedLocked()               {}
func (st *Stream) Send(m *wire.Message) error { return ErrClosed }

// SendVolatile is [Session.SendVolatile].
func (st *Stream) SendVolatile(m *wire.Message) bool { return false }

// Close ends the stream after what is queued.
func (st *Stream) Close(reason Reason) {}

// RemoteAddr returns the client's address as [Config.ClientIP] told it.
func (st *Stream) RemoteAddr() string { return "" }

// OpenStream answers r with a response that has no end. closed is called once, when it has one after all. An error wraps
// [ErrRefused] and means that the request was answered with an error status.
func (s *Server) OpenStream(w http.ResponseWriter, r *http.Request, o StreamOptions, closed func(Reason)) (*Stream, error) {
	return nil, ErrRefused
}
