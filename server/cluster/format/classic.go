package format

import (
	"encoding/json"
	"slices"

	"github.com/tinylib/msgp/msgp"

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
		p.dst = append(p.dst, codeFixArray|3)
		p.dst = msgp.AppendString(p.dst, b.UID)
		p.dst = append(p.dst, codeFixMap|3)
	} else {
		p.dst = msgp.AppendString(append(p.dst, "\x85\xa3uid"...), b.UID)
		p.dst = msgp.AppendString(append(p.dst, "\xa9requestId"...), b.RequestID)
		p.dst = append(p.dst, "\xa4type\x07\xa6packet\x83"...)
	}
	if err := p.event(b.Args); err != nil {
		return dst, err
	}
	p.dst = msgp.AppendString(append(p.dst, "\xa3nsp"...), b.Namespace)
	if b.RequestID != "" {
		p.dst = append(p.dst, "\xa4opts"...)
	}
	p.packOpts(b)
	return p.dst, nil
}

// event writes the members of a packet that all modes have.
func (p *packer) event(args []json.RawMessage) error {
	if !isEvent(args) {
		return ErrEvent
	}
	p.dst = append(p.dst, "\xa4type\x02\xa4data"...)
	return p.array(args)
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
	c := cursor{b: msg}
	n := c.array()
	if n < 3 {
		return Peeked{}, ErrFormat
	}
	p.UID = string(c.text())
	var w window
	p.peekPacket(&c, &w)
	p.peekOpts(&c, &w)
	for ; n > 3 && !c.bad; n-- {
		c.skip()
	}
	if !c.done() {
		return Peeked{}, ErrFormat
	}
	return p, nil
}

// peekPacket reads a packet but its data.
func (p *Peeked) peekPacket(c *cursor, w *window) {
	isEvent := false
	for n := c.mapping(); n > 0 && !c.bad; n-- {
		switch string(c.text()) {
		case "type":
			kind, _ := c.number()
			isEvent = kind == packetType
		case "data":
			if c.kind() != kindArray {
				c.fail()
			}
			p.data = c.span()
		case "nsp":
			if nsp := c.text(); len(nsp) != 1 || nsp[0] != '/' {
				p.Namespace = w.string(c, nsp)
			} else {
				p.Namespace = "/"
			}
		default:
			c.skip()
		}
	}
	if p.Namespace == "" {
		p.Namespace = "/"
	}
	if !isEvent || p.data == nil {
		c.fail()
	}
}
