// Package rawjson reads JSON text without decoding it, and writes text and numbers as JavaScript does. Values are byte
// slices that alias what was read. It imports nothing of signalbox, so everybody may import it.
//
// Rule: RFC 8259, strictly. Nesting costs no stack: open objects and arrays are counted, not called for.
package rawjson

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// MaxDepth is how deep an argument of an event, or a message, may nest. Deeper JSON is refused, so no receiver has to recurse
// into it.
const MaxDepth = 512

// maxEnvelope is how deep what is around arguments nests in a message between servers.
const maxEnvelope = 64

var (
	// ErrSyntax says that something is not JSON, or not the kind of JSON that was asked for.
	ErrSyntax = errors.New("invalid JSON")
	// ErrDepth says that JSON nests deeper than [MaxDepth].
	ErrDepth = errors.New("JSON nests too deep")
)

// SkipSpace returns where the white space ends that begins at b[i].
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// TrimSpace returns b without the white space around it.
func TrimSpace(b []byte) []byte {
	start, end := SkipSpace(b, 0), len(b)
	for end > start && SkipSpace(b[:end], end-1) == end {
		end--
	}
	return b[start:end:end]
}

// SkipValue returns where the value ends that starts at b[i] and nests at most [MaxDepth] deep.
func SkipValue(b []byte, i int) (end int, err error) { return skipValue(b, i, MaxDepth) }

// skipValue is SkipValue for a limit of its own: MaxDepth+maxEnvelope at most.
func skipValue(b []byte, i, limit int) (end int, err error) {
	var isObject [(MaxDepth + maxEnvelope) / 64]uint64 // a bit for each open value
	depth := 0
	for {
		// b[i] is where a value has to start.
		if i >= len(b) {
			return 0, ErrSyntax
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
			mask := uint64(1) << (depth & 63)
			closing := byte(']')
			if c == '{' {
				isObject[depth>>6] |= mask
				closing = '}'
			} else {
				isObject[depth>>6] &^= mask
			}
			i = SkipSpace(b, i+1)
			if i < len(b) && b[i] == closing {
				i++
				break // an empty one is a value that has ended
			}
			depth++
			if c == '{' {
				if _, i, err = skipKey(b, i); err != nil {
					return 0, err
				}
			}
			continue
		case c == '-' || isDigit(c):
			if i, err = SkipNumber(b, i); err != nil {
				return 0, err
			}
		default:
			if i, err = SkipLiteral(b, i); err != nil {
				return 0, err
			}
		}

		// A value has ended at i: close what it completes, until another value has to follow.
		for {
			if depth == 0 {
				return i, nil
			}
			object := isObject[(depth-1)>>6]&(1<<((depth-1)&63)) != 0
			i = SkipSpace(b, i)
			if i >= len(b) {
				return 0, ErrSyntax
			}
			if b[i] == ',' {
				i = SkipSpace(b, i+1)
				if object {
					if _, i, err = skipKey(b, i); err != nil {
						return 0, err
					}
				}
				break
			}
			if object && b[i] != '}' || !object && b[i] != ']' {
				return 0, ErrSyntax
			}
			i++
			depth--
		}
	}
}

// skipKey returns where the key ends that starts at b[i], and where its value begins.
func skipKey(b []byte, i int) (end, value int, err error) {
	if i >= len(b) || b[i] != '"' {
		return 0, 0, ErrSyntax
	}
	if end, err = skipString(b, i); err != nil {
		return 0, 0, err
	}
	i = SkipSpace(b, end)
	if i >= len(b) || b[i] != ':' {
		return 0, 0, ErrSyntax
	}
	return end, SkipSpace(b, i+1), nil
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

// PlainBytes returns how many of eight bytes in a row, the first one lowest, stand for themselves in a string before the
// first that does not. ascii is false where one of them is beyond ASCII, and may be where one behind them is.
func PlainBytes(w uint64) (n int, ascii bool) {
	mark := special(w)
	return bits.TrailingZeros64(mark) / 8, w&highBits&(mark-1) == 0
}

// PlainRun returns where the run of bytes ends that begins at b[i] and that stand for themselves in a string. ascii is false
// where it may hold bytes beyond ASCII.
func PlainRun(b []byte, i int) (end int, ascii bool) {
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

// skipString returns where the string ends that starts at b[i].
func skipString(b []byte, i int) (int, error) {
	i++
	for {
		i, _ = PlainRun(b, i)
		if i >= len(b) {
			return 0, ErrSyntax
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			n := escapeLen(b, i)
			if n == 0 {
				return 0, ErrSyntax
			}
			i += n
		default: // a control character has to be escaped
			return 0, ErrSyntax
		}
	}
}

// escapeLen returns how many bytes the escape at b[i] has, 0: it is none.
func escapeLen(b []byte, i int) int {
	if i+1 >= len(b) {
		return 0
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if i+6 <= len(b) && hexUnit(b[i+2:i+6]) >= 0 {
			return 6
		}
	}
	return 0
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

// SkipDigits returns where the digits end that begin at b[i].
func SkipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// SkipNumber returns where the number ends that starts at b[i].
func SkipNumber(b []byte, i int) (int, error) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	end := SkipDigits(b, i)
	if end == i || b[i] == '0' && end > i+1 {
		return 0, ErrSyntax
	}
	if end < len(b) && b[end] == '.' {
		i = end + 1
		if end = SkipDigits(b, i); end == i {
			return 0, ErrSyntax
		}
	}
	if end < len(b) && (b[end] == 'e' || b[end] == 'E') {
		i = end + 1
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if end = SkipDigits(b, i); end == i {
			return 0, ErrSyntax
		}
	}
	return end, nil
}

// SkipLiteral returns where true, false or null ends.
func SkipLiteral(b []byte, i int) (int, error) {
	for _, literal := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(literal) && string(b[i:i+len(literal)]) == literal {
			return i + len(literal), nil
		}
	}
	return 0, ErrSyntax
}
