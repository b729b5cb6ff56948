package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/msgpack"
	"signalbox/server/wire"
)

// This file is for clients with socket.io-msgpack-parser. Packets are translated where they come in and where they leave:
// nothing in between knows of it.
//
// Rule: the packet is one map in one binary message, {type, data, id?, nsp, options?}, of the types 0 to 4, as
// socket.io-msgpack-parser 3.0 and its notepack.io 2.2 write and check it. Who begins with such a packet goes on so.

// packed takes one packet.
func (c *conn) packed(data []byte) error {
	if !c.msgpack {
		c.msgpack = true
		if r := c.server.recoveries; r != nil {
			r.translated.Store(true)
		}
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	p, attachments, err := decodeMsgpack(data, s.args[:0])
	if err != nil {
		return c.refuse(err)
	}
	return c.refuse(c.handle(&p, attachments, s))
}

// decodeMsgpack reads one packet as decode and the attachments behind it would give it. args is storage for its arguments;
// the attachments alias data.
//
// Rule: what either of the two parsers refuses is refused. options are the client's own affair.
func decodeMsgpack(data []byte, args []json.RawMessage) (p packet, attachments [][]byte, err error) {
	var content []byte
	c := msgpack.Cursor{B: data}
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		switch string(c.Text()) {
		case "type":
			kind, ok := c.Number()
			if !ok || kind < 0 || kind > 4 || kind != math.Trunc(kind) {
				return p, nil, fmt.Errorf("%w: unknown type", errPacket)
			}
			p.kind = typeConnect + packetType(kind)
		case "nsp":
			p.namespace = c.Text()
		case "id":
			if p.id = nil; c.SkipUndefined() {
				continue
			}
			id, ok := c.Number()
			if !ok || id < 0 || id > 1<<53 || id != math.Trunc(id) {
				return p, nil, fmt.Errorf("%w: ack id", errPacket)
			}
			p.id = strconv.AppendUint(nil, uint64(id), 10)
		case "data":
			if content = nil; !c.SkipUndefined() {
				content = c.Span()
			}
		default:
			c.Skip()
		}
	}
	switch nsp := p.namespace; {
	case !c.Done() || p.kind == 0:
		return p, nil, errPacket
	case len(nsp) > maxNamespaceBytes:
		return p, nil, fmt.Errorf("namespace: %w", errTooLong)
	case len(nsp) == 0 || nsp[0] != '/' || bytes.IndexByte(nsp, ',') >= 0 || !utf8.Valid(nsp):
		return p, nil, fmt.Errorf("%w: namespace", errPacket)
	}
	attachments, err = p.setContent(content, args)
	return p, attachments, err
}

// setContent is setPayload for content in msgpack, nil: there is none.
func (p *packet) setContent(content []byte, args []json.RawMessage) (attachments [][]byte, err error) {
	if p.kind != typeEvent && p.kind != typeAck {
		if content != nil {
			if p.payload, _, err = (msgpack.Form{Doubles: true, Inline: true}).Value(content); err != nil {
				return nil, err
			}
		}
		return nil, p.setPayload(p.payload, nil)
	}
	p.args, attachments, err = msgpack.Form{Doubles: true}.Array(content, args)
	switch {
	case err != nil:
		return nil, err
	case len(attachments) > maxAttachments: // clients of the default parser end over more
		return nil, fmt.Errorf("%w: too many", errAttachments)
	case len(p.args) == 0 && p.kind == typeEvent:
		return nil, fmt.Errorf("%w: event without a name", errPacket)
	case len(attachments) == 0:
		return nil, nil
	}
	return attachments, checkPlaceholders(p.args, len(attachments))
}

// send queues a message for the client.
func (c *conn) send(m *wire.Message) error {
	if c.msgpack {
		if m = m.Other(toMsgpack); m == nil {
			return c.unwritable()
		}
	}
	return c.session.Send(m)
}

// sendVolatile queues a message if the client is ready for it, and reports whether it is queued.
func (c *conn) sendVolatile(m *wire.Message) bool {
	if c.msgpack {
		if m = m.Other(toMsgpack); m == nil {
			return c.unwritable() == nil
		}
	}
	return c.session.SendVolatile(m)
}

// reply is send for an answer, which is for this client alone.
func (c *conn) reply(m *wire.Message) error {
	if c.msgpack {
		if m = toMsgpack(m); m == nil {
			return c.unwritable()
		}
	}
	return c.session.Reply(m)
}

// unwritable is called for a packet in which a program has put JSON that is none.
func (c *conn) unwritable() error {
	c.server.log.Warn("a packet cannot be written as msgpack", "session", c.session.ID())
	return errPacket
}

// toMsgpack writes a packet of the default parser as msgpack; nil: its payload is no JSON.
func toMsgpack(m *wire.Message) *wire.Message {
	parts := m.Parts()
	var p packet
	payload, err := p.setHead(parts[0].Payload()[1:])
	if err != nil {
		return nil
	}
	var attachments [][]byte
	for i := range parts[1:] {
		attachments = append(attachments, parts[1+i].Payload())
	}
	w := wire.NewBuilder(m.Size() + m.Size()/8 + 32)
	out := msgpack.NewPacker(w.Buf, attachments)
	out.Doubles = true
	members := byte(2)
	if len(payload) > 0 {
		members++
	}
	if len(p.id) > 0 {
		members++
	}
	out.Dst = append(append(out.Dst, msgpack.CodeFixMap|members), "\xa4type"...)
	out.Dst = append(out.Dst, byte(plainKind(p.kind)-typeConnect))
	if len(payload) > 0 {
		out.Dst = append(out.Dst, "\xa4data"...)
		err = out.Wrapped(payload)
	}
	if len(p.id) > 0 && err == nil {
		out.Dst = append(out.Dst, "\xa2id"...)
		err = out.Value(p.id)
	}
	if err != nil {
		return nil
	}
	w.Buf = msgp.AppendStringFromBytes(append(out.Dst, "\xa3nsp"...), p.namespace)
	return w.Binary()
}
