// Package wire owns the form a message has when it leaves: bytes that are made once and shared by every receiver.
//
// It knows the WebSocket frame header (RFC 6455 section 5.2), how a message is compressed (RFC 7692), and nothing else:
// not who receives, not what the bytes say.
package wire

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// Part is one WebSocket message of a [Message]. Its bytes are never changed after it was made.
type Part struct {
	frame  []byte
	head   uint8
	binary bool
}

// Frame returns the bytes for a websocket: an unmasked server frame, header and payload.
func (p *Part) Frame() []byte { return p.frame }

// Payload returns the payload alone, for transports that have a framing of their own (polling, SSE).
func (p *Part) Payload() []byte { return p.frame[p.head:] }

// Binary reports whether the part goes out as a binary message.
func (p *Part) Binary() bool { return p.binary }

// Message is what one Send queues: one part, or an event and its attachments, which stay adjacent on the wire.
// It is immutable and may be queued to any number of connections at once.
type Message struct {
	one  [1]Part // of most messages: they are one allocation of 64 bytes, beside the frame
	many *[]Part // of one with several parts; nil: it has one

	other    atomic.Pointer[Message] // what Other returned
	deflated atomic.Pointer[Message] // its compressed form, once one was asked for; the message itself: it has none
}

// Parts returns the parts in the order in which they leave. The caller must not change them.
func (m *Message) Parts() []Part {
	if m.many != nil {
		return *m.many
	}
	return m.one[:]
}

// Size returns the bytes the message takes on a websocket, frame headers included. Limits on queues count it.
func (m *Message) Size() int {
	if m.many == nil {
		return len(m.one[0].frame)
	}
	size := 0
	for i := range *m.many {
		size += len((*m.many)[i].frame)
	}
	return size
}

// HasBinary reports whether a part goes out as a binary message.
func (m *Message) HasBinary() bool {
	return slices.ContainsFunc(m.Parts(), func(p Part) bool { return p.binary })
}

// Prefixed returns m with a prefix before the payload of each binary part. The text parts are those of m.
func (m *Message) Prefixed(prefix []byte) *Message {
	parts := slices.Clone(m.Parts())
	for i, p := range parts {
		if p.binary {
			parts[i] = newPart(opBinary, prefix, p.Payload())
		}
	}
	out := &Message{many: &parts}
	if m.deflated.Load() == m {
		out.Plain()
	}
	return out
}

// Other returns the message as clients that speak something else get it. translate makes it for all of them, and the
// message keeps it; nil: it cannot be said, and nothing is kept.
func (m *Message) Other(translate func(*Message) *Message) *Message {
	o := m.other.Load()
	if o == nil {
		if o = translate(m); o != nil && m.deflated.Load() == m { // there is nothing to gain, or it is not wanted
			o.Plain()
		}
		m.other.Store(o)
	}
	return o
}

// Alone returns the message, of the same bytes, without the other forms it keeps: for who keeps it for long.
func (m *Message) Alone() *Message {
	alone := &Message{one: m.one, many: m.many}
	if m.deflated.Load() == m {
		alone.Plain()
	}
	return alone
}

// Text returns a text message whose payload is the concatenation of payload.
func Text(payload ...[]byte) *Message { return single(newPart(opText, payload...)) }

// Binary returns a binary message.
func Binary(payload ...[]byte) *Message { return single(newPart(opBinary, payload...)) }

// single returns a message of one part.
func single(p Part) *Message { return &Message{one: [1]Part{p}} }

// Texts returns a message of several text parts.
func Texts(payloads ...[]byte) *Message {
	parts := make([]Part, len(payloads))
	for i, p := range payloads {
		parts[i] = newPart(opText, p)
	}
	return &Message{many: &parts}
}

// Raw returns a message that goes out as it is, without a frame header, for connections that are not websockets
// (an SSE record). It must not be queued on a websocket.
func Raw(data []byte) *Message { return single(Part{frame: data}) }

// Builder makes a message in place: what is appended to Buf becomes the payload, and Message or Binary puts the frame header
// before it without moving a byte. The zero value is not ready; use [NewBuilder].
type Builder struct {
	// Buf is appended to by the caller. Its first bytes are room for the header and must be left alone.
	Buf []byte
}

// NewBuilder returns a builder with room for sizeHint payload bytes.
func NewBuilder(sizeHint int) Builder {
	return Builder{Buf: make([]byte, maxHeaderBytes, maxHeaderBytes+sizeHint)}
}

// Message ends the text part and returns it with its attachments. The builder must not be used again.
func (b *Builder) Message(attachments ...[]byte) *Message {
	text := b.part(opText)
	if len(attachments) == 0 {
		return single(text)
	}
	parts := append(make([]Part, 0, 1+len(attachments)), text)
	for _, a := range attachments {
		parts = append(parts, newPart(opBinary, a))
	}
	return &Message{many: &parts}
}

// Binary ends the part as a binary message. The builder must not be used again.
func (b *Builder) Binary() *Message { return single(b.part(opBinary)) }

func (b *Builder) part(op byte) Part {
	payload := len(b.Buf) - maxHeaderBytes
	n := headerBytes(payload)
	frame := b.Buf[maxHeaderBytes-n:]
	putHeader(frame, op, payload)
	return Part{frame: frame, head: uint8(n), binary: op == opBinary}
}

const (
	opText   = 0x1
	opBinary = 0x2

	// finBit marks the only frame of a message: signalbox never fragments what it sends.
	finBit = 0x80

	maxHeaderBytes = 10 // 2, and 8 of extended length; a server's frames carry no mask
)

func newPart(op byte, payload ...[]byte) Part {
	size := 0
	for _, p := range payload {
		size += len(p)
	}
	frame := newFrame(op, size)
	head := uint8(len(frame))
	for _, p := range payload {
		frame = append(frame, p...)
	}
	return Part{frame: frame, head: head, binary: op == opBinary}
}

// newFrame returns a header with room for the payload behind it.
func newFrame(op byte, payload int) []byte {
	n := headerBytes(payload)
	frame := make([]byte, n, n+payload)
	putHeader(frame, op, payload)
	return frame
}

// headerBytes returns the length of the frame header: RFC 6455 section 5.2 wants the shortest form of the length.
func headerBytes(payload int) int {
	switch {
	case payload < 126:
		return 2
	case payload < 1<<16:
		return 4
	default:
		return 10
	}
}

func putHeader(frame []byte, op byte, payload int) {
	frame[0] = finBit | op
	switch headerBytes(payload) {
	case 2:
		frame[1] = byte(payload)
	case 4:
		frame[1] = 126
		binary.BigEndian.PutUint16(frame[2:], uint16(payload))
	default:
		frame[1] = 127
		binary.BigEndian.PutUint64(frame[2:], uint64(payload))
	}
}

// Content is what a [Part] says, where it is to become one elsewhere.
type Content struct {
	Binary  bool   `json:"b,omitempty"`
	Payload []byte `json:"p"`
}

// Contents returns what the parts say.
func (m *Message) Contents() []Content {
	parts := m.Parts()
	contents := make([]Content, len(parts))
	for i := range parts {
		contents[i] = Content{parts[i].binary, parts[i].Payload()}
	}
	return contents
}

// Of returns the message of such parts.
func Of(contents []Content) *Message {
	parts := make([]Part, len(contents))
	for i, c := range contents {
		op := byte(opText)
		if c.Binary {
			op = opBinary
		}
		parts[i] = newPart(op, c.Payload)
	}
	if len(parts) == 1 {
		return single(parts[0])
	}
	return &Message{many: &parts}
}
