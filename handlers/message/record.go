package message

import (
	"bytes"
	"encoding/json"
)

// AppendRecord appends one record of a stream: data is one JSON value. Without an event name the client takes it for a
// message; an id is what it sends as Last-Event-ID when it comes back.
//
// Rule: [WHATWG HTML, event stream interpretation]. A line break ends a field, so JSON that has any between its values
// is written without.
//
// [WHATWG HTML, event stream interpretation]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
func AppendRecord(dst []byte, id, event string, data []byte) []byte {
	if id != "" {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	if event != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, event...)
		dst = append(dst, '\n')
	}
	dst = append(dst, "data: "...)
	dst = append(dst, OneLine(data)...)
	return append(dst, "\n\n"...)
}

// OneLine returns valid JSON without line breaks: the same bytes where it has none.
func OneLine(data []byte) []byte {
	if bytes.IndexByte(data, '\n') < 0 && bytes.IndexByte(data, '\r') < 0 {
		return data
	}
	var b bytes.Buffer
	b.Grow(len(data))
	if json.Compact(&b, data) != nil {
		return []byte("null") // never: callers have checked it
	}
	return b.Bytes()
}
