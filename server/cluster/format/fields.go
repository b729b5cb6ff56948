package format

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"signalbox/server/msgpack"
	"signalbox/server/rawjson"
)

// fields are the members that requests, responses and the envelopes of sharded mode have, as they stand in the message:
// each one JSON or msgpack, nil where it is missing.
type fields struct {
	packed bool // they are msgpack
	kind   int  // -1: missing

	uid, nsp, id, sid, room string

	packet, data, opts, rooms, sockets, close, count, ext []byte
}

// isJSON reports whether msg is JSON rather than msgpack.
//
// Rule: the first byte tells, as in Node's adapters.
func isJSON(msg []byte) bool { return len(msg) > 0 && msg[0] == '{' }

// readFields reads the members of msg.
func readFields(msg []byte) (fields, error) {
	f := fields{kind: -1, packed: !isJSON(msg)}
	// Node's parser reads bytes that are not UTF-8 as U+FFFD; here nothing is to be passed on that breaks a client.
	if !f.packed && !utf8.Valid(msg) || !f.read(msg) {
		return fields{}, ErrFormat
	}
	return f, nil
}

// read reads the members of an object or map and reports whether it is one.
func (f *fields) read(b []byte) bool {
	if f.packed {
		c := msgpack.Cursor{B: b}
		f.unpack(&c)
		return c.Done()
	}
	m := rawjson.Object(b)
	for {
		key, value, ok := m.Next()
		if !ok {
			return m.Err() == nil
		}
		if !f.set(key, value) {
			return false
		}
	}
}

// set takes a member of a JSON object and reports whether it is what it has to be.
func (f *fields) set(key, value []byte) (ok bool) {
	null := string(value) == "null"
	switch string(key) {
	case "type":
		n, err := strconv.ParseUint(string(value), 10, 8)
		f.kind = int(n)
		return err == nil
	case "uid":
		f.uid, ok = text(value)
		return ok || null
	case "nsp":
		f.nsp, ok = text(value)
		return ok || null
	case "requestId":
		f.id, ok = text(value)
		return ok || null
	case "sid":
		f.sid, ok = text(value)
		return ok || null
	case "room":
		f.room, ok = text(value)
		return ok || null
	}
	if p := f.span(key); p != nil {
		*p = value
	}
	return true
}

// span returns the place of a member that is kept as it stands, nil for one that is not.
func (f *fields) span(key []byte) *[]byte {
	switch string(key) {
	case "packet":
		return &f.packet
	case "data":
		return &f.data
	case "opts":
		return &f.opts
	case "rooms":
		return &f.rooms
	case "sockets":
		return &f.sockets
	case "close":
		return &f.close
	case "clientCount":
		return &f.count
	case extKey:
		return &f.ext
	}
	return nil
}

// unpack reads the members of a map.
func (f *fields) unpack(c *msgpack.Cursor) {
	for n := c.Map(); n > 0 && !c.Bad; n-- {
		key := c.Text()
		switch string(key) {
		case "type":
			if kind, ok := c.Number(); ok && kind >= 0 && kind < 256 {
				f.kind = int(kind)
			} else {
				c.Fail()
			}
		case "uid":
			f.uid = optionalText(c)
		case "nsp":
			f.nsp = optionalText(c)
		case "requestId":
			f.id = optionalText(c)
		case "sid":
			f.sid = optionalText(c)
		case "room":
			f.room = optionalText(c)
		default:
			if p := f.span(key); p != nil {
				*p = c.Span()
			} else {
				c.Skip()
			}
		}
	}
}

// optionalText reads a string, or nil for "".
func optionalText(c *msgpack.Cursor) string {
	if c.Kind() == msgpack.KindNil {
		c.Skip()
		return ""
	}
	return string(c.Text())
}

// json returns a member as JSON; its bytes, if any, as JSON.stringify writes them.
func (f *fields) json(span []byte) (json.RawMessage, error) {
	if !f.packed || span == nil {
		return span, nil
	}
	raw, _, err := msgpack.Form{Inline: true}.Value(span)
	return raw, err
}

// names returns a member that is an array of names.
func (f *fields) names(span []byte) ([]string, error) {
	raw, err := f.json(span)
	if err != nil {
		return nil, err
	}
	return names(raw)
}

// isTrue reports whether a member is true.
func (f *fields) isTrue(span []byte) bool {
	if f.packed {
		return len(span) == 1 && span[0] == msgpack.CodeTrue
	}
	return string(span) == "true"
}

// broadcast returns the broadcast of a message that has its packet and opts.
func (f *fields) broadcast() (*Peeked, error) {
	p := &Peeked{UID: f.uid, Namespace: f.nsp, RequestID: f.id, packed: f.packed}
	if !f.packed {
		if err := p.parse(f.packet, f.opts); err != nil {
			return nil, err
		}
		return p, nil
	}
	packet, opts := msgpack.Cursor{B: f.packet}, msgpack.Cursor{B: f.opts}
	var inPacket, inOpts window
	p.peekPacket(&packet, &inPacket)
	p.peekOpts(&opts, &inOpts)
	if !packet.Done() || !opts.Done() {
		return nil, ErrFormat
	}
	return p, nil
}

// answer returns the values that an answer brings: that of the packet, or all that the extension has; and the socket that
// answered, "" where it is not said.
func (f *fields) answer(value []byte) (packet Packet, sid string, err error) {
	var x answerExt
	if f.ext != nil {
		if x, err = f.answerExt(); err != nil {
			return Packet{}, "", err
		}
	}
	switch {
	case f.packed:
		packet, err = (&Peeked{packed: true, one: true, data: value, raw: x.raw, extra: x.extra}).packet()
	case x.raw != nil:
		packet, err = splitArray(x.raw)
	case value != nil:
		packet = Packet{Args: []json.RawMessage{value}}
		if fault := rawjson.Check(value); fault != nil {
			return Packet{}, "", fault
		}
	}
	return packet, x.sid, err
}

// answerExt is the extension of an answer or of an event for servers.
type answerExt struct {
	sid        string
	raw, extra []byte
}

func (f *fields) answerExt() (x answerExt, err error) {
	if f.packed {
		c := msgpack.Cursor{B: f.ext}
		for n := c.Map(); n > 0 && !c.Bad; n-- {
			switch string(c.Text()) {
			case extSID:
				x.sid = string(c.Text())
			case extArgs:
				x.raw = c.Span()
			case extAttachments:
				x.extra = c.Span()
			default:
				c.Skip()
			}
		}
		if !c.Done() {
			err = ErrFormat
		}
		return x, err
	}
	m := rawjson.Object(f.ext)
	for {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case extSID:
			x.sid, _ = text(value)
		case extArgs:
			x.raw = value
		}
	}
	if m.Err() != nil {
		err = ErrFormat
	}
	return x, err
}
