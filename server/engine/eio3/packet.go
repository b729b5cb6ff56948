package eio3

import (
	"encoding/base64"
	"sync"
	"weak"

	"signalbox/server/wire"
)

// A message has its packet type before it also where it is bytes: as a byte, or as a digit before base64.
const (
	typeByte  = 4
	typeDigit = '4'
)

// Untyped returns a packet as version 4 has it: bytes without their type, and "b" before base64 in place of "b4". It may
// change data. ok is false for bytes that are no message.
func Untyped(data []byte, binary bool) (packet []byte, ok bool) {
	switch {
	case binary:
		if len(data) == 0 || data[0] != typeByte {
			return nil, false
		}
		return data[1:], true
	case len(data) > 0 && data[0] == packetBinary:
		if len(data) < 2 || data[1] != typeDigit {
			return nil, false
		}
		data[1] = packetBinary
		return data[1:], true
	default:
		return data, true
	}
}

// InText returns a message of which bytes are text: "b4" and base64.
func InText(m *wire.Message) *wire.Message {
	parts := m.Parts()
	texts := make([][]byte, len(parts))
	for i := range parts {
		texts[i] = parts[i].Payload()
		if parts[i].Binary() {
			texts[i] = base64.StdEncoding.AppendEncode([]byte{packetBinary, typeDigit}, texts[i])
		}
	}
	return wire.Texts(texts...)
}

// Typed makes messages in which bytes have their type before them. One that goes to many is made once as long as it is
// queued for somebody. The zero value is ready.
type Typed struct {
	mu sync.Mutex
	// mu guards the following.
	made [8]struct{ from, to weak.Pointer[wire.Message] }
	next int
}

// Of returns m with bytes typed.
func (t *Typed) Of(m *wire.Message) *wire.Message {
	from := weak.Make(m)
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.made {
		if made := &t.made[i]; made.from == from {
			if to := made.to.Value(); to != nil {
				return to
			}
		}
	}
	to := m.Prefixed([]byte{typeByte})
	t.made[t.next].from, t.made[t.next].to = from, weak.Make(to)
	t.next = (t.next + 1) % len(t.made)
	return to
}
