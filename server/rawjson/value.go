package rawjson

import "encoding/json"

// Check reports whether data is one value that nests at most [MaxDepth] deep, and nothing else but white space.
func Check(data []byte) error {
	end, err := SkipValue(data, SkipSpace(data, 0))
	if err != nil {
		return err
	}
	return onlySpace(data, end)
}

// CheckObject is [Check] for a value that has to be an object.
func CheckObject(data []byte) error {
	if i := SkipSpace(data, 0); i >= len(data) || data[i] != '{' {
		return ErrSyntax
	}
	return Check(data)
}

func onlySpace(data []byte, i int) error {
	if SkipSpace(data, i) != len(data) {
		return ErrSyntax
	}
	return nil
}

// IsString reports whether a value is a string.
func IsString(raw []byte) bool { return len(raw) >= 2 && raw[0] == '"' }

// IsNumber reports whether a value is a number.
func IsNumber(raw []byte) bool { return len(raw) > 0 && (raw[0] == '-' || isDigit(raw[0])) }

// Split checks that data is one array and nothing else but white space, and appends its elements to list as they stand.
// Each may nest [MaxDepth] deep.
func Split(data []byte, list []json.RawMessage) ([]json.RawMessage, error) {
	i := SkipSpace(data, 0)
	if i >= len(data) || data[i] != '[' {
		return list, ErrSyntax
	}
	i = SkipSpace(data, i+1)
	if i < len(data) && data[i] == ']' {
		return list, onlySpace(data, i+1)
	}
	for {
		end, err := SkipValue(data, i)
		if err != nil {
			return list, err
		}
		list = append(list, data[i:end:end])
		i = SkipSpace(data, end)
		if i >= len(data) {
			return list, ErrSyntax
		}
		switch data[i] {
		case ',':
			i = SkipSpace(data, i+1)
		case ']':
			return list, onlySpace(data, i+1)
		default:
			return list, ErrSyntax
		}
	}
}

// Members walks over the members of one object.
type Members struct {
	b    []byte
	i    int // where the next key begins
	done bool
	err  error

	checked bool // it was begun by Checked: i is behind a brace or a value
}

// Object begins a walk over the object that b is, with or without space around it. The object is valid if the walk went to
// its end and [Members.Err] is nil then. Its values may nest a little deeper than [MaxDepth], as messages between servers do.
func Object(b []byte) Members {
	m := Members{b: b, i: SkipSpace(b, 0)}
	if m.i >= len(b) || b[m.i] != '{' {
		m.err = ErrSyntax
		return m
	}
	m.i = SkipSpace(b, m.i+1)
	if m.i < len(b) && b[m.i] == '}' {
		m.end(m.i)
	}
	return m
}

// end ends the walk at the brace at b[i], which nothing may follow.
func (m *Members) end(i int) {
	m.done = true
	m.err = onlySpace(m.b, i+1)
}

// Err returns what was wrong so far: b is no object, or not valid up to where the walk came.
func (m *Members) Err() error { return m.err }

// Next returns the text of a key, and its value; ok is false when there is none left. Both alias the object, but for a key
// with escapes.
func (m *Members) Next() (key, value []byte, ok bool) {
	if m.checked {
		return m.nextChecked()
	}
	if m.done || m.err != nil {
		return nil, nil, false
	}
	start := m.i
	keyEnd, i, err := skipKey(m.b, start)
	if err != nil {
		m.err = err
		return nil, nil, false
	}
	end, err := skipValue(m.b, i, MaxDepth+maxEnvelope)
	if err != nil {
		m.err = err
		return nil, nil, false
	}
	value = m.b[i:end:end]
	switch end = SkipSpace(m.b, end); {
	case end < len(m.b) && m.b[end] == ',':
		m.i = SkipSpace(m.b, end+1)
	case end < len(m.b) && m.b[end] == '}':
		m.end(end)
		if m.err != nil {
			return nil, nil, false
		}
	default:
		m.err = ErrSyntax
		return nil, nil, false
	}
	return Unquote(m.b[start:keyEnd]), value, true
}
