package engine

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/conn"
	"signalbox/server/engine/eio3"
	"signalbox/server/wire"
)

// Transport is how a session's packets travel now.
type Transport uint8

const (
	// Polling is HTTP long-polling.
	Polling Transport = iota
	// WebSocketTransport is a websocket, from the beginning or after an upgrade.
	WebSocketTransport
)

// String returns the name that the transport has in the query of a request.
func (t Transport) String() string {
	if t == Polling {
		return "polling"
	}
	return "websocket"
}

// Session is one Engine.IO client. All methods may be called from any goroutine.
type Session struct {
	c conn.Conn

	// Static after construction.
	srv      *Server
	id       string
	request  *Request
	receiver conn.Receiver
	eio3     bool // it speaks Engine.IO 3, see package eio3

	// deliver is held while a packet that came by polling is with the receiver: what ends such a session is not
	// the goroutine that reads.
	deliver sync.Mutex

	// The lock of c guards the following, but textOnly.
	polling  *polling    // of a session that polls, nil once it goes on by websocket
	textOnly atomic.Bool // the client takes no binary frames
	upgraded bool
	told     bool // the receiver knows, or is about to, that the session has ended
}

// ID returns the session id: 20 characters that nobody can guess.
func (s *Session) ID() string { return s.id }

// Send queues a message. Its text parts begin with the packet type, "4". It never blocks and never writes. It returns
// [conn.ErrClosed] once the session has ended, and [conn.ErrSlowClient] if this message does not fit the outbox, which
// ends the session. A message larger than the outbox is taken when nothing else is queued.
func (s *Session) Send(m *wire.Message) error { return s.c.Send(s.outgoing(m), false) }

// Reply is Send for an answer to the packet being handled: if the reader is at work, the message waits until it has
// handled what has arrived, and leaves with the other answers in one write.
func (s *Session) Reply(m *wire.Message) error { return s.c.Send(s.outgoing(m), true) }

// Pause is for a receiver whose client sends more than it may: it takes d, or less if the session ends, and lets what
// Reply holds back leave. The receiver is not taken to be busy meanwhile: a pong that is not read within the ping
// timeout is missing. It reports whether the session is still open.
func (s *Session) Pause(d time.Duration) bool {
	s.c.Lock()
	var gone <-chan struct{}
	if s.polling != nil {
		gone = s.polling.gone
	}
	s.c.Unlock()
	return s.c.Pause(d, gone)
}

// Inflated tells by how much compressed messages have grown, see [conn.Conn.Inflated].
func (s *Session) Inflated() int { return s.c.Inflated() }

// SendVolatile queues a message if the client is ready for it, else drops it: a client that polls is ready while a
// poll waits, one with a websocket unless it reads too slowly. It reports whether the message was queued.
func (s *Session) SendVolatile(m *wire.Message) bool { return s.c.SendVolatile(s.outgoing(m)) }

// Writable reports whether [Session.SendVolatile] would take a message now.
func (s *Session) Writable() bool { return s.c.Writable() }

// Close ends the session. What is queued still leaves, within [conn.Config.CloseTimeout]. It returns at once; closing
// twice is harmless.
func (s *Session) Close(reason conn.Reason) { s.c.Shut(reason, lastFrame) }

// Abort ends the connection without waiting for the client, which is known to be elsewhere.
func (s *Session) Abort(reason conn.Reason) { s.c.Abort(reason) }

// Transport returns how packets travel now.
func (s *Session) Transport() Transport {
	s.c.Lock()
	defer s.c.Unlock()
	if s.c.HasConnLocked() {
		return WebSocketTransport
	}
	return Polling
}

// Upgraded reports whether the session began with polling and went on to a websocket.
func (s *Session) Upgraded() bool {
	s.c.Lock()
	defer s.c.Unlock()
	return s.upgraded
}

// EIO3 reports whether the client speaks Engine.IO 3.
func (s *Session) EIO3() bool { return s.eio3 }

// RemoteAddr returns the client's address as [conn.Config.ClientIP] told it.
func (s *Session) RemoteAddr() string { return s.c.RemoteAddr() }

// Request returns what is kept of the request that opened the session.
func (s *Session) Request() *Request { return s.request }

// packet takes one text packet, from either transport.
func (s *Session) packet(data []byte) error {
	if len(data) == 0 {
		return errPacket
	}
	switch data[0] {
	case packetMessage:
		return refused(s.receiver.Text(data[1:]))
	case packetBinary:
		content, err := decodeBinary(nil, data[1:])
		if err != nil {
			return errPacket
		}
		return refused(s.receiver.Binary(content))
	case packetPing, packetPong:
		return s.beat(data[0])
	case packetClose:
		return errClosing
	case packetOpen, packetUpgrade, packetNoop:
		return nil // they say nothing to an open session
	default:
		return errPacket
	}
}

// beat takes a ping or a pong: version 3 has the client ping.
func (s *Session) beat(packet byte) error {
	if s.eio3 != (packet == packetPing) {
		return errWrongWay
	}
	s.c.GotPong()
	if s.eio3 {
		_ = s.c.Send(pong, true) // an ended connection is told through Closed
	}
	return nil
}

// refused turns a receiver's error into ours: what it says is the receiver's affair.
func refused(err error) error {
	if err != nil {
		return errReceiver
	}
	return nil
}

func (s *Session) tellClosed(reason conn.Reason) {
	s.c.TellClosed(s.receiver, reason, slog.String("sid", s.id))
}

// Names implements [conn.Named].
func (o *owner) Names() (id, user string) {
	if named, ok := o.receiver.(conn.Named); ok {
		return named.Names()
	}
	return "", ""
}

// owner is a [Session] as its connection sees it: once it has a websocket, what comes is delivered here.
type owner Session

// Message implements [conn.Owner].
func (o *owner) Message(binary bool, data []byte) error {
	if o.eio3 {
		var ok bool
		if data, ok = eio3.Untyped(data, binary); !ok {
			return errPacket
		}
	}
	if binary {
		return refused(o.receiver.Binary(data))
	}
	return (*Session)(o).packet(data)
}

// Pong implements [conn.Owner]. Sessions are pinged by packets, not by websocket frames.
func (o *owner) Pong() {}

// Closed implements [conn.Owner].
func (o *owner) Closed(reason conn.Reason) {
	o.c.Lock()
	told := o.told
	o.told = true
	o.c.Unlock()
	if !told {
		(*Session)(o).tellClosed(reason)
	}
}

// Close implements [conn.Owner].
func (o *owner) Close(reason conn.Reason) { (*Session)(o).Close(reason) }

// Removed implements [conn.Owner].
func (o *owner) Removed() { o.srv.forget((*Session)(o)) }

// EndedLocked implements [conn.Owner]. A session with a websocket is ended by its reader.
func (o *owner) EndedLocked() {
	if o.polling != nil {
		(*Session)(o).endedPollingLocked()
	}
}
