package engine

import (
	"bytes"
	"encoding/base64"
	"sync"
	"unicode/utf8"

	"signalbox/server/engine/eio3"
	"signalbox/server/wire"
)

// appendMessage appends a message to a payload: its parts, each behind a separator unless it is the first of all.
//
// Rule: [payload encoding]; binary parts travel as base64.
//
// [payload encoding]: https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md#http-long-polling-1
func appendMessage(payload []byte, m *wire.Message) []byte {
	parts := m.Parts()
	for i := range parts {
		if len(payload) > 0 {
			payload = append(payload, separator)
		}
		if parts[i].Binary() {
			payload = append(payload, packetBinary)
			payload = base64.StdEncoding.AppendEncode(payload, parts[i].Payload())
		} else {
			payload = append(payload, parts[i].Payload()...)
		}
	}
	return payload
}

// outgoing returns m as it leaves to the session's client: one that has asked for base64 gets binary parts as text.
//
// Rule: the parameter b64 of a request, which official clients send with their option forceBase64.
func (s *Session) outgoing(m *wire.Message) *wire.Message {
	textOnly := s.textOnly.Load()
	switch {
	case !textOnly && !s.eio3, !m.HasBinary():
		return m
	case s.eio3 && !textOnly:
		return s.srv.typed.Of(m)
	case s.eio3:
		return eio3.InText(m)
	}
	parts := m.Parts()
	texts := make([][]byte, len(parts))
	for i := range parts {
		texts[i] = parts[i].Payload()
		if parts[i].Binary() {
			texts[i] = base64.StdEncoding.AppendEncode([]byte{packetBinary}, texts[i])
		}
	}
	return wire.Texts(texts...)
}

// payload walks through the packets of a body.
type payload struct {
	rest    []byte
	more    bool
	decoded []byte // what the last binary packet was decoded to
}

// newPayload checks what holds for the whole body: it is text.
func newPayload(body []byte) (payload, error) {
	if !utf8.Valid(body) {
		return payload{}, errPacket
	}
	return payload{rest: body, more: true}, nil
}

// next returns the next packet: the content of a binary one, or a text packet with its type. It is valid until next is
// called again. ok is false at the end.
func (p *payload) next() (packet []byte, binary, ok bool, err error) {
	if !p.more {
		return nil, false, false, nil
	}
	packet, p.rest, p.more = bytes.Cut(p.rest, []byte{separator})
	if len(packet) == 0 || packet[0] != packetBinary {
		return packet, false, true, nil
	}
	p.decoded, err = decodeBinary(p.decoded[:0], packet[1:])
	if err != nil {
		return nil, false, false, errPacket
	}
	return p.decoded, true, true, nil
}

// decodeBinary decodes base64, padded or not, in one line or in several: clients of all kinds exist. The client for
// Java and Android breaks lines after 76 characters.
func decodeBinary(dst, src []byte) ([]byte, error) {
	return base64.RawStdEncoding.AppendDecode(dst, bytes.TrimRight(src, "=\r\n")) // which skips line breaks
}

// maxKeptBytes is the size up to which a buffer is worth keeping for the next request.
const maxKeptBytes = 64 * kiB

// bodies lends buffers for the bodies of polls and posts.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func borrowBody() *bytes.Buffer { return bodies.Get().(*bytes.Buffer) }

func returnBody(b *bytes.Buffer) {
	if b.Cap() <= maxKeptBytes {
		b.Reset()
		bodies.Put(b)
	}
}
