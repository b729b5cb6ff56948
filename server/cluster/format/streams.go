package format

import (
	"encoding/base64"
	"slices"
	"strconv"

	"signalbox/server/msgpack"
)

// This file is the format of @socket.io/redis-streams-adapter 0.3. Its messages are those of the sharded adapter. What all
// servers must hear in one order is an entry of a stream, which has the members of the envelope as fields; what is asked, and
// answers, are published as msgpack.

// AppendStream appends the field data of a broadcast's entry: JSON, or where there are attachments base64 of msgpack.
func AppendStream(dst []byte, b *Broadcast) ([]byte, error) {
	if len(b.Attachments) == 0 {
		return appendBroadcast(dst, b)
	}
	p := newPacker(nil, &b.Packet)
	if err := p.broadcast(b); err != nil {
		return dst, err
	}
	return base64.StdEncoding.AppendEncode(dst, p.Dst), nil
}

// AppendStreamRequest appends the field data of the entry of a join, leave or disconnect, and returns the entry's type.
func AppendStreamRequest(dst []byte, r *Request) (kind int, data []byte, err error) {
	b, err := AppendShardedRequest(nil, r)
	if err != nil {
		return 0, dst, err
	}
	f, err := readFields(b)
	return f.kind, append(dst, f.data...), err
}

// AppendAsked appends a broadcast that is to be answered, as it is published.
func AppendAsked(dst []byte, b *Broadcast) ([]byte, error) { return packSharded(dst, b) }

// AppendPackedRequest is [AppendShardedRequest] in msgpack.
func AppendPackedRequest(dst []byte, r *Request) ([]byte, error) {
	if r.Type == RequestServerSide && isEvent(r.Args) {
		return packShardedServerSide(dst, r)
	}
	return appendPacked(dst, r, AppendShardedRequest)
}

// AppendPackedResponse is [AppendShardedResponse] in msgpack.
func AppendPackedResponse(dst []byte, r *Response) ([]byte, error) {
	if r.Type == ResponseValue || r.Type == ResponseAck {
		return packShardedAnswer(dst, r)
	}
	return appendPacked(dst, r, AppendShardedResponse)
}

func appendPacked[T any](dst []byte, m T, write func([]byte, T) ([]byte, error)) ([]byte, error) {
	b, err := write(nil, m)
	if err != nil {
		return dst, err
	}
	p := msgpack.NewPacker(dst, nil)
	if err := p.Wrapped(b); err != nil {
		return dst, err
	}
	return p.Dst, nil
}

// ParseStream reads an entry of a stream by its fields. data must not change afterwards.
func ParseStream(uid, namespace, kind string, data []byte) (Envelope, error) {
	n, err := strconv.ParseUint(kind, 10, 8)
	if err != nil || namespace == "" {
		return Envelope{}, ErrFormat
	}
	outer := fields{kind: int(n), uid: uid, nsp: namespace, data: data, packed: len(data) > 0 && !isJSON(data)}
	if outer.packed {
		if outer.data, err = base64.StdEncoding.AppendDecode(nil, data); err != nil {
			return Envelope{}, ErrFormat
		}
	}
	return outer.envelope()
}

// IsStreamed reports whether a message is an entry of the stream; others are published.
func (t RequestType) IsStreamed() bool {
	return slices.Contains([]RequestType{RequestJoin, RequestLeave, RequestDisconnect}, t)
}
