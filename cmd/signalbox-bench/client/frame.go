package client

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of websocket frames, RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	OpText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxFrameBytes bounds what a server may make the generator buffer.
const maxFrameBytes = 64 << 20

var errFrame = errors.New("bad websocket frame")

// frame is one websocket frame; its payload aliases the buffer it was read from.
type frame struct {
	fin     bool
	op      byte
	payload []byte
}

// appendFrame appends a masked frame, as clients must send them (RFC 6455 section 5.3). One key per connection is
// enough here: the generator has nothing to hide from proxies.
func appendFrame(dst []byte, op byte, key uint32, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xFFFF:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = binary.LittleEndian.AppendUint32(dst, key)
	at := len(dst)
	dst = append(dst, payload...)
	Mask(dst[at:], key)
	return dst
}

// Mask masks or unmasks b in place.
func Mask(b []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key >> (8 * (i & 3)))
	}
}

// parseFrame reads the server's frame at the start of b. size is its whole length; where b does not hold all of it,
// done is false and size is what is known to be needed.
func parseFrame(b []byte) (f frame, size int, done bool, err error) {
	if len(b) < 2 {
		return frame{}, 2, false, nil
	}
	if b[0]&0x70 != 0 || b[1]&0x80 != 0 {
		return frame{}, 0, false, fmt.Errorf("%w: header %#x %#x", errFrame, b[0], b[1])
	}
	head, n := 2, uint64(b[1])
	switch n {
	case 126:
		if head = 4; len(b) < head {
			return frame{}, head, false, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return frame{}, head, false, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > maxFrameBytes {
		return frame{}, 0, false, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	size = head + int(n)
	if len(b) < size {
		return frame{}, size, false, nil
	}
	return frame{fin: b[0]&0x80 != 0, op: b[0] & 0x0F, payload: b[head:size]}, size, true, nil
}
