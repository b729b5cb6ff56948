package format

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"signalbox/server/rawjson"
)

// options are the opts of a message in JSON.
type options struct {
	rooms, except []string
	flags         Flags
	ext           *Ext
}

func parseOpts(b []byte) (o options, err error) {
	if isNothing(b) {
		return o, nil
	}
	m := rawjson.Object(b)
	for err == nil {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case "rooms":
			o.rooms, err = names(value)
		case "except":
			o.except, err = names(value)
		case "flags":
			o.flags, err = parseFlags(value)
		case extKey:
			o.ext, err = parseExt(value)
		}
	}
	if m.Err() != nil && err == nil {
		err = ErrFormat
	}
	return o, err
}

// isNothing is [peekNothing] for a value in JSON.
func isNothing(b []byte) bool {
	switch string(rawjson.TrimSpace(b)) {
	case "null", `""`, "[]":
		return true
	}
	return false
}

func parseFlags(b []byte) (f Flags, err error) {
	if isNothing(b) {
		return f, nil
	}
	m := rawjson.Object(b)
	for {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case "volatile":
			f.Volatile = string(value) == "true"
		case "compress":
			f.Plain = string(value) == "false"
		case "expectSingleResponse":
			f.Single = string(value) == "true"
		case "timeout":
			if ms, err := strconv.ParseFloat(string(value), 64); err == nil {
				f.Timeout = milliseconds(ms)
			}
		}
	}
	if m.Err() != nil {
		err = ErrFormat
	}
	return f, err
}

func parseExt(b []byte) (*Ext, error) {
	x := new(Ext)
	m := rawjson.Object(b)
	for {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case extRoomKinds:
			x.RoomKinds, ok = text(value)
		case extExceptKinds:
			x.ExceptKinds, ok = text(value)
		case extNode:
			x.Node, ok = text(value)
		case extMessageID:
			x.MessageID, ok = text(value)
		case extCountID:
			x.CountID, ok = text(value)
		case extForeign:
			x.Foreign = string(value) == "true"
		case extDeriveSSE:
			x.DeriveSSE = string(value) == "true"
		case extText:
			x.Text, ok = textBytes(value)
		case extSSE:
			x.SSE, ok = textBytes(value)
		}
		if !ok {
			return nil, ErrFormat
		}
	}
	if m.Err() != nil {
		return nil, ErrFormat
	}
	return x, nil
}

// textBytes is text for what is kept as bytes. They alias raw where they can.
func textBytes(raw []byte) (b []byte, ok bool) {
	if !rawjson.IsString(raw) {
		return nil, false
	}
	return rawjson.Unquote(raw), true
}

// appendOpts appends opts as JSON: flags only where the mode has them.
func appendOpts(dst []byte, rooms, except []string, flags *Flags, x *Ext) []byte {
	dst = appendNames(append(dst, `{"rooms":`...), rooms)
	dst = appendNames(append(dst, `,"except":`...), except)
	if flags != nil {
		dst = append(dst, `,"flags":`...)
		w := objectWriter{dst: append(dst, '{')}
		w.flag("volatile", flags.Volatile)
		if flags.Plain {
			w.key("compress")
			w.dst = append(w.dst, "false"...)
		}
		if ms := flags.Timeout.Milliseconds(); ms > 0 {
			w.key("timeout")
			w.dst = strconv.AppendInt(w.dst, ms, 10)
		}
		w.flag("expectSingleResponse", flags.Single)
		dst = append(w.dst, '}')
	}
	if x != nil {
		dst = append(dst, `,"`+extKey+`":`...)
		w := objectWriter{dst: append(dst, '{')}
		w.string(extRoomKinds, x.RoomKinds)
		w.string(extExceptKinds, x.ExceptKinds)
		w.string(extNode, x.Node)
		w.string(extMessageID, x.MessageID)
		w.string(extCountID, x.CountID)
		w.flag(extForeign, x.Foreign)
		w.flag(extDeriveSSE, x.DeriveSSE)
		w.bytes(extText, x.Text)
		w.bytes(extSSE, x.SSE)
		dst = append(w.dst, '}')
	}
	return append(dst, '}')
}

// kinds returns what the opts of a request say to signalbox nodes, nil: nothing.
func (r *Request) kinds() *Ext {
	if r.RoomKinds == "" && r.ExceptKinds == "" {
		return nil
	}
	return &Ext{RoomKinds: r.RoomKinds, ExceptKinds: r.ExceptKinds}
}

// objectWriter writes the members of a JSON object. Keys must need no escapes.
type objectWriter struct {
	dst []byte
}

func (w *objectWriter) key(key string) {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, key...)
	w.dst = append(w.dst, '"', ':')
}

func (w *objectWriter) string(key, value string) {
	if value != "" {
		w.key(key)
		w.dst = rawjson.AppendString(w.dst, value)
	}
}

func (w *objectWriter) flag(key string, value bool) {
	if value {
		w.key(key)
		w.dst = append(w.dst, "true"...)
	}
}

func (w *objectWriter) bytes(key string, value []byte) {
	if value != nil {
		w.key(key)
		w.dst = rawjson.AppendQuoted(w.dst, value)
	}
}

func (w *objectWriter) number(key string, value int64) {
	w.key(key)
	w.dst = strconv.AppendInt(w.dst, value, 10)
}

func (w *objectWriter) names(key string, list []string) {
	w.key(key)
	w.dst = appendNames(w.dst, list)
}

func appendNames(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, s)
	}
	return append(dst, ']')
}

// appendValues appends the elements of an array of JSON, each as it is but for the space around it. What is no JSON, or
// nests too deep, is an error; bytes that are not UTF-8 become U+FFFD.
func appendValues[T ~[]byte](dst []byte, values []T) ([]byte, error) {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, v); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendValue is appendValues for one value.
func appendValue(dst, value []byte) ([]byte, error) {
	value = clean(value)
	if err := rawjson.Check(value); err != nil {
		return dst, err
	}
	return append(dst, value...), nil
}

// clean returns JSON without the space around it, and with U+FFFD for bytes that are not UTF-8: they would break the
// connections of the clients that they come to.
func clean(value []byte) []byte {
	value = rawjson.TrimSpace(value)
	if utf8.Valid(value) {
		return value
	}
	return bytes.ToValidUTF8(value, []byte("\uFFFD"))
}
