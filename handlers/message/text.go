package message

import (
	"encoding/json"
	"time"
)

// isoLayout is how JavaScript's Date writes itself as JSON.
const isoLayout = "2006-01-02T15:04:05.000Z"

// AppendExpiry appends {"expiresAt":"..."}, null for a token that does not expire.
func AppendExpiry(dst []byte, expires time.Time) []byte {
	dst = append(dst, `{"expiresAt":`...)
	dst = AppendTime(dst, expires)
	return append(dst, '}')
}

// AppendTime appends a time as a JSON string, the zero time as null.
func AppendTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, isoLayout)
	return append(dst, '"')
}

// Text returns s as a JSON string.
func Text(s string) json.RawMessage { return AppendText(nil, s) }

// AppendText appends s in quotes. What the chat lets in needs no escape; a shared store may hold more.
func AppendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...) // never: any string can be written
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
