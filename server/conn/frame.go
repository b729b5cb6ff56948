package conn

import (
	"encoding/binary"
	"unicode/utf8"

	"signalbox/server/wire"
)

// opcode is the kind of a websocket frame.
//
// Rule: RFC 6455 section 5.2.
type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA

	finBit  = 0x80
	rsvBits = 0x70
	rsv1Bit = 0x40 // a message is compressed
	maskBit = 0x80

	maxControlBytes = 125
)

func (op opcode) control() bool { return op&0x8 != 0 }

// Close codes of RFC 6455 section 7.4.1.
const (
	closeNormal     = 1000
	closeGoingAway  = 1001
	closeProtocol   = 1002
	closeInvalid    = 1007
	closePolicy     = 1008
	closeTooBig     = 1009
	closeInternal   = 1011
	closeFrameBytes = 2 // of payload, the code alone

	// CloseNoCode is for a close frame without a payload.
	CloseNoCode = 0
)

// Fault is something in what a client sent that must end its connection.
type Fault struct {
	Code   uint16 // of the close frame, or [CloseNoCode]
	Reason Reason
	Text   string
}

func (e *Fault) Error() string { return e.Text }

func protocolError(text string) error {
	return &Fault{closeProtocol, ReasonTransportError, text}
}

// header is the head of a frame that a client sent.
type header struct {
	op      opcode
	fin     bool
	packed  bool // the message that begins here is compressed
	size    int  // of the head itself
	payload int
	key     uint32
}

// parseHeader reads the head of a frame from the start of b. It returns ok false if b does not hold all of it. Faults
// are reported as soon as the bytes that show them are there. maxPayload bounds the payload of a data frame; deflate
// lets messages be compressed.
//
// Rule: RFC 6455 sections 5.1 (a client masks), 5.2, 5.5 (control frames are short and whole); RFC 7692 section 6 (the
// first frame says that a message is compressed).
func parseHeader(b []byte, maxPayload int64, deflate bool) (h header, ok bool, err error) {
	if len(b) < 2 {
		return h, false, nil
	}
	h.op, h.fin = opcode(b[0]&0xF), b[0]&finBit != 0
	h.packed = deflate && b[0]&rsvBits == rsv1Bit && (h.op == opText || h.op == opBinary)
	length := b[1] &^ maskBit
	switch {
	case b[0]&rsvBits != 0 && !h.packed:
		return h, false, protocolError("reserved bits are set")
	case b[1]&maskBit == 0:
		return h, false, protocolError("frame is not masked")
	case h.op > opBinary && !h.op.control(), h.op > opPong:
		return h, false, protocolError("unknown opcode")
	case h.op.control() && !h.fin:
		return h, false, protocolError("control frame is fragmented")
	case h.op.control() && length > maxControlBytes:
		return h, false, protocolError("control frame is too long")
	}
	h.size = 2
	payload := uint64(length)
	switch length {
	case 126:
		if len(b) < 4 {
			return h, false, nil
		}
		h.size, payload = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return h, false, nil
		}
		h.size, payload = 10, binary.BigEndian.Uint64(b[2:])
		if payload>>63 != 0 {
			return h, false, protocolError("length has its top bit set")
		}
	}
	if !h.op.control() && payload > uint64(maxPayload) {
		return h, false, errTooBig
	}
	h.payload = int(payload)
	if len(b) < h.size+4 {
		return h, false, nil
	}
	h.key = binary.LittleEndian.Uint32(b[h.size:])
	h.size += 4
	return h, true, nil
}

var (
	errTooBig  error = &Fault{closeTooBig, ReasonPayloadTooLarge, "message is too long"}
	errInvalid error = &Fault{closeInvalid, ReasonTransportError, "text is not UTF-8"}
)

// unmask takes the mask off p in place.
//
// Rule: RFC 6455 section 5.3.
func unmask(p []byte, key uint32) {
	if key == 0 {
		return
	}
	wide := uint64(key)<<32 | uint64(key)
	for len(p) >= 32 {
		q := p[:32]
		binary.LittleEndian.PutUint64(q, binary.LittleEndian.Uint64(q)^wide)
		binary.LittleEndian.PutUint64(q[8:], binary.LittleEndian.Uint64(q[8:])^wide)
		binary.LittleEndian.PutUint64(q[16:], binary.LittleEndian.Uint64(q[16:])^wide)
		binary.LittleEndian.PutUint64(q[24:], binary.LittleEndian.Uint64(q[24:])^wide)
		p = p[32:]
	}
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= byte(key >> (8 * (i & 3)))
	}
}

// parseClose reads the payload of a close frame. The code is CloseNoCode if there is none.
//
// Rule: RFC 6455 sections 5.5.1 and 7.4.
func parseClose(p []byte) (code uint16, err error) {
	switch {
	case len(p) == 0:
		return CloseNoCode, nil
	case len(p) == 1:
		return 0, protocolError("close frame with half a code")
	}
	code = binary.BigEndian.Uint16(p)
	switch {
	case code >= 3000 && code <= 4999:
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
	default:
		return 0, protocolError("invalid close code")
	}
	if !utf8.Valid(p[2:]) {
		return 0, errInvalid
	}
	return code, nil
}

// CloseFrame returns a close frame. The text is cut to what a control frame holds.
func CloseFrame(code uint16, text string) *wire.Message {
	if code == CloseNoCode {
		return controlFrame(opClose, nil)
	}
	for len(text) > maxControlBytes-closeFrameBytes || !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return controlFrame(opClose, append(binary.BigEndian.AppendUint16(nil, code), text...))
}

// controlFrame returns a frame of at most 125 bytes of payload, which it copies.
func controlFrame(op opcode, payload []byte) *wire.Message {
	frame := make([]byte, 2, 2+len(payload))
	frame[0], frame[1] = finBit|byte(op), byte(len(payload))
	return wire.Raw(append(frame, payload...))
}
