package message

import "time"

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
