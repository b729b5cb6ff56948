package format

import "unicode/utf8"

// ParseSharded reads a message of the sharded adapter, JSON or msgpack. msg must not change afterwards.
func ParseSharded(msg []byte) (Envelope, error) {
	outer, err := readFields(msg)
	if err != nil {
		return Envelope{}, err
	}
	return outer.envelope()
}

// envelope reads a message by its outer members.
func (outer *fields) envelope() (e Envelope, err error) {
	e = Envelope{UID: outer.uid, Namespace: outer.nsp}
	if e.Namespace == "" {
		e.Namespace = "/"
	}
	switch outer.kind {
	case shardedHeartbeat1, shardedHeartbeat2, shardedClose:
		return e, nil
	}
	f := fields{kind: -1, packed: outer.packed}
	if outer.data == nil || !f.packed && !utf8.Valid(outer.data) || !f.read(outer.data) {
		return Envelope{}, ErrFormat
	}
	f.uid, f.nsp = e.UID, e.Namespace
	switch outer.kind {
	case shardedBroadcast:
		e.Broadcast, err = f.broadcast()
	case shardedJoin, shardedLeave, shardedDisconnect, shardedFetch, shardedServerSide:
		e.Request, err = f.shardedRequest(outer.kind)
	case shardedSockets, shardedServerSideValue, shardedCount, shardedAck:
		e.Response, err = f.shardedResponse(outer.kind)
	default:
		err = ErrFormat
	}
	if err != nil {
		return Envelope{}, err
	}
	return e, nil
}

func (f *fields) shardedRequest(kind int) (r *Request, err error) {
	r = &Request{UID: f.uid, ID: f.id, Namespace: f.nsp}
	if kind == shardedServerSide {
		r.Type = RequestServerSide
		return r, r.parseEvent(f, f.packet)
	}
	if f.opts == nil {
		return nil, ErrFormat
	}
	switch kind {
	case shardedJoin, shardedLeave:
		r.Type = RequestJoin + RequestType(kind-shardedJoin)
		return r, r.parseNames(f)
	case shardedDisconnect:
		r.Type, r.Close = RequestDisconnect, f.isTrue(f.close)
	default:
		r.Type = RequestFetch
		if f.id == "" {
			return nil, ErrFormat
		}
	}
	return r, r.parseSelection(f)
}

func (f *fields) shardedResponse(kind int) (r *Response, err error) {
	if f.id == "" {
		return nil, ErrFormat
	}
	r = &Response{UID: f.uid, ID: f.id, Namespace: f.nsp}
	switch kind {
	case shardedSockets:
		if f.sockets == nil {
			return nil, ErrFormat
		}
		err = r.parseSockets(f)
	case shardedCount:
		err = r.parseCount(f)
	case shardedServerSideValue:
		r.Type = ResponseValue
		r.Packet, _, err = f.answer(f.packet)
	default:
		r.Type = ResponseAck
		r.Packet, r.SID, err = f.answer(f.packet)
	}
	return r, err
}
