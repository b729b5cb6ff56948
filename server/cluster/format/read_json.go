package format

import (
	"encoding/json"
	"strconv"
)

// members walks over the members of a JSON object.
type members struct {
	b      []byte
	i      int // where the next key begins
	closed bool
	bad    bool
}

// walk begins at the object that b is, with or without space around it. The object is valid if the walk went to its end
// and bad is not set then.
func walk(b []byte) members {
	m := members{b: b, i: skipSpace(b, 0)}
	if m.i >= len(b) || b[m.i] != '{' {
		m.bad = true
		return m
	}
	m.i = skipSpace(b, m.i+1)
	if m.i < len(b) && b[m.i] == '}' {
		m.close(m.i)
	}
	return m
}

// close ends the walk at the brace at b[i], which nothing may follow.
func (m *members) close(i int) {
	m.closed = true
	m.bad = skipSpace(m.b, i+1) != len(m.b)
}

// next returns a key without its quotes, and its value; ok is false when there is none left. Both alias the object, but
// for a key with escapes.
func (m *members) next() (key, value []byte, ok bool) {
	if m.bad || m.closed {
		return nil, nil, false
	}
	key, i, err := scanKey(m.b, m.i)
	if err != nil {
		m.bad = true
		return nil, nil, false
	}
	end, err := skipValue(m.b, i, MaxDepth+maxEnvelope)
	if err != nil {
		m.bad = true
		return nil, nil, false
	}
	value = m.b[i:end:end]
	switch end = skipSpace(m.b, end); {
	case end < len(m.b) && m.b[end] == ',':
		m.i = skipSpace(m.b, end+1)
	case end < len(m.b) && m.b[end] == '}':
		m.close(end)
	default:
		m.bad = true
		return nil, nil, false
	}
	return unquoted(key), value, true
}

// unquoted returns the text of a JSON string, which aliases raw where it can.
func unquoted(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if end, _ := plainRun(inner, 0); end == len(inner) {
		return inner
	}
	return appendUnquoted(nil, inner)
}

// text returns what a JSON string says; ok is false for anything else.
func text(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return string(unquoted(raw)), true
}

// splitArray reads an array of JSON values. They alias b.
func splitArray(b []byte) (Packet, error) {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '[' {
		return Packet{}, ErrFormat
	}
	args := make([]json.RawMessage, 0, 4)
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return Packet{Args: args}, nil
	}
	for {
		end, err := skipValue(b, i, MaxDepth)
		if err != nil {
			return Packet{}, err
		}
		args = append(args, b[i:end:end])
		i = skipSpace(b, end)
		if i >= len(b) || b[i] != ',' && b[i] != ']' {
			return Packet{}, ErrFormat
		}
		if b[i] == ']' {
			return Packet{Args: args}, nil
		}
		i = skipSpace(b, i+1)
	}
}

// names returns the elements of a JSON array as names of rooms: strings, or numbers, which become text. nil is none.
func names(raw []byte) (list []string, err error) {
	if raw == nil {
		return nil, nil
	}
	packet, err := splitArray(raw)
	if err != nil || len(packet.Args) == 0 {
		return nil, err
	}
	list = make([]string, 0, len(packet.Args))
	for _, arg := range packet.Args {
		switch c := arg[0]; {
		case c == '"':
			list = append(list, string(unquoted(arg)))
		case c == '-' || isDigit(c):
			list = append(list, numberName(arg))
		case c == 't' || c == 'f':
			list = append(list, string(arg))
		default:
			return nil, ErrFormat
		}
	}
	return list, nil
}

// numberName returns what JavaScript's String() makes of a number, but that whole numbers keep their digits.
func numberName(raw []byte) string {
	p := packer{}
	if p.integer(raw) {
		return string(raw)
	}
	f, _ := strconv.ParseFloat(string(raw), 64)
	return string(appendNumberName(nil, f))
}

// count returns a number of clients.
func count(raw []byte) (int64, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		return 0, ErrFormat
	}
	return n, nil
}
