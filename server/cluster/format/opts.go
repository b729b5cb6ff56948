package format

import (
	"github.com/tinylib/msgp/msgp"

	"signalbox/server/msgpack"
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

// packOpts writes the opts of a broadcast. p is the packer that has written the event, or what stands for it.
func (p *packer) packOpts(b *Broadcast) {
	members := byte(3)
	raw := !p.Exact || !p.RefersToAll()
	if b.Ext != nil || raw {
		members++
	}
	p.Dst = append(p.Dst, msgpack.CodeFixMap|members)
	p.Dst = packStrings(append(p.Dst, "\xa5rooms"...), b.Rooms)
	p.Dst = packStrings(append(p.Dst, "\xa6except"...), b.Except)
	p.Dst = packFlags(append(p.Dst, "\xa5flags"...), b.Flags)
	if members == 3 {
		return
	}
	p.Dst = msgp.AppendString(p.Dst, extKey)
	w := mapWriter{dst: p.Dst, start: len(p.Dst)}
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
		w.raw(&b.Packet, !p.RefersToAll())
	}
	p.Dst = w.end()
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
		w.dst = append(w.dst, msgpack.CodeTrue)
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
		w.dst = msgp.AppendBytes(w.dst, clean(arg))
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
	w.dst[w.start] = msgpack.CodeFixMap | w.n
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
	if f.Plain {
		w.key("compress")
		w.dst = append(w.dst, msgpack.CodeFalse)
	}
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
