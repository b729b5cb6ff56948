package payload

import (
	"bytes"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"

	"signalbox/server/app"
)

// Members walks over the top level of one JSON object without decoding it. The zero value is not ready; use
// [MembersOf]. It expects valid JSON; on anything else it ends early.
type Members struct {
	raw []byte
	pos int
}

// MembersOf returns a walk over raw, and reports whether raw is an object.
func MembersOf(raw []byte) (Members, bool) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return Members{}, false
	}
	return Members{raw: raw, pos: i + 1}, true
}

// Next returns the next key, as it stands between its quotes, and the raw value. Both alias the object.
func (m *Members) Next() (key, value []byte, ok bool) {
	i := skipSpace(m.raw, m.pos)
	if i < len(m.raw) && m.raw[i] == ',' {
		i = skipSpace(m.raw, i+1)
	}
	if i >= len(m.raw) || m.raw[i] != '"' {
		return nil, nil, false
	}
	end := skipString(m.raw, i)
	if end-i < 2 {
		return nil, nil, false
	}
	key = m.raw[i+1 : end-1]
	i = skipSpace(m.raw, end)
	if i >= len(m.raw) || m.raw[i] != ':' {
		return nil, nil, false
	}
	i = skipSpace(m.raw, i+1)
	m.pos = skipValue(m.raw, i)
	return key, m.raw[i:m.pos], m.pos > i
}

// KeyIs reports whether a raw key spells name, escapes resolved.
func KeyIs(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	// An escape makes a key longer, so most others end here.
	if len(key) <= len(name) || bytes.IndexByte(key, '\\') < 0 {
		return false
	}
	var buf [64]byte
	return string(appendUnescaped(buf[:0], key)) == name
}

// IsString reports whether a raw value is a JSON string.
func IsString(raw []byte) bool { return len(raw) >= 2 && raw[0] == '"' }

// StringValue returns the text of a raw JSON string, and reports whether it is one.
func StringValue(raw []byte) (string, bool) {
	if !IsString(raw) {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	return string(appendUnescaped(nil, inner)), true
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the index behind the string whose opening quote is at i, or len(raw) where it does not end.
func skipString(raw []byte, i int) int {
	i++
	for i < len(raw) {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			break
		}
		end := i + n
		escapes := 0
		for end-1-escapes >= i && raw[end-1-escapes] == '\\' {
			escapes++
		}
		i = end + 1
		if escapes%2 == 0 {
			return i
		}
	}
	return len(raw)
}

// skipValue returns the index behind the value at i, or i where no value begins. It counts brackets instead of calling
// itself, so nesting costs no stack.
func skipValue(raw []byte, i int) int {
	if i >= len(raw) {
		return i
	}
	switch raw[i] {
	case '"':
		return skipString(raw, i)
	case '{', '[':
		return skipNested(raw, i)
	}
	for ; i < len(raw); i++ {
		switch raw[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t', '"', '{', '[':
			return i
		}
	}
	return i
}

// skipNested is skipValue for an object or an array.
func skipNested(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		c := raw[i]
		switch {
		case c == '"':
			i = skipString(raw, i)
			continue
		case c|0x20 == '{': // or '['
			depth++
		case c|0x20 == '}': // or ']'
			depth--
			if depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return i
}

// appendUnescaped appends the text of a JSON string without its quotes. Half a surrogate pair, which JavaScript keeps
// and UTF-8 cannot say, is written in the three bytes it would have: so two different ids never become one.
func appendUnescaped(dst, s []byte) []byte {
	for {
		n := bytes.IndexByte(s, '\\')
		if n < 0 || n+1 >= len(s) {
			return append(dst, s...)
		}
		dst = append(dst, s[:n]...)
		c := s[n+1]
		s = s[n+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(s)
			if !ok {
				return append(append(dst, `\u`...), s...)
			}
			s = s[4:]
			if utf16.IsSurrogate(r) {
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					if low, ok := hex4(s[2:]); ok {
						if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
							dst = utf8.AppendRune(dst, pair)
							s = s[6:]
							continue
						}
					}
				}
				dst = append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF)
				continue
			}
			dst = utf8.AppendRune(dst, r)
		default: // '"', '\\' and '/' stand for themselves
			dst = append(dst, c)
		}
	}
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// FirstArgument returns the first argument of e alone, as the arguments of a new message, and the attachments it refers
// to. Without an argument both are nil. The result aliases e.
//
// Placeholders keep their numbers, so what is relayed stays byte for byte. A client numbers attachments in the order of
// its arguments, so those of the first are the first ones, and the others are left out.
func FirstArgument(e *app.Event) ([]json.RawMessage, [][]byte) {
	if len(e.Args) == 0 {
		return nil, nil
	}
	attachments := e.Attachments
	if len(e.Args) > 1 && len(attachments) > 0 {
		attachments = attachments[:placeholders(e.Args[0], len(attachments))]
	}
	return e.Args[:1:1], attachments
}

// Argument returns the first argument of an event, nil without one.
func Argument(e *app.Event) json.RawMessage {
	if len(e.Args) == 0 {
		return nil
	}
	return e.Args[0]
}

// Fields returns the values of some members of an object, nil for those it does not have, and whether it is an object.
// Of two members with one name the last counts, as in JavaScript.
func Fields(raw json.RawMessage, names ...string) ([]json.RawMessage, bool) {
	m, ok := MembersOf(raw)
	if !ok {
		return nil, false
	}
	values := make([]json.RawMessage, len(names))
	for key, value, more := m.Next(); more; key, value, more = m.Next() {
		for i, name := range names {
			if KeyIs(key, name) {
				values[i] = value
			}
		}
	}
	return values, true
}
