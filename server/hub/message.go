package hub

import (
	"encoding/json"
	"sync"
	"sync/atomic"

	"signalbox/server/recovery"
	"signalbox/server/wire"
)

// Form is a way to write a message down. Each door has one.
type Form uint8

const (
	// FormSocketIO is an EVENT packet of Socket.IO v5 inside a message packet of Engine.IO v4.
	FormSocketIO Form = iota
	// FormOffset is FormSocketIO with the place in a log behind the arguments, for a client that may come back.
	FormOffset
	// FormText is the text message a plain WebSocket gets.
	FormText
	// FormSSE is a record of a Server-Sent Events stream.
	FormSSE

	forms
)

// Message is one message on its way to members. It must not be changed once it was sent. The slices it holds are read
// only while it is being sent, so they may alias a buffer that is used again afterwards.
type Message struct {
	// Namespace and Event address Socket.IO members: the namespace with its leading slash, and the event name.
	// Members that take FormSocketIO get nothing where Event is empty.
	Namespace string
	Event     string
	// RawEvent is the event's name as JSON, for a name that goes on as it came; nil: Event is written as JSON.
	RawEvent json.RawMessage
	// Args are the event's arguments, each one valid JSON that goes out byte for byte.
	Args []json.RawMessage
	// Attachments are the binary attachments that placeholders in Args refer to, in their order.
	Attachments [][]byte

	// Text is what plain WebSocket members get; nil: nothing.
	Text []byte
	// SSE is the record that SSE members get, its closing empty line included; nil: nothing.
	SSE []byte

	// ID is the id of a message that is also in a history, "" elsewhere: who gets both can tell them apart.
	ID string

	// Volatile lets a member that is not ready to receive miss the message.
	Volatile bool

	// Plain keeps a message from being compressed: Socket.IO's compress(false).
	Plain bool

	// From is the node, or the server of another kind, that the message came from over Channel; "": this one.
	From, Channel string

	// Offset is where the message stands among those of all nodes, "" where they have no common order.
	Offset string

	// Foreign marks a message for the servers in the cluster that are no signalbox nodes: those know already.
	Foreign bool

	logged  *Places
	held    atomic.Int32
	to      atomic.Pointer[Room] // where it was sent first
	encoded [forms]atomic.Pointer[wire.Message]
	mu      sync.Mutex // held while encoding
}

// Encoded returns the message in one form, calling encode the first time. A nil result means the message has no such
// form, and the member gets nothing. It is called by sinks, from any goroutine.
func (m *Message) Encoded(form Form, encode func(*Message) *wire.Message) *wire.Message {
	if e := m.encoded[form].Load(); e != nil {
		return e
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.encoded[form].Load(); e != nil {
		return e
	}
	e := encode(m)
	if m.Plain && e != nil {
		e = e.Plain()
	}
	m.encoded[form].Store(e)
	return e
}

// To returns the room that the message was sent to first; false: there is no single one.
func (m *Message) To() (Room, bool) {
	r := m.to.Load()
	if r == nil {
		return Room{}, false
	}
	return *r, true
}

// Places is where a message stands in the logs of what was sent, for who comes back after a cut. The encoder of a form sets
// its own; nil: nowhere.
type Places struct{ SocketIO, Text, SSE *recovery.Entry }

// Logged returns the message's places. It is called by encoders, and by sinks behind them.
func (m *Message) Logged() *Places {
	if m.logged == nil {
		m.logged = new(Places)
	}
	return m.logged
}

// Hold counts a member on this node that is away and gets the message if it comes back. It is called by sinks.
func (m *Message) Hold() { m.held.Add(1) }

// HoldElsewhere counts such members on another node. The bus calls it.
func (m *Message) HoldElsewhere(members int) { m.held.Add(int32(members)) }

// Held returns how many members are away and get the message if they come back: on this node, and for a counted message
// on those that answered.
func (m *Message) Held() int { return int(m.held.Load()) }

// EncodeText writes FormText down.
func EncodeText(m *Message) *wire.Message {
	if m.Text == nil {
		return nil
	}
	return wire.Text(m.Text)
}

// EncodeSSE writes FormSSE down.
func EncodeSSE(m *Message) *wire.Message {
	if m.SSE == nil {
		return nil
	}
	return wire.Raw(append([]byte(nil), m.SSE...))
}
