package socketio

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/bits"
)

// maxDepth bounds how deep JSON may nest. Deeper JSON is refused, so no receiver has to recurse into it.
const maxDepth = 512

var (
	errJSON  = errors.New("invalid JSON")
	errDepth = errors.New("JSON nests too deep")
)

// splitArray checks that data is one JSON array and nothing else, and appends its elements to args as they stand.
// The elements alias data.
//
// Rule: RFC 8259, strictly; what follows the array is an error, as in the reference parser's JSON.parse.
func splitArray(data []byte, args []json.RawMessage) ([]json.RawMessage, error) {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '[' {
		return args, errJSON
	}
	i = skipSpace(data, i+1)
	if i < len(data) && data[i] == ']' {
		return args, onlySpace(data, i+1)
	}
	for {
		end, err := skipValue(data, i)
		if err != nil {
			return args, err
		}
		args = append(args, data[i:end:end])
		i = skipSpace(data, end)
		if i >= len(data) {
			return args, errJSON
		}
		switch data[i] {
		case ',':
			i = skipSpace(data, i+1)
		case ']':
			return args, onlySpace(data, i+1)
		default:
			return args, errJSON
		}
	}
}

// checkObject reports whether data is one JSON object and nothing else.
func checkObject(data []byte) error {
	i := skipSpace(data, 0)
	if i >= len(data) || data[i] != '{' {
		return errJSON
	}
	end, err := skipValue(data, i)
	if err != nil {
		return err
	}
	return onlySpace(data, end)
}

func onlySpace(data []byte, i int) error {
	if skipSpace(data, i) != len(data) {
		return errJSON
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the JSON value that starts at b[i] ends. It does not recurse: open objects and arrays are
// bits, one for each level.
func skipValue(b []byte, i int) (end int, err error) {
	var isObject [maxDepth / 64]uint64
	depth := 0
	for {
		// b[i] is where a value has to start.
		if i >= len(b) {
			return 0, errJSON
		}
		switch c := b[i]; {
		case c == '"':
			if i, err = skipString(b, i); err != nil {
				return 0, err
			}
		case c == '{' || c == '[':
			if depth == maxDepth {
				return 0, errDepth
			}
			mask := uint64(1) << (depth & 63)
			closing := byte(']')
			if c == '{' {
				isObject[depth>>6] |= mask
				closing = '}'
			} else {
				isObject[depth>>6] &^= mask
			}
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == closing {
				i++
				break // an empty one is a value that has ended
			}
			depth++
			if c == '{' {
				if i, err = skipKey(b, i); err != nil {
					return 0, err
				}
			}
			continue
		case c == '-' || '0' <= c && c <= '9':
			if i, err = skipNumber(b, i); err != nil {
				return 0, err
			}
		default:
			if i = skipLiteral(b, i); i < 0 {
				return 0, errJSON
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
				return 0, errJSON
			}
			if b[i] == ',' {
				i = skipSpace(b, i+1)
				if object {
					if i, err = skipKey(b, i); err != nil {
						return 0, err
					}
				}
				break
			}
			if object && b[i] != '}' || !object && b[i] != ']' {
				return 0, errJSON
			}
			i++
			depth--
		}
	}
}

// skipKey returns where the value begins whose key starts at b[i].
func skipKey(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return 0, errJSON
	}
	i, err := skipString(b, i)
	if err != nil {
		return 0, err
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' {
		return 0, errJSON
	}
	return skipSpace(b, i+1), nil
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// special marks the bytes of w that end a run of plain string bytes: a quote, a backslash, or below 0x20. The lowest
// mark is exact; those above it may be false.
func special(w uint64) uint64 {
	quote := w ^ '"'*everyByte
	slash := w ^ '\\'*everyByte
	return ((quote-everyByte)&^quote | (slash-everyByte)&^slash | (w-0x20*everyByte)&^w) & highBits
}

// skipString returns where the string that starts at b[i] ends.
func skipString(b []byte, i int) (int, error) {
	i++
	for {
		for i+8 <= len(b) {
			if mark := special(binary.LittleEndian.Uint64(b[i:])); mark != 0 {
				i += bits.TrailingZeros64(mark) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			i++
		}
		if i >= len(b) {
			return 0, errJSON
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if i+1 >= len(b) {
				return 0, errJSON
			}
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(b) || !isHex(b[i+2]) || !isHex(b[i+3]) || !isHex(b[i+4]) || !isHex(b[i+5]) {
					return 0, errJSON
				}
				i += 6
			default:
				return 0, errJSON
			}
		default: // a control character has to be escaped
			return 0, errJSON
		}
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// skipNumber returns where the number that starts at b[i] ends.
func skipNumber(b []byte, i int) (int, error) {
	digits := func() bool {
		start := i
		for i < len(b) && isDigit(b[i]) {
			i++
		}
		return i > start
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return 0, errJSON
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return 0, errJSON
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0, errJSON
		}
	}
	return i, nil
}

// skipLiteral returns where true, false or null ends, or -1.
func skipLiteral(b []byte, i int) int {
	for _, literal := range [...]string{"true", "false", "null"} {
		if len(b)-i >= len(literal) && string(b[i:i+len(literal)]) == literal {
			return i + len(literal)
		}
	}
	return -1
}
