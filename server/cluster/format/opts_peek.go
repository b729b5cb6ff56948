package format

import (
	"time"
	"unicode/utf8"
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
func (w *window) string(c *cursor, part []byte) string {
	from := c.i - len(part)
	if c.bad || len(part) == 0 {
		return ""
	}
	if len(part) > windowBytes {
		return string(part)
	}
	if from < w.start || c.i > w.start+len(w.text) {
		w.start = from
		w.text = string(c.b[from:min(from+windowBytes, len(c.b))])
	}
	return w.text[from-w.start : c.i-w.start]
}

// opened is what the opts of a message hold, with the storage for the common case.
type opened struct {
	ext   Ext
	rooms [1]string
}

// peekNothing passes what an emitter writes in place of an empty list or map, and reports whether it is there: nil, an
// empty text, an empty array. PHP has one type for lists and maps, and Python's emitter writes "".
func (c *cursor) peekNothing() bool {
	if c.bad || c.i >= len(c.b) {
		return false
	}
	switch c.b[c.i] {
	case codeNil, codeFixString, codeFixArray:
		c.i++
		return true
	}
	return false
}

// peekOpts reads the opts of a broadcast.
func (p *Peeked) peekOpts(c *cursor, w *window) {
	if c.peekNothing() {
		return
	}
	var o *opened
	for n := c.mapping(); n > 0 && !c.bad; n-- {
		switch string(c.text()) {
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
			c.skip()
		}
	}
}

// peekStrings reads an array of names. storage is used while it is large enough.
func peekStrings(c *cursor, w *window, storage []string) []string {
	if c.peekNothing() {
		return nil
	}
	n := c.array()
	if n == 0 {
		return nil
	}
	if n > cap(storage) {
		storage = make([]string, 0, n)
	}
	for ; n > 0 && !c.bad; n-- {
		if c.kind() == kindString {
			storage = append(storage, w.string(c, c.text()))
			continue
		}
		if c.kind() == kindNil {
			c.fail()
		}
		var buf [32]byte
		storage = append(storage, string(appendName(buf[:0], c)))
	}
	return storage
}

func peekFlags(c *cursor) (f Flags) {
	if c.peekNothing() {
		return f
	}
	for n := c.mapping(); n > 0 && !c.bad; n-- {
		switch string(c.text()) {
		case "volatile":
			f.Volatile = c.peekTrue()
		case "expectSingleResponse":
			f.Single = c.peekTrue()
		case "timeout":
			if ms, ok := c.number(); ok {
				f.Timeout = milliseconds(ms)
			} else {
				c.skip()
			}
		default:
			c.skip()
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
func (c *cursor) peekTrue() bool {
	if c.kind() == kindBool {
		return c.boolean()
	}
	c.skip()
	return false
}

func (p *Peeked) peekExt(c *cursor, w *window) {
	x := p.Ext
	for n := c.mapping(); n > 0 && !c.bad; n-- {
		switch string(c.text()) {
		case extRoomKinds:
			x.RoomKinds = w.string(c, c.text())
		case extExceptKinds:
			x.ExceptKinds = w.string(c, c.text())
		case extNode:
			x.Node = w.string(c, c.text())
		case extMessageID:
			x.MessageID = w.string(c, c.text())
		case extCountID:
			x.CountID = w.string(c, c.text())
		case extForeign:
			x.Foreign = c.peekTrue()
		case extDeriveSSE:
			x.DeriveSSE = c.peekTrue()
		case extText:
			x.Text = c.peekText()
		case extSSE:
			x.SSE = c.peekText()
		case extArgs:
			p.raw = c.span()
		case extAttachments:
			p.extra = c.span()
		default:
			c.skip()
		}
	}
}

// peekText reads bytes that must be UTF-8, for they go to clients as they are.
func (c *cursor) peekText() []byte {
	b := c.bin()
	if !utf8.Valid(b) {
		c.fail()
	}
	return b
}
