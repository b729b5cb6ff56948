package format

import (
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// Names of the members of the extension, which is the member sb of opts, or of an answer.
const (
	extKey = "sb"

	extRoomKinds   = "k"
	extExceptKinds = "x"
	extCountID     = "c"
	extNode        = "n"
	extMessageID   = "i"
	extForeign     = "f"
	extDeriveSSE   = "d"
	extText        = "t"
	extSSE         = "s"
	extSID         = "o" // of an answer: the socket
	extArgs        = "j" // the arguments' JSON; in msgpack an array of bytes
	extAttachments = "b" // what they refer to, where that is not what the message has in the same order
)

// maxTimeoutMs bounds a timeout so that it is a Duration.
const maxTimeoutMs = 1 << 40

// packOpts writes the opts of a broadcast. p is the packer that has written the event, or what stands for it.
func (p *packer) packOpts(b *Broadcast) {
	members := uint32(3)
	raw := !p.exact || !p.refersToAll()
	if b.Ext != nil || raw {
		members++
	}
	p.dst = msgp.AppendMapHeader(p.dst, members)
	p.dst = packStrings(msgp.AppendString(p.dst, "rooms"), b.Rooms)
	p.dst = packStrings(msgp.AppendString(p.dst, "except"), b.Except)
	p.dst = packFlags(msgp.AppendString(p.dst, "flags"), b.Flags)
	if members == 3 {
		return
	}
	p.dst = msgp.AppendString(p.dst, extKey)
	w := mapWriter{dst: p.dst, start: len(p.dst)}
	w.dst = append(w.dst, 0)
	if x := b.Ext; x != nil {
		// What is small comes first, where the reader of opts still is.
		w.string(extRoomKinds, x.RoomKinds)
		w.string(extExceptKinds, x.ExceptKinds)
		w.string(extNode, x.Node)
		w.string(extMessageID, x.MessageID)
		w.string(extCountID, x.CountID)
		w.flag(extForeign, x.Foreign)
		w.flag(extDeriveSSE, x.DeriveSSE)
		w.bytes(extText, x.Text)
		w.bytes(extSSE, x.SSE)
	}
	if raw {
		w.raw(&b.Packet, !p.refersToAll())
	}
	p.dst = w.end()
}

// mapWriter writes a map of less than 16 members, whose header is at start.
type mapWriter struct {
	dst   []byte
	start int
	n     byte
}

func (w *mapWriter) key(key string) {
	w.n++
	w.dst = msgp.AppendString(w.dst, key)
}

func (w *mapWriter) string(key, value string) {
	if value != "" {
		w.key(key)
		w.dst = msgp.AppendString(w.dst, value)
	}
}

func (w *mapWriter) flag(key string, value bool) {
	if value {
		w.key(key)
		w.dst = append(w.dst, codeTrue)
	}
}

func (w *mapWriter) bytes(key string, value []byte) {
	if value != nil {
		w.key(key)
		w.dst = msgp.AppendBytes(w.dst, value)
	}
}

// raw writes the arguments as they are, and their attachments where they go along.
func (w *mapWriter) raw(p *Packet, attachments bool) {
	w.key(extArgs)
	w.dst = msgp.AppendArrayHeader(w.dst, uint32(len(p.Args)))
	for _, arg := range p.Args {
		w.dst = msgp.AppendBytes(w.dst, trimSpace(arg))
	}
	if attachments {
		w.key(extAttachments)
		w.dst = msgp.AppendArrayHeader(w.dst, uint32(len(p.Attachments)))
		for _, a := range p.Attachments {
			w.dst = msgp.AppendBytes(w.dst, a)
		}
	}
}

func (w *mapWriter) end() []byte {
	w.dst[w.start] = codeFixMap | w.n
	return w.dst
}

func packStrings(dst []byte, list []string) []byte {
	dst = msgp.AppendArrayHeader(dst, uint32(len(list)))
	for _, s := range list {
		dst = msgp.AppendString(dst, s)
	}
	return dst
}

func packFlags(dst []byte, f Flags) []byte {
	w := mapWriter{dst: append(dst, 0), start: len(dst)}
	w.flag("volatile", f.Volatile)
	if ms := f.Timeout.Milliseconds(); ms > 0 {
		w.key("timeout")
		w.dst = msgp.AppendUint64(w.dst, uint64(ms))
	}
	w.flag("expectSingleResponse", f.Single)
	return w.end()
}

// sizeOfOpts returns about how many bytes the opts of b take.
func sizeOfOpts(b *Broadcast) int {
	size := 32
	for _, room := range b.Rooms {
		size += len(room) + 5
	}
	for _, room := range b.Except {
		size += len(room) + 5
	}
	if x := b.Ext; x != nil {
		size += 48 + len(x.RoomKinds) + len(x.ExceptKinds) + len(x.Text) + len(x.SSE) + len(x.CountID) + len(x.Node) + len(x.MessageID)
	}
	return size
}

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

// peekOpts reads the opts of a broadcast.
func (p *Peeked) peekOpts(c *cursor) {
	var w window
	var o *opened
	for n := c.mapping(); n > 0 && !c.bad; n-- {
		switch string(c.text()) {
		case "rooms":
			if p.Ext == nil && o == nil {
				o = new(opened)
			}
			p.Rooms = peekStrings(c, &w, o.rooms[:0])
		case "except":
			p.Except = peekStrings(c, &w, nil)
		case "flags":
			p.Flags = peekFlags(c)
		case extKey:
			if o == nil {
				o = new(opened)
			}
			p.Ext = &o.ext
			p.peekExt(c, &w)
		default:
			c.skip()
		}
	}
}

// peekStrings reads an array of names. storage is used while it is large enough.
func peekStrings(c *cursor, w *window, storage []string) []string {
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
	if c.kind() == kindNil {
		c.skip()
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
