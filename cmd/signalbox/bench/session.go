package bench

import (
	"bytes"
	"errors"
	"fmt"
)

// Why a client's connection ended, as far as the server said so.
var (
	errServerDisconnect = errors.New("io server disconnect")
	errServerClose      = errors.New("the server closed the connection")
)

// client is one client, usually of Socket.IO in the namespace "/".
type client interface {
	// send sends one Engine.IO packet, on a plain WebSocket one message. It may block as long as the server does not
	// read.
	send(packet []byte) error
	// socketID returns the id that the server gave: of Socket.IO, or of /ws.
	socketID() string
	// start begins to read; callbacks come on a goroutine of the client from then on.
	start()
	// leave says goodbye and closes.
	leave()
	// cut closes the connection without a word. It may be called more than once, and after leave.
	cut()
	// done is closed when the client has stopped reading and its callbacks have returned.
	done() <-chan struct{}
}

// callbacks get what a client receives. They are called one at a time per client; slices are valid until they return.
type callbacks struct {
	event func(at int64, event []byte)          // event: the JSON array; of a plain WebSocket or a stream: the text or the data
	ack   func(at int64, id uint64, arg []byte) // arg: the JSON array
	end   func(err error)                       // once, when the connection has ended; may be nil
}

// packet handles one Engine.IO packet that arrived at the time at. It reports whether a pong is due; an error ends
// the connection.
//
// Rule: [EIO4 packet types], [SIO5 packet encoding].
//
// [EIO4 packet types]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#packet-types
// [SIO5 packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md#packet-encoding
func (c *callbacks) packet(at int64, p []byte) (pong bool, err error) {
	if len(p) == 0 {
		return false, errors.New("empty packet")
	}
	switch p[0] {
	case '2':
		return true, nil
	case '6':
		return false, nil
	case '1':
		return false, errServerClose
	case '4':
		return false, c.message(at, p[1:])
	}
	return false, fmt.Errorf("unexpected packet %.20q", p)
}

// text handles one message of a plain WebSocket, or the data of one event of a stream.
func (c *callbacks) text(at int64, p []byte) {
	if c.event != nil {
		c.event(at, p)
	}
}

// message handles one Socket.IO packet. A client is in one namespace only, so its name says nothing.
func (c *callbacks) message(at int64, p []byte) error {
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
	case kind == '2' && c.event != nil:
		c.event(at, rest)
	case kind == '3' && numbered && c.ack != nil:
		c.ack(at, id, rest)
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
	return stringAfter(p, []byte(`"sid":"`))
}

// stringAfter returns the plain string right behind key.
func stringAfter(p, key []byte) (string, error) {
	_, rest, _ := bytes.Cut(p, key)
	value, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return "", fmt.Errorf("no %s in %.80q", key, p)
	}
	return string(value), nil
}
