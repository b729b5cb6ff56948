package format

import (
	"encoding/binary"
	"math/bits"
)

// The functions of this file walk over JSON text. They take the text and an index in it.
//
// Rule: RFC 8259, strictly.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// trimSpace returns b without the JSON white space around it.
func trimSpace(b []byte) []byte {
	start, end := skipSpace(b, 0), len(b)
	for end > start && skipSpace(b[:end], end-1) == end {
		end--
	}
	return b[start:end:end]
}

// maxEnvelope is how deep what is around arguments nests in a message.
const maxEnvelope = 64

// skipValue returns where the JSON value ends that starts at b[i] and may nest as deep as limit, which is [MaxDepth], or
// maxEnvelope more. It does not recurse: open objects and arrays are bits, one for each level.
func skipValue(b []byte, i, limit int) (end int, err error) {
	var isObject [(MaxDepth + maxEnvelope) / 64]uint64
	depth := 0
	for {
		// b[i] is where a value has to start.
		if i >= len(b) {
			return 0, ErrJSON
		}
		switch c := b[i]; {
		case c == '"':
			if i, err = skipString(b, i); err != nil {
				return 0, err
			}
		case c == '{' || c == '[':
			if depth == limit {
				return 0, ErrDepth
			}
			isObject[depth>>6] &^= 1 << (depth & 63)
			if c == '{' {
				isObject[depth>>6] |= 1 << (depth & 63)
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == c+2 { // in ASCII, what closes is two behind what opens
				i++
				break // an empty one is a value that has ended
			}
			depth++
			if c == '{' {
				if _, i, err = scanKey(b, i); err != nil {
					return 0, err
				}
			}
			continue
		case c == '-' || isDigit(c):
			if i, err = skipNumber(b, i); err != nil {
				return 0, err
			}
		default:
			if i, err = skipLiteral(b, i); err != nil {
				return 0, err
			}
		}

		// A value has ended at i: close what it completes, until another value has to follow.
		for {
			if depth == 0 {
				return i, nil
			}
			object := isObject[(depth-1)>>6]&(1<<((depth-1)&63)) != 0
			i = skipSpace(b, i)
			if i >= len(b) {
				return 0, ErrJSON
			}
			if b[i] == ',' {
				i = skipSpace(b, i+1)
				if object {
					if _, i, err = scanKey(b, i); err != nil {
						return 0, err
					}
				}
				break
			}
			if object && b[i] != '}' || !object && b[i] != ']' {
				return 0, ErrJSON
			}
			i++
			depth--
		}
	}
}

// scanKey returns the key that starts at b[i], its quotes included, and where its value begins.
func scanKey(b []byte, i int) (key []byte, value int, err error) {
	if i >= len(b) || b[i] != '"' {
		return nil, 0, ErrJSON
	}
	end, err := skipString(b, i)
	if err != nil {
		return nil, 0, err
	}
	key = b[i:end]
	end = skipSpace(b, end)
	if end >= len(b) || b[end] != ':' {
		return nil, 0, ErrJSON
	}
	return key, skipSpace(b, end+1), nil
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// special marks the bytes of w that end a run of plain string bytes: a quote, a backslash, or below 0x20. The lowest mark
// is exact; those above it may be false.
func special(w uint64) uint64 {
	quote := w ^ '"'*everyByte
	slash := w ^ '\\'*everyByte
	return ((quote-everyByte)&^quote | (slash-everyByte)&^slash | (w-0x20*everyByte)&^w) & highBits
}

// plainRun returns where the run of bytes ends that begins at b[i] and that stand for themselves in a string. ascii is false
// where it may hold bytes beyond ASCII.
func plainRun(b []byte, i int) (end int, ascii bool) {
	var high uint64
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		high |= w
		if mark := special(w); mark != 0 {
			return i + bits.TrailingZeros64(mark)/8, high&highBits == 0
		}
		i += 8
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
		high |= uint64(b[i])
		i++
	}
	return i, high&highBits == 0
}

// skipString returns where the string that starts at b[i] ends.
func skipString(b []byte, i int) (int, error) {
	i++
	for {
		i, _ = plainRun(b, i)
		if i >= len(b) {
			return 0, ErrJSON
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			n, err := escapeLen(b, i)
			if err != nil {
				return 0, err
			}
			i += n
		default: // a control character has to be escaped
			return 0, ErrJSON
		}
	}
}

// escapeLen returns how many bytes the escape at b[i] has.
func escapeLen(b []byte, i int) (int, error) {
	if i+1 >= len(b) {
		return 0, ErrJSON
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		if i+6 <= len(b) && hexUnit(b[i+2:i+6]) >= 0 {
			return 6, nil
		}
	}
	return 0, ErrJSON
}

// hexUnit returns the number that four hexadecimal digits say, or -1.
func hexUnit(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipNumber returns where the number that starts at b[i] ends.
func skipNumber(b []byte, i int) (int, error) {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if j := skipDigits(b, i); j > i {
		i = j
	} else {
		return 0, ErrJSON
	}
	if i < len(b) && b[i] == '.' {
		j := skipDigits(b, i+1)
		if j == i+1 {
			return 0, ErrJSON
		}
		i = j
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := skipDigits(b, i)
		if j == i {
			return 0, ErrJSON
		}
		i = j
	}
	return i, nil
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// skipLiteral returns where true, false or null ends.
func skipLiteral(b []byte, i int) (int, error) {
	for _, literal := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(literal) && string(b[i:i+len(literal)]) == literal {
			return i + len(literal), nil
		}
	}
	return 0, ErrJSON
}
