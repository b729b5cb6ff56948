package format

import (
	"encoding/json"

	"signalbox/server/msgpack"
	"signalbox/server/rawjson"
)

// Packet decodes the event. Its attachments, and arguments that came as JSON, alias the message.
func (p *Peeked) Packet() (Packet, error) {
	packet, err := p.packet()
	if err == nil && !isEvent(packet.Args) {
		err = ErrEvent
	}
	if err != nil {
		return Packet{}, err
	}
	return packet, nil
}

func (p *Peeked) packet() (packet Packet, err error) {
	if !p.packed {
		return splitArray(p.data)
	}
	if p.raw == nil {
		return p.unpack()
	}
	if packet.Args, err = unpackRaw(p.raw); err != nil {
		return Packet{}, err
	}
	if p.extra != nil {
		packet.Attachments, err = unpackBins(p.extra)
	} else {
		var data Packet
		data, err = p.unpack()
		packet.Attachments = data.Attachments
	}
	return packet, err
}

// unpack reads the arguments, or the one value, that msgpack gives.
func (p *Peeked) unpack() (packet Packet, err error) {
	switch {
	case !p.one:
		packet.Args, packet.Attachments, err = msgpack.Form{}.Array(p.data, nil)
		return packet, err
	case p.data == nil:
		return packet, nil
	}
	value, attachments, err := msgpack.Form{}.Value(p.data)
	if err != nil {
		return Packet{}, err
	}
	return Packet{Args: []json.RawMessage{value}, Attachments: attachments}, nil
}

// parse reads a packet, but its data, and opts as JSON.
func (p *Peeked) parse(packet, opts []byte) error {
	isEvent := false
	m := rawjson.Object(packet)
	for {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case "type":
			isEvent = string(value) == "2"
		case "data":
			p.data = value
		case "nsp":
			if p.Namespace, ok = text(value); !ok {
				return ErrFormat
			}
		}
	}
	if m.Err() != nil || !isEvent || p.data == nil {
		return ErrFormat
	}
	if p.Namespace == "" {
		p.Namespace = "/"
	}
	o, err := parseOpts(opts)
	p.Rooms, p.Except, p.Flags, p.Ext = o.rooms, o.except, o.flags, o.ext
	return err
}
