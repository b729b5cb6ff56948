package format

import (
	"slices"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/msgpack"
)

// Types of messages as the sharded adapter numbers them. Those it does not use are of adapters with heartbeats.
const (
	shardedHeartbeat1      = 1
	shardedHeartbeat2      = 2
	shardedBroadcast       = 3
	shardedJoin            = 4
	shardedLeave           = 5
	shardedDisconnect      = 6
	shardedFetch           = 7
	shardedSockets         = 8
	shardedServerSide      = 9
	shardedServerSideValue = 10
	shardedCount           = 11
	shardedAck             = 12
	shardedClose           = 13
)

// Envelope is a message of sharded mode. One of Broadcast, Request and Response is set; none of them where the message is
// of a type that means nothing in this mode and is to be ignored.
type Envelope struct {
	UID       string // the sender
	Namespace string // "/" where the message does not say
	// Broadcast has a RequestID where answers are wanted.
	Broadcast *Peeked
	Request   *Request
	Response  *Response
}

// AppendSharded appends a broadcast as the sharded adapter publishes it: JSON, which takes the arguments over as they are,
// or msgpack where there are attachments. It returns an error, and dst as it was, as [AppendClassic] does.
//
// Rule: key order is that of Node's.
func AppendSharded(dst []byte, b *Broadcast) ([]byte, error) {
	if !isEvent(b.Args) {
		return dst, ErrEvent
	}
	size := sizeOfPacket(&b.Packet) + sizeOfOpts(b) + len(b.UID) + len(b.Namespace) + len(b.RequestID) + 128
	if len(b.Attachments) > 0 {
		return packSharded(slices.Grow(dst, size), b)
	}
	w := objectWriter{dst: append(slices.Grow(dst, size), '{')}
	w.number("type", shardedBroadcast)
	w.key("data")
	var err error
	if w.dst, err = appendBroadcast(w.dst, b); err != nil {
		return dst, err
	}
	return w.endEnvelope(b.UID, b.Namespace), nil
}

// appendBroadcast appends the data of a broadcast.
func appendBroadcast(dst []byte, b *Broadcast) (_ []byte, err error) {
	if !isEvent(b.Args) {
		return dst, ErrEvent
	}
	w := objectWriter{dst: append(dst, '{')}
	w.key("packet")
	w.dst = append(w.dst, '{')
	w.number("type", packetType)
	w.key("data")
	if w.dst, err = appendValues(w.dst, b.Args); err != nil {
		return dst, err
	}
	w.dst = append(w.dst, '}')
	w.string("requestId", b.RequestID)
	w.key("opts")
	return append(appendOpts(w.dst, b.Rooms, b.Except, &b.Flags, b.Ext), '}'), nil
}

// openEnvelope begins a message up to the members of its data.
func openEnvelope(dst []byte, kind int64) objectWriter {
	w := objectWriter{dst: append(dst, '{')}
	w.number("type", kind)
	w.key("data")
	w.dst = append(w.dst, '{')
	return w
}

// closeEnvelope ends data and the message.
func (w *objectWriter) closeEnvelope(uid, namespace string) []byte {
	w.dst = append(w.dst, '}')
	return w.endEnvelope(uid, namespace)
}

// endEnvelope ends the message behind its data.
func (w *objectWriter) endEnvelope(uid, namespace string) []byte {
	w.string("uid", uid)
	w.string("nsp", namespace)
	return append(w.dst, '}')
}

// packSharded appends a broadcast with attachments.
func packSharded(dst []byte, b *Broadcast) ([]byte, error) {
	p := newPacker(packEnvelope(dst, shardedBroadcast), &b.Packet)
	if err := p.broadcast(b); err != nil {
		return dst, err
	}
	return packEnvelopeEnd(p.Dst, b.UID, b.Namespace), nil
}

// broadcast writes the data of a broadcast.
func (p *packer) broadcast(b *Broadcast) error {
	members := byte(2)
	if b.RequestID != "" {
		members++
	}
	p.Dst = append(p.Dst, msgpack.CodeFixMap|members)
	p.Dst = append(msgp.AppendString(p.Dst, "packet"), msgpack.CodeFixMap|2)
	if err := p.event(b.Args); err != nil {
		return err
	}
	if b.RequestID != "" {
		p.Dst = msgp.AppendString(msgp.AppendString(p.Dst, "requestId"), b.RequestID)
	}
	p.Dst = msgp.AppendString(p.Dst, "opts")
	p.packOpts(b)
	return nil
}

// packEnvelope begins a message up to its data.
func packEnvelope(dst []byte, kind byte) []byte {
	dst = append(msgp.AppendString(append(dst, msgpack.CodeFixMap|4), "type"), kind)
	return msgp.AppendString(dst, "data")
}

func packEnvelopeEnd(dst []byte, uid, namespace string) []byte {
	dst = msgp.AppendString(msgp.AppendString(dst, "uid"), uid)
	return msgp.AppendString(msgp.AppendString(dst, "nsp"), namespace)
}

// AppendShardedRequest appends a request as the sharded adapter publishes it. It returns an error, and dst as it was, for
// arguments that are not JSON and for types that the mode does not have: RequestSockets, RequestAllRooms, and
// RequestBroadcast, which [AppendSharded] writes.
func AppendShardedRequest(dst []byte, r *Request) ([]byte, error) {
	var w objectWriter
	switch r.Type {
	case RequestJoin, RequestLeave:
		w = openEnvelope(dst, shardedJoin+int64(r.Type-RequestJoin))
		w.opts(r, &Flags{})
		w.names("rooms", r.Names)
	case RequestDisconnect:
		w = openEnvelope(dst, shardedDisconnect)
		w.opts(r, &Flags{})
		w.bool("close", r.Close)
	case RequestFetch:
		w = openEnvelope(dst, shardedFetch)
		w.opts(r, &Flags{})
		w.string("requestId", r.ID)
	case RequestServerSide:
		if !isEvent(r.Args) {
			return dst, ErrEvent
		}
		if len(r.Attachments) > 0 {
			return packShardedServerSide(dst, r)
		}
		w = openEnvelope(dst, shardedServerSide)
		w.string("requestId", r.ID)
		w.key("packet")
		var err error
		if w.dst, err = appendValues(w.dst, r.Args); err != nil {
			return dst, err
		}
	default:
		return dst, ErrType
	}
	return w.closeEnvelope(r.UID, r.Namespace), nil
}

func packShardedServerSide(dst []byte, r *Request) ([]byte, error) {
	p := newPacker(nil, &r.Packet)
	w := mapWriter{dst: packEnvelope(dst, shardedServerSide)}
	w.start = len(w.dst)
	w.dst = append(w.dst, 0)
	w.string("requestId", r.ID)
	w.key("packet")
	if err := w.values(&p, r.Args); err != nil {
		return dst, err
	}
	w.ext(&p, &r.Packet, "")
	return packEnvelopeEnd(w.end(), r.UID, r.Namespace), nil
}

// AppendShardedResponse appends a response as the sharded adapter publishes it. It returns an error, and dst as it was, for
// values that are not JSON and for types that the mode does not have: ResponseDone, ResponseIDs and ResponseRooms.
//
// Rule: of the values of an answer, Node servers get the first.
func AppendShardedResponse(dst []byte, r *Response) ([]byte, error) {
	var w objectWriter
	var err error
	switch r.Type {
	case ResponseSockets:
		w = openEnvelope(dst, shardedSockets)
		w.string("requestId", r.ID)
		err = w.sockets(r.Sockets)
	case ResponseCount:
		w = openEnvelope(dst, shardedCount)
		w.string("requestId", r.ID)
		w.number("clientCount", r.Count)
	case ResponseValue, ResponseAck:
		if len(r.Attachments) > 0 {
			return packShardedAnswer(dst, r)
		}
		kind := int64(shardedServerSideValue)
		if r.Type == ResponseAck {
			kind = shardedAck
		}
		w = openEnvelope(dst, kind)
		w.string("requestId", r.ID)
		if err = w.value("packet", r.Args); err == nil {
			err = w.answerExt(r)
		}
	default:
		err = ErrType
	}
	if err != nil {
		return dst, err
	}
	return w.closeEnvelope(r.UID, r.Namespace), nil
}

// answerExt writes the extension of an answer where it needs one.
func (w *objectWriter) answerExt(r *Response) (err error) {
	if r.SID == "" && len(r.Args) < 2 {
		return nil
	}
	w.key(extKey)
	w.dst = append(w.dst, '{')
	w.string(extSID, r.SID)
	if len(r.Args) > 1 {
		w.key(extArgs)
		if w.dst, err = appendValues(w.dst, r.Args); err != nil {
			return err
		}
	}
	w.dst = append(w.dst, '}')
	return nil
}

func packShardedAnswer(dst []byte, r *Response) ([]byte, error) {
	kind := byte(shardedServerSideValue)
	if r.Type == ResponseAck {
		kind = shardedAck
	}
	p := newPacker(nil, &r.Packet)
	w := mapWriter{dst: packEnvelope(dst, kind)}
	w.start = len(w.dst)
	w.dst = append(w.dst, 0)
	w.string("requestId", r.ID)
	if err := w.answer(&p, "packet", &r.Packet); err != nil {
		return dst, err
	}
	w.ext(&p, &r.Packet, r.SID)
	return packEnvelopeEnd(w.end(), r.UID, r.Namespace), nil
}
