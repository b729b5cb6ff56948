package client

import (
	"bytes"
	"errors"
	"fmt"
)

// Why a client's connection ended, as far as the server said so.
var (
	errServerDisconnect = errors.New("io server disconnect")
	ErrServerClose      = errors.New("the server closed the connection")
)

// Client is one client, usually of Socket.IO in the namespace "/".
type Client interface {
	// Send sends one Engine.IO packet, on a plain WebSocket one message. It may block as long as the server does not
	// read.
	Send(packet []byte) error
	// SocketID returns the id that the server gave: of Socket.IO, or of /ws.
	SocketID() string
	// Start begins to read; callbacks come on a goroutine of the client from then on.
	Start()
	// Leave says goodbye and closes.
	Leave()
	// Cut closes the connection without a word. It may be called more than once, and after leave.
	Cut()
	// Done is closed when the client has stopped reading and its callbacks have returned.
	Done() <-chan struct{}
}

// Callbacks get what a client receives. They are called one at a time per client; slices are valid until they return.
type Callbacks struct {
	Event func(at int64, event []byte)          // event: the JSON array; of a plain WebSocket or a stream: the text or the data
	Ack   func(at int64, id uint64, arg []byte) // arg: the JSON array
	Ask   func(id uint64, event []byte)         // an event that wants an answer; may be nil
	End   func(err error)                       // once, when the connection has ended; may be nil
}

// packet handles one Engine.IO packet that arrived at the time at. It reports whether a pong is due; an error ends
// the connection.
//
// Rule: [EIO4 packet types], [SIO5 packet encoding].
//
// [EIO4 packet types]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#packet-types
// [SIO5 packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md#packet-encoding
func (c *Callbacks) packet(at int64, p []byte) (pong bool, err error) {
	if len(p) == 0 {
		return false, errors.New("empty packet")
	}
	switch p[0] {
	case '2':
		return true, nil
	case '6':
		return false, nil
	case '1':
		return false, ErrServerClose
	case '4':
		return false, c.message(at, p[1:])
	}
	return false, fmt.Errorf("unexpected packet %.20q", p)
}

// text handles one message of a plain WebSocket, or the data of one event of a stream.
func (c *Callbacks) text(at int64, p []byte) {
	if c.Event != nil {
		c.Event(at, p)
	}
}

// message handles one Socket.IO packet. A client is in one namespace only, so its name says nothing.
func (c *Callbacks) message(at int64, p []byte) error {
	if len(p) == 0 {
		return errors.New("empty message")
	}
	kind, rest := p[0], p[1:]
	if len(rest) > 0 && rest[0] == '/' {
		_, rest, _ = bytes.Cut(rest, []byte{','})
	}
	var id uint64
	numbered := false
	for len(rest) > 0 && rest[0]-'0' <= 9 {
		id = id*10 + uint64(rest[0]-'0')
		rest, numbered = rest[1:], true
	}
	switch {
	case kind == '1':
		return errServerDisconnect
	case kind == '2' && numbered && c.Ask != nil:
		c.Ask(id, rest)
	case kind == '2' && c.Event != nil:
		c.Event(at, rest)
	case kind == '3' && numbered && c.Ack != nil:
		c.Ack(at, id, rest)
	}
	return nil
}

// connectedID returns the socket id in the server's answer to CONNECT ("40{...}", with "/chat," before the brace), without the frame.
func connectedID(p []byte, namespace string) (string, error) {
	if bytes.HasPrefix(p, []byte("44")) {
		return "", fmt.Errorf("connect_error: %.200s", p[2:])
	}
	if !bytes.HasPrefix(p, []byte("40"+namespace+"{")) {
		return "", fmt.Errorf("answer to CONNECT is %.40q", p)
	}
	return StringAfter(p, []byte(`"sid":"`))
}

// StringAfter returns the plain string right behind key.
func StringAfter(p, key []byte) (string, error) {
	_, rest, _ := bytes.Cut(p, key)
	value, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return "", fmt.Errorf("no %s in %.80q", key, p)
	}
	return string(value), nil
}
