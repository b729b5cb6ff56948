package format

import (
	"encoding/json"

	"signalbox/server/rawjson"
)

// AppendClassicResponse appends a response as the classic adapter publishes it: JSON, but msgpack for a client's answer and
// for a server's answer with attachments. For a type that does not exist, and for values that are not JSON, it returns an
// error, and dst as it was.
//
// Rule: rooms and sockets carry their array also when it is empty, for Node servers do not count the answer as complete
// without; of the values of an answer, Node servers get the first.
func AppendClassicResponse(dst []byte, r *Response) ([]byte, error) {
	if r.Type == ResponseAck || r.Type == ResponseValue && len(r.Attachments) > 0 {
		return packResponse(dst, r)
	}
	w := objectWriter{dst: append(dst, '{')}
	var err error
	switch r.Type {
	case ResponseValue:
		w.number("type", wireServerSide)
		w.string("requestId", r.ID)
		err = w.value("data", r.Args)
	case ResponseCount:
		w.number("type", wireCount)
		w.string("requestId", r.ID)
		w.number("clientCount", r.Count)
	case ResponseDone:
		w.string("requestId", r.ID)
	case ResponseIDs:
		w.string("requestId", r.ID)
		w.names("sockets", r.Rooms)
	case ResponseRooms:
		w.string("requestId", r.ID)
		w.names("rooms", r.Rooms)
	case ResponseSockets:
		w.string("requestId", r.ID)
		err = w.sockets(r.Sockets)
	default:
		err = ErrType
	}
	if err != nil {
		return dst, err
	}
	return append(w.dst, '}'), nil
}

// value writes the first of values, if there is one.
func (w *objectWriter) value(key string, values []json.RawMessage) (err error) {
	if len(values) > 0 {
		w.key(key)
		w.dst, err = appendValue(w.dst, values[0])
	}
	return err
}

const (
	noHandshake = `{"headers":{},"query":{},"auth":{}}`
	noData      = `{}`
)

func (w *objectWriter) sockets(sockets []Socket) (err error) {
	w.key("sockets")
	w.dst = append(w.dst, '[')
	for i := range sockets {
		s := &sockets[i]
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = append(w.dst, '{')
		w.key("id")
		w.dst = rawjson.AppendString(w.dst, s.ID)
		if err = w.object("handshake", s.Handshake, noHandshake); err != nil {
			return err
		}
		w.names("rooms", s.Rooms)
		if err = w.object("data", s.Data, noData); err != nil {
			return err
		}
		w.dst = append(w.dst, '}')
	}
	w.dst = append(w.dst, ']')
	return nil
}

// object writes an object, or none where there is nothing.
func (w *objectWriter) object(key string, value json.RawMessage, none string) (err error) {
	w.key(key)
	if value == nil {
		w.dst = append(w.dst, none...)
		return nil
	}
	w.dst, err = appendValue(w.dst, value)
	return err
}

// packResponse appends an answer as msgpack.
func packResponse(dst []byte, r *Response) ([]byte, error) {
	p := newPacker(dst, &r.Packet)
	w := mapWriter{dst: append(dst, 0), start: len(dst)}
	key := "data"
	w.key("type")
	if r.Type == ResponseAck {
		key = "packet"
		w.dst = append(w.dst, wireAck)
	} else {
		w.dst = append(w.dst, wireServerSide)
	}
	w.string("requestId", r.ID)
	if err := w.answer(&p, key, &r.Packet); err != nil {
		return dst, err
	}
	w.ext(&p, &r.Packet, r.SID)
	return w.end(), nil
}

// answer writes the first value of an answer with p, if there is one.
func (w *mapWriter) answer(p *packer, key string, packet *Packet) error {
	if len(packet.Args) == 0 {
		return nil
	}
	w.key(key)
	p.Dst = w.dst
	err := p.Value(packet.Args[0])
	w.dst = p.Dst
	if len(packet.Args) > 1 {
		p.Exact = false
	}
	return err
}

// ParseClassicResponse reads a response of the classic adapter, JSON or msgpack. msg must not change afterwards. An answer
// with an empty list of sockets is a ResponseSockets, also where ids were asked for.
func ParseClassicResponse(msg []byte) (*Response, error) {
	f, err := readFields(msg)
	if err != nil {
		return nil, err
	}
	if f.id == "" {
		return nil, ErrFormat
	}
	r := &Response{ID: f.id}
	switch f.kind {
	case -1:
		err = r.parseList(&f)
	case wireServerSide:
		r.Type = ResponseValue
		r.Packet, _, err = f.answer(f.data)
	case wireCount:
		err = r.parseCount(&f)
	case wireAck:
		r.Type = ResponseAck
		r.Packet, r.SID, err = f.answer(f.packet)
	default:
		err = ErrFormat
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Response) parseCount(f *fields) error {
	raw, err := f.json(f.count)
	if err != nil {
		return err
	}
	r.Type = ResponseCount
	r.Count, err = count(raw)
	return err
}

// parseList reads a response without a type: what it brings tells what it answers.
func (r *Response) parseList(f *fields) (err error) {
	switch {
	case f.rooms != nil:
		r.Type = ResponseRooms
		r.Rooms, err = f.names(f.rooms)
	case f.sockets != nil:
		err = r.parseSockets(f)
	default:
		r.Type = ResponseDone
	}
	return err
}

func (r *Response) parseSockets(f *fields) error {
	raw, err := f.json(f.sockets)
	if err != nil {
		return err
	}
	list, err := splitArray(raw)
	if err != nil {
		return err
	}
	if len(list.Args) > 0 && list.Args[0][0] == '"' {
		r.Type = ResponseIDs
		r.Rooms, err = names(raw)
		return err
	}
	r.Type = ResponseSockets
	r.Sockets = make([]Socket, len(list.Args))
	for i, arg := range list.Args {
		if err := r.Sockets[i].parse(arg); err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) parse(b []byte) (err error) {
	m := rawjson.Object(b)
	for err == nil {
		key, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(key) {
		case "id":
			s.ID, _ = text(value)
		case "handshake":
			s.Handshake = value
		case "rooms":
			s.Rooms, err = names(value)
		case "data":
			s.Data = value
		}
	}
	if err == nil && (m.Err() != nil || s.ID == "") {
		err = ErrFormat
	}
	return err
}
