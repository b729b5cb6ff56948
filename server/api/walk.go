package api

import (
	"bytes"
	"encoding/json"
)

// walk goes over the members of one JSON object without decoding their values. What it is given has to be valid JSON.
type walk struct {
	raw []byte
	pos int // behind the brace, a comma or a value
}

// walkObject returns a walk over raw, and reports whether raw is an object.
func walkObject(raw []byte) (walk, bool) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return walk{}, false
	}
	return walk{raw: raw, pos: i + 1}, true
}

// next returns the next member's name and its value, which aliases the object; false behind the last.
func (w *walk) next() (name string, value json.RawMessage, ok bool) {
	i := skipSpace(w.raw, w.pos)
	if w.raw[i] == ',' {
		i = skipSpace(w.raw, i+1)
	}
	if w.raw[i] == '}' {
		return "", nil, false
	}
	end := skipString(w.raw, i)
	name = memberName(w.raw[i:end])
	i = skipSpace(w.raw, end)   // at the colon
	i = skipSpace(w.raw, i+1)   // at the value
	w.pos = skipValue(w.raw, i) // behind it
	return name, w.raw[i:w.pos:w.pos], true
}

// memberName returns the text of a JSON string that is valid.
func memberName(quoted []byte) string {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return s
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the index behind the string whose opening quote is at i.
func skipString(raw []byte, i int) int {
	for i++; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index behind the value that begins at i. Nesting is counted, so it costs no stack.
func skipValue(raw []byte, i int) int {
	depth := 0
	for {
		switch raw[i] {
		case '"':
			i = skipString(raw, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\n', '\r', '\t':
			i++
			continue // inside a value: at its end it is not looked at
		default:
			i = skipWord(raw, i)
		}
		if depth == 0 {
			return i
		}
	}
}

// skipWord returns the index behind a number, true, false or null.
func skipWord(raw []byte, i int) int {
	for i < len(raw) {
		switch raw[i] {
		case ',', ':', ']', '}', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}
