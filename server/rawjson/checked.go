package rawjson

import (
	"bytes"
	"encoding/json"
)

// This file reads JSON that was checked before, which need not be looked at in full again: strings are searched for their end,
// objects and arrays for their last bracket. In anything else what it finds makes no sense, and is within what was given.

// Checked begins a walk over the members of value, which is valid. [Members.Err] tells whether it is an object.
func Checked(value []byte) Members {
	m := Members{b: value, i: SkipSpace(value, 0), checked: true}
	if m.i >= len(value) || value[m.i] != '{' {
		m.err = ErrSyntax
	}
	m.i++
	return m
}

// nextChecked is Next for a walk that Checked began.
func (m *Members) nextChecked() (key, value []byte, ok bool) {
	if m.err != nil {
		return nil, nil, false
	}
	i := SkipSpace(m.b, m.i)
	if i < len(m.b) && m.b[i] == ',' {
		i = SkipSpace(m.b, i+1)
	}
	if i >= len(m.b) || m.b[i] != '"' {
		return nil, nil, false
	}
	end := skipCheckedString(m.b, i)
	if end-i < 2 {
		return nil, nil, false
	}
	key = m.b[i+1 : end-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		key = appendUnquoted(nil, key, false)
	}
	i = SkipSpace(m.b, end)
	if i >= len(m.b) || m.b[i] != ':' {
		return nil, nil, false
	}
	i = SkipSpace(m.b, i+1)
	m.i = skipChecked(m.b, i)
	return key, m.b[i:m.i:m.i], m.i > i
}

// Fields returns the values of some members of value, which is valid, nil for those it does not have, and whether it is an
// object. Of two members with one name the last counts, as in JavaScript.
func Fields(value []byte, names ...string) ([]json.RawMessage, bool) {
	values := make([]json.RawMessage, len(names))
	m := Checked(value)
	for key, member, ok := m.Next(); ok; key, member, ok = m.Next() {
		for i, name := range names {
			if string(key) == name {
				values[i] = member
			}
		}
	}
	return values, m.err == nil
}

// skipChecked returns where the value ends that starts at b[i].
func skipChecked(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return skipCheckedString(b, i)
	case '{', '[':
		return skipCheckedNested(b, i)
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
	}
	return i
}

// skipCheckedNested is skipChecked for an object or an array.
func skipCheckedNested(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			i = skipCheckedString(b, i)
			continue
		case c|0x20 == '{': // or '['
			depth++
		case c|0x20 == '}': // or ']'
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return i
}

// skipCheckedString is skipChecked for a string.
func skipCheckedString(b []byte, i int) int {
	i++
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		end := i + n
		escapes := 0
		for end-1-escapes >= i && b[end-1-escapes] == '\\' {
			escapes++
		}
		i = end + 1
		if escapes%2 == 0 {
			return i
		}
	}
	return len(b)
}
