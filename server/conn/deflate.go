package conn

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// This file is permessage-deflate, as far as a client's side of it goes: what it offers, and what it sends compressed.
// What goes to clients is compressed in [signalbox/server/wire], once for all of them.
//
// Rule: [RFC 7692].
//
// [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

// takeOffer returns the answer to the first offer of permessage-deflate that can be taken, "" where none can: no
// context is kept from one message to the next, and what is sent has a window of 32 KiB, so an offer that wants it
// smaller is declined, as is one that is malformed.
//
// Rule: RFC 7692 sections 5.1 and 7.1.
func takeOffer(values []string) string {
	for _, value := range values {
		for offer := range strings.SplitSeq(value, ",") {
			if answer := answerTo(offer); answer != "" {
				return answer
			}
		}
	}
	return ""
}

// windowBits are the values that a parameter for the size of a window may have.
var windowBits = []string{"8", "9", "10", "11", "12", "13", "14", "15"}

func answerTo(offer string) string {
	const name = "permessage-deflate"
	answer := name + "; server_no_context_takeover; client_no_context_takeover"
	extension, rest, more := strings.Cut(offer, ";")
	if strings.TrimSpace(extension) != name {
		return ""
	}
	var seen []string
	for more {
		var param string
		param, rest, more = strings.Cut(rest, ";")
		key, value, hasValue := strings.Cut(param, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		if slices.Contains(seen, key) {
			return ""
		}
		seen = append(seen, key)
		switch {
		case !hasValue && (key == "server_no_context_takeover" || key == "client_no_context_takeover"):
		case key == "client_max_window_bits" && (!hasValue || slices.Contains(windowBits, value)):
		case key == "server_max_window_bits" && value == "15":
			answer += "; server_max_window_bits=15"
		default:
			return ""
		}
	}
	return answer
}

const (
	// inflateEnd is what the sender of a message has left out, and a last block, behind which there is nothing.
	inflateEnd = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	// maxInflateEnds bounds the last blocks in a message: each begins a new stream.
	maxInflateEnds = 16
	// maxKeptBytes is the size up to which an inflater keeps its buffers for the next message.
	maxKeptBytes = 64 * kiB
)

var errInflate error = &Fault{closeInvalid, ReasonTransportError, "message cannot be inflated"}

// Inflated returns by how many bytes compressed messages have grown since the last call: what they cost, and their client has
// not sent. It is called by the receiver of messages.
func (c *Conn) Inflated() int {
	n := c.inflated
	c.inflated = 0
	return n
}

// inflater takes a message out of its compressed form. It is borrowed for a message, and holds it.
type inflater struct {
	in     bytes.Reader
	packed []byte
	out    []byte
	gain   int           // how much longer the message is than it came
	flate  io.ReadCloser // a [flate.Resetter]
}

var inflaters = sync.Pool{New: func() any {
	i := new(inflater)
	i.flate = flate.NewReader(&i.in)
	return i
}}

// inflate returns a message, which is valid until the next call. It stops at the first byte over the limit.
//
// Rule: RFC 7692 section 7.2.2, and 7.2.1: a block may be marked as the last one, and others come behind it.
func (i *inflater) inflate(packed []byte, limit int64) ([]byte, error) {
	i.packed = append(append(i.packed[:0], packed...), inflateEnd...)
	i.in.Reset(i.packed)
	i.out = i.out[:0]
	for range maxInflateEnds {
		_ = i.flate.(flate.Resetter).Reset(&i.in, i.out[max(0, len(i.out)-32*kiB):]) // never fails
		for {
			i.out = slices.Grow(i.out, 512)
			room := i.out[len(i.out):min(int64(cap(i.out)), limit+1)]
			n, err := i.flate.Read(room)
			i.out = i.out[:len(i.out)+n]
			switch {
			case int64(len(i.out)) > limit:
				return nil, errTooBig
			case err == nil:
				continue
			case err != io.EOF:
				return nil, errInflate
			}
			break
		}
		if i.in.Len() <= len(inflateEnd) { // zlib too takes one whose last block ends it
			i.gain = max(0, len(i.out)-len(packed))
			if cap(i.packed) > maxKeptBytes {
				i.packed = nil // the message may stay for a while
			}
			return i.out, nil
		}
	}
	return nil, errInflate
}

// release gives an inflater back.
func (i *inflater) release() {
	if cap(i.out) > maxKeptBytes || cap(i.packed) > maxKeptBytes {
		i.out, i.packed = nil, nil
	}
	inflaters.Put(i)
}
