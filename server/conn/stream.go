package conn

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"time"

	"signalbox/server/wire"
)

// StreamOptions are the choices for one stream. A program uses a few fixed durations and messages, not one for each
// connection.
type StreamOptions struct {
	// KeepAlive is sent whenever KeepAliveInterval has passed. Nil or 0: nothing is.
	KeepAlive         *wire.Message
	KeepAliveInterval time.Duration
}

// maxStreamInput is how much a client may send on a stream, on which it has nothing to say.
const maxStreamInput = 64 * kiB

var errStreamInput = errors.New("data on a stream")

// Stream is an HTTP response that goes on: server-sent events. Nothing is read but its end. All methods may be called
// from any goroutine.
type Stream struct {
	c        Conn
	receiver closer // static after construction
}

// Send queues a record, made with [wire.Raw], as [WebSocket.Send] does.
func (st *Stream) Send(m *wire.Message) error { return st.c.Send(m, false) }

// SendVolatile is [WebSocket.SendVolatile].
func (st *Stream) SendVolatile(m *wire.Message) bool { return st.c.SendVolatile(m) }

// Close ends the stream after what is queued.
func (st *Stream) Close(reason Reason) { st.c.Shut(reason, nil) }

// Stream answers a request with 200, the headers of w and a body that has no end: it takes the connection over, so
// that a stream costs what a websocket costs. The receiver is told once, when the stream has ended; it may be [Named].
// Once Stream has returned without an error the request is over, and neither the response writer nor the request's
// context may be used. An error wraps [ErrRefused] and means that the request was answered with an error status, or
// that the client is gone.
func (p *Place) Stream(o StreamOptions, receiver interface{ Closed(reason Reason) }) (*Stream, error) {
	s := p.srv
	st := &Stream{receiver: receiver}
	st.c.clientDone = true // HTTP has no close handshake
	head := bytes.NewBufferString("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: ")
	head.WriteString(time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	takeOver := func() (taken, error) { return s.takeOver(p.w, head, nil) }
	reader, err := p.open(&st.c, (*streamOwner)(st), maxStreamInput, takeOver)
	if err != nil {
		return nil, err
	}
	s.tally.streamsOpened.Add(1)
	if o.KeepAlive != nil && o.KeepAliveInterval > 0 {
		st.c.StartHeartbeat(s.Heartbeat(HeartbeatOptions{Interval: o.KeepAliveInterval, Ping: o.KeepAlive}))
	}
	s.Spawn(func() { st.c.conclude(reader, st.watch(reader), false) })
	return st, nil
}

// watch reads until the stream ends. What the client sends is forgotten.
func (st *Stream) watch(r *Reader) error {
	for got := r.end; got <= maxStreamInput; got += r.end {
		r.start, r.end = 0, 0
		err := r.fill()
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && !st.c.mustEnd()) {
			return err
		}
	}
	return errStreamInput
}

// streamOwner is a [Stream] as its connection sees it. No messages come.
type streamOwner Stream

func (st *streamOwner) Message(bool, []byte) error { return nil }
func (st *streamOwner) Pong()                      {}
func (st *streamOwner) EndedLocked()               {}
func (st *streamOwner) Removed()                   {}

// Closed implements [Owner].
func (st *streamOwner) Closed(reason Reason) { st.c.TellClosed(st.receiver, reason) }

// Close implements [Owner].
func (st *streamOwner) Close(reason Reason) { (*Stream)(st).Close(reason) }
