package format

import "encoding/json"

// Types of requests and responses as the classic adapter numbers them.
const (
	wireSockets = iota
	wireAllRooms
	wireJoin
	wireLeave
	wireDisconnect
	wireFetch
	wireServerSide
	wireBroadcast
	wireCount
	wireAck
)

// AppendClassicRequest appends a request as the classic adapter publishes it: JSON, or msgpack where an event for servers
// has attachments, which Node servers then read as Buffers. For a RequestBroadcast, that [AppendClassic] writes, and for
// arguments that are not JSON it returns an error, and dst as it was.
//
// Rule: key order is that of Node's.
func AppendClassicRequest(dst []byte, r *Request) ([]byte, error) {
	if r.Type == RequestServerSide && !isEvent(r.Args) {
		return dst, ErrEvent
	}
	if r.Type == RequestServerSide && len(r.Attachments) > 0 {
		return packServerSide(dst, r)
	}
	w := objectWriter{dst: append(dst, '{')}
	w.string("uid", r.UID)
	w.string("requestId", r.ID)
	w.key("type")
	switch r.Type {
	case RequestSockets:
		w.dst = append(w.dst, '0'+wireSockets)
		w.names("rooms", r.Rooms)
	case RequestAllRooms:
		w.dst = append(w.dst, '0'+wireAllRooms)
	case RequestJoin, RequestLeave:
		w.dst = append(w.dst, '0'+wireJoin+byte(r.Type-RequestJoin))
		w.opts(r, nil)
		w.names("rooms", r.Names)
	case RequestDisconnect:
		w.dst = append(w.dst, '0'+wireDisconnect)
		w.opts(r, nil)
		w.bool("close", r.Close)
	case RequestFetch:
		w.dst = append(w.dst, '0'+wireFetch)
		w.opts(r, nil)
	case RequestServerSide:
		w.dst = append(w.dst, '0'+wireServerSide)
		w.key("data")
		var err error
		if w.dst, err = appendValues(w.dst, r.Args); err != nil {
			return dst, err
		}
	default:
		return dst, ErrType
	}
	return append(w.dst, '}'), nil
}

// opts writes what selects the sockets of a request.
func (w *objectWriter) opts(r *Request, flags *Flags) {
	w.key("opts")
	w.dst = appendOpts(w.dst, r.Rooms, r.Except, flags, r.kinds())
}

func (w *objectWriter) bool(key string, value bool) {
	w.key(key)
	if value {
		w.dst = append(w.dst, "true"...)
	} else {
		w.dst = append(w.dst, "false"...)
	}
}

// packServerSide appends a request with an event for servers as msgpack.
func packServerSide(dst []byte, r *Request) ([]byte, error) {
	p := newPacker(dst, &r.Packet)
	w := mapWriter{dst: append(dst, 0), start: len(dst)}
	w.string("uid", r.UID)
	w.string("requestId", r.ID)
	w.key("type")
	w.dst = append(w.dst, wireServerSide)
	w.key("data")
	if err := w.values(&p, r.Args); err != nil {
		return dst, err
	}
	w.ext(&p, &r.Packet, "")
	return w.end(), nil
}

// values writes an array of values with p.
func (w *mapWriter) values(p *packer, values []json.RawMessage) (err error) {
	p.Dst = w.dst
	err = p.Array(values)
	w.dst = p.Dst
	return err
}

// ext writes the extension of an answer or an event for servers that p has written, where it needs one.
func (w *mapWriter) ext(p *packer, packet *Packet, sid string) {
	raw := !p.Exact || !p.RefersToAll()
	if sid == "" && !raw {
		return
	}
	w.key(extKey)
	x := mapWriter{dst: append(w.dst, 0), start: len(w.dst)}
	x.string(extSID, sid)
	if raw {
		x.raw(packet, !p.RefersToAll())
	}
	w.dst = x.end()
}

// ParseClassicRequest reads a request of the classic adapter or the Redis emitter, JSON or msgpack. msg must not change
// afterwards. Types that are not requests are an error.
func ParseClassicRequest(msg []byte) (*Request, error) {
	f, err := readFields(msg)
	if err != nil {
		return nil, err
	}
	r := &Request{UID: f.uid, ID: f.id}
	switch f.kind {
	case wireSockets:
		r.Type = RequestSockets
		r.Rooms, err = f.names(f.rooms)
	case wireAllRooms:
		r.Type = RequestAllRooms
	case wireJoin, wireLeave:
		r.Type = RequestJoin + RequestType(f.kind-wireJoin)
		err = r.parseNames(&f)
	case wireDisconnect:
		r.Type, r.Close = RequestDisconnect, f.isTrue(f.close)
		err = r.parseSelection(&f)
	case wireFetch:
		r.Type = RequestFetch
		err = r.parseSelection(&f)
	case wireServerSide:
		r.Type = RequestServerSide
		err = r.parseEvent(&f, f.data)
	case wireBroadcast:
		r.Type = RequestBroadcast
		r.Broadcast, err = f.broadcast()
	default:
		err = ErrFormat
	}
	if err == nil && r.ID == "" && r.Type.asks() {
		err = ErrFormat
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// asks reports whether a request makes no sense without an answer.
func (t RequestType) asks() bool {
	return t == RequestSockets || t == RequestAllRooms || t == RequestFetch || t == RequestBroadcast
}

// parseNames reads the rooms of a join or leave.
func (r *Request) parseNames(f *fields) (err error) {
	if err = r.parseSelection(f); err == nil && r.SID == "" {
		r.Names, err = f.names(f.rooms)
	}
	return err
}

// parseSelection reads which sockets a request is about: opts, or the one of adapters before 7.
func (r *Request) parseSelection(f *fields) error {
	if f.opts == nil {
		if f.sid == "" {
			return ErrFormat
		}
		r.SID, r.Room = f.sid, f.room
		return nil
	}
	raw, err := f.json(f.opts)
	if err != nil {
		return err
	}
	o, err := parseOpts(raw)
	if err != nil {
		return err
	}
	r.Rooms, r.Except = o.rooms, o.except
	if o.ext != nil {
		r.RoomKinds, r.ExceptKinds = o.ext.RoomKinds, o.ext.ExceptKinds
	}
	return nil
}

// parseEvent reads an event for servers.
func (r *Request) parseEvent(f *fields, span []byte) error {
	if span == nil {
		return ErrFormat
	}
	p := Peeked{packed: f.packed, data: span}
	if f.packed && f.ext != nil {
		x, err := f.answerExt()
		if err != nil {
			return err
		}
		p.raw, p.extra = x.raw, x.extra
	}
	packet, err := p.Packet()
	r.Packet = packet
	return err
}
