package format

import (
	"encoding/json"
	"slices"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/msgpack"
	"signalbox/server/rawjson"
)

// packetType is the type of every packet between servers: EVENT, whether or not it has attachments.
const packetType = 2

// AppendClassic appends a broadcast as the classic adapter publishes it: [uid, packet, opts], or where an answer is wanted
// a request of type 7. The result is always what Node servers can decode, for they end over anything else. It returns an
// error, and dst as it was, for an event without a name, arguments that are not JSON, and JSON that nests deeper than
// [rawjson.MaxDepth].
//
// Rule: the array has exactly three elements; key order is that of Node's.
func AppendClassic(dst []byte, b *Broadcast) ([]byte, error) {
	size := sizeOfPacket(&b.Packet) + sizeOfOpts(b) + len(b.UID) + len(b.Namespace) + len(b.RequestID) + 64
	p := newPacker(slices.Grow(dst, size), &b.Packet)
	if b.RequestID == "" {
		p.Dst = append(p.Dst, msgpack.CodeFixArray|3)
		p.Dst = msgp.AppendString(p.Dst, b.UID)
		p.Dst = append(p.Dst, msgpack.CodeFixMap|3)
	} else {
		p.Dst = msgp.AppendString(append(p.Dst, "\x85\xa3uid"...), b.UID)
		p.Dst = msgp.AppendString(append(p.Dst, "\xa9requestId"...), b.RequestID)
		p.Dst = append(p.Dst, "\xa4type\x07\xa6packet\x83"...)
	}
	if err := p.event(b.Args); err != nil {
		return dst, err
	}
	p.Dst = msgp.AppendString(append(p.Dst, "\xa3nsp"...), b.Namespace)
	if b.RequestID != "" {
		p.Dst = append(p.Dst, "\xa4opts"...)
	}
	p.packOpts(b)
	return p.Dst, nil
}

// packer writes events and what goes with them.
type packer struct{ msgpack.Packer }

func newPacker(dst []byte, p *Packet) packer {
	return packer{msgpack.NewPacker(dst, p.Attachments)}
}

// event writes the members of a packet that all modes have.
func (p *packer) event(args []json.RawMessage) error {
	if !isEvent(args) {
		return ErrEvent
	}
	p.Dst = append(p.Dst, "\xa4type\x02\xa4data"...)
	return p.Array(args)
}

// isEvent reports whether args begin with the name of an event.
func isEvent(args []json.RawMessage) bool {
	if len(args) == 0 {
		return false
	}
	name := rawjson.TrimSpace(args[0])
	return rawjson.IsString(name) || rawjson.IsNumber(name)
}

func sizeOfPacket(p *Packet) int {
	size := 0
	for _, arg := range p.Args {
		size += len(arg) + len(arg)/8 + 5
	}
	for _, a := range p.Attachments {
		size += len(a)
	}
	return size
}

// PeekClassic reads a broadcast of the classic adapter or the Redis emitter, but its event: that is what [Peeked.Packet]
// is for. So a message of one's own, or for rooms that nobody is in, costs little. msg must not change afterwards.
func PeekClassic(msg []byte) (Peeked, error) {
	p := Peeked{packed: true}
	c := msgpack.Cursor{B: msg}
	n := c.Array()
	if n < 3 {
		return Peeked{}, ErrFormat
	}
	p.UID = string(c.Text())
	var w window
	p.peekPacket(&c, &w)
	p.peekOpts(&c, &w)
	for ; n > 3 && !c.Bad; n-- {
		c.Skip()
	}
	if !c.Done() {
		return Peeked{}, ErrFormat
	}
	return p, nil
}

// peekPacket reads a packet but its data.
func (p *Peeked) peekPacket(c *msgpack.Cursor, w *window) {
	isEvent := false
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		switch string(c.Text()) {
		case "type":
			kind, _ := c.Number()
			isEvent = kind == packetType
		case "data":
			if c.Kind() != msgpack.KindArray {
				c.Fail()
			}
			p.data = c.Span()
		case "nsp":
			if nsp := c.Text(); len(nsp) != 1 || nsp[0] != '/' {
				p.Namespace = w.string(c, nsp)
			} else {
				p.Namespace = "/"
			}
		default:
			c.Skip()
		}
	}
	if p.Namespace == "" {
		p.Namespace = "/"
	}
	if !isEvent || p.data == nil {
		c.Fail()
	}
}
