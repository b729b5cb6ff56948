package format

import (
	"time"
	"unicode/utf8"

	"signalbox/server/msgpack"
)

// maxTimeoutMs bounds a timeout so that it is a Duration.
const maxTimeoutMs = 1 << 40

// window makes strings of parts of a message that are close together, with one allocation for many.
type window struct {
	text  string
	start int
}

// windowBytes is the size of a window.
const windowBytes = 192

// string returns part as a string. It must be what c read last.
func (w *window) string(c *msgpack.Cursor, part []byte) string {
	from := c.I - len(part)
	if c.Bad || len(part) == 0 {
		return ""
	}
	if len(part) > windowBytes {
		return string(part)
	}
	if from < w.start || c.I > w.start+len(w.text) {
		w.start = from
		w.text = string(c.B[from:min(from+windowBytes, len(c.B))])
	}
	return w.text[from-w.start : c.I-w.start]
}

// opened is what the opts of a message hold, with the storage for the common case.
type opened struct {
	ext   Ext
	rooms [1]string
}

// peekNothing passes what an emitter writes in place of an empty list or map, and reports whether it is there: nil, an
// empty text, an empty array. PHP has one type for lists and maps, and Python's emitter writes "".
func peekNothing(c *msgpack.Cursor) bool {
	if c.Bad || c.I >= len(c.B) {
		return false
	}
	switch c.B[c.I] {
	case msgpack.CodeNil, msgpack.CodeFixString, msgpack.CodeFixArray:
		c.I++
		return true
	}
	return false
}

// peekOpts reads the opts of a broadcast.
func (p *Peeked) peekOpts(c *msgpack.Cursor, w *window) {
	if peekNothing(c) {
		return
	}
	var o *opened
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		switch string(c.Text()) {
		case "rooms":
			if o == nil {
				o = new(opened)
			}
			p.Rooms = peekStrings(c, w, o.rooms[:0])
		case "except":
			p.Except = peekStrings(c, w, nil)
		case "flags":
			p.Flags = peekFlags(c)
		case extKey:
			if o == nil {
				o = new(opened)
			}
			p.Ext = &o.ext
			p.peekExt(c, w)
		default:
			c.Skip()
		}
	}
}

// peekStrings reads an array of names. storage is used while it is large enough.
func peekStrings(c *msgpack.Cursor, w *window, storage []string) []string {
	if peekNothing(c) {
		return nil
	}
	n := c.Array()
	if n == 0 {
		return nil
	}
	if n > cap(storage) {
		storage = make([]string, 0, n)
	}
	for ; n > 0 && !c.Bad; n-- {
		if c.Kind() == msgpack.KindString {
			storage = append(storage, w.string(c, c.Text()))
			continue
		}
		if c.Kind() == msgpack.KindNil {
			c.Fail()
		}
		var buf [32]byte
		storage = append(storage, string(msgpack.AppendName(buf[:0], c)))
	}
	return storage
}

func peekFlags(c *msgpack.Cursor) (f Flags) {
	if peekNothing(c) {
		return f
	}
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		switch string(c.Text()) {
		case "volatile":
			f.Volatile = peekTrue(c)
		case "compress":
			if c.Kind() == msgpack.KindBool {
				f.Plain = !c.Bool()
			} else {
				c.Skip()
			}
		case "expectSingleResponse":
			f.Single = peekTrue(c)
		case "timeout":
			if ms, ok := c.Number(); ok {
				f.Timeout = milliseconds(ms)
			} else {
				c.Skip()
			}
		default:
			c.Skip()
		}
	}
	return f
}

// milliseconds returns a timeout that another server has chosen; what makes no sense is none.
func milliseconds(ms float64) time.Duration {
	if ms > 0 { // false for NaN
		return time.Duration(min(ms, maxTimeoutMs)) * time.Millisecond
	}
	return 0
}

// peekTrue passes a value and reports whether it is true.
func peekTrue(c *msgpack.Cursor) bool {
	if c.Kind() == msgpack.KindBool {
		return c.Bool()
	}
	c.Skip()
	return false
}

func (p *Peeked) peekExt(c *msgpack.Cursor, w *window) {
	x := p.Ext
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		switch string(c.Text()) {
		case extRoomKinds:
			x.RoomKinds = w.string(c, c.Text())
		case extExceptKinds:
			x.ExceptKinds = w.string(c, c.Text())
		case extNode:
			x.Node = w.string(c, c.Text())
		case extMessageID:
			x.MessageID = w.string(c, c.Text())
		case extCountID:
			x.CountID = w.string(c, c.Text())
		case extForeign:
			x.Foreign = peekTrue(c)
		case extDeriveSSE:
			x.DeriveSSE = peekTrue(c)
		case extText:
			x.Text = peekText(c)
		case extSSE:
			x.SSE = peekText(c)
		case extArgs:
			p.raw = c.Span()
		case extAttachments:
			p.extra = c.Span()
		default:
			c.Skip()
		}
	}
}

// peekText reads bytes that must be UTF-8, for they go to clients as they are.
func peekText(c *msgpack.Cursor) []byte {
	b := c.Bin()
	if !utf8.Valid(b) {
		c.Fail()
	}
	return b
}
