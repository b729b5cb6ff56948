package eio3

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

const (
	separator    = 0x1e // between the packets of a body of version 4
	packetBinary = 'b'  // before bytes in base64
	endOfLength  = 0xff // behind the digits of a length in a body of bytes

	// maxDigits bounds the digits of a length: no body is longer.
	maxDigits = 10
)

// Decode returns the body of a post as one of version 4, and whether it can be read. Bodies are text, or bytes where their
// content type says so:
//
//	<length>:<packet>...              the length is that of a string in JavaScript, bytes are b4<base64>
//	00 <digits> ff <packet>...        a text packet, its length in bytes, each digit a byte from 0 to 9
//	01 <digits> ff 04 <bytes>...      bytes
//
// A length is taken for no more than it is: what it promises has to be there.
func Decode(body []byte, octets bool) (packets []byte, ok bool) {
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		binary := octets && body[0] == 1
		if octets {
			if body[0] > 1 {
				return nil, false
			}
			body = body[1:]
		}
		size, rest, ok := cutLength(body, octets)
		if !ok || len(rest) < size {
			return nil, false
		}
		packet := rest[:size]
		if body = rest[size:]; size == 0 {
			continue
		}
		if len(out) > 0 {
			out = append(out, separator)
		}
		if out, ok = appendPacket(out, packet, binary); !ok {
			return nil, false
		}
	}
	return out, len(out) > 0
}

// appendPacket appends a packet as version 4 has it, and reports whether there it can be one.
func appendPacket(out, packet []byte, binary bool) ([]byte, bool) {
	content, ok := Untyped(packet, binary)
	if binary {
		return base64.StdEncoding.AppendEncode(append(out, packetBinary), content), ok
	}
	return append(out, content...), ok && bytes.IndexByte(content, separator) < 0
}

// cutLength reads a length and returns how many bytes of the rest it means.
func cutLength(body []byte, octets bool) (size int, rest []byte, ok bool) {
	zero, end := byte('0'), byte(':')
	if octets {
		zero, end = 0, endOfLength
	}
	n := 0
	for n < len(body) && n < maxDigits && body[n]-zero <= 9 {
		size = size*10 + int(body[n]-zero)
		n++
	}
	if n == 0 || n == len(body) || body[n] != end {
		return 0, nil, false
	}
	if rest = body[n+1:]; octets {
		return size, rest, true
	}
	size, ok = utf16Bytes(rest, size)
	return size, rest, ok
}

// utf16Bytes returns how many bytes the first so many UTF-16 code units of a text take. ok is false where it has fewer, or
// where a character would be cut.
func utf16Bytes(text []byte, units int) (size int, ok bool) {
	for units > 0 {
		r, n := utf8.DecodeRune(text[size:])
		if n == 0 {
			return 0, false
		}
		if r > 0xFFFF {
			units--
		}
		units--
		size += n
	}
	return size, units == 0
}

// Encode returns the body of a poll's answer for one of version 4 whose messages are [Typed], and whether it is bytes: where
// bytes are in it, and the client takes them.
//
// Text beyond ASCII goes as bytes, too: clients of version 1 read it no other way. The reference implementation sends it as
// text, which ends them.
func Encode(packets []byte, textOnly bool) (body []byte, octets bool) {
	if !textOnly {
		for packet := range bytes.SplitSeq(packets, []byte{separator}) {
			octets = octets || isTyped(packet) || !isASCII(packet)
		}
	}
	body = make([]byte, 0, len(packets)+len(packets)/16+16)
	for packet := range bytes.SplitSeq(packets, []byte{separator}) {
		binary := isTyped(packet)
		if binary {
			packet, _ = base64.StdEncoding.AppendDecode(nil, packet[1:]) // the server's own
		}
		switch {
		case octets:
			body = appendOctets(body, packet, binary)
		case binary:
			text := append([]byte{packetBinary, typeDigit}, base64.StdEncoding.EncodeToString(packet[1:])...)
			body = appendText(body, text)
		default:
			body = appendText(body, packet)
		}
	}
	return body, octets
}

func appendText(body, packet []byte) []byte {
	units := 0
	for _, r := range string(packet) {
		if units++; r > 0xFFFF {
			units++
		}
	}
	body = append(strconv.AppendInt(body, int64(units), 10), ':')
	return append(body, packet...)
}

func appendOctets(body, packet []byte, binary bool) []byte {
	kind := byte(0)
	if binary {
		kind = 1
	}
	body = append(body, kind)
	start := len(body)
	body = strconv.AppendInt(body, int64(len(packet)), 10)
	for i := start; i < len(body); i++ {
		body[i] -= '0'
	}
	return append(append(body, endOfLength), packet...)
}

// isTyped reports whether a packet of version 4 is bytes that [Typed] has put the packet type before: in base64 that is B
// and not 4.
func isTyped(packet []byte) bool {
	return len(packet) > 1 && packet[0] == packetBinary && packet[1] == 'B'
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
