package sqlite

import (
	"encoding/binary"
	"errors"
	"strings"

	"signalbox/store/internal/recent"
)

// chunkFormat is the first byte of a chunk.
const chunkFormat = 1

// minHeadBytes is the least a message takes in the head of a chunk: its four numbers.
const minHeadBytes = 4

// errDamaged is returned for a chunk that was not written by appendChunk.
var errDamaged = errors.New("damaged chunk")

// appendChunk appends n messages to dst as they are written to disk:
//
//	format byte, count, length of the head
//	head: for each message the time since the one before it (milliseconds, signed), the length of its JSON, the
//	      length of its id, and where in the JSON the id is, plus one; 0: it stands before the JSON
//	texts
//
// Numbers are varints as in encoding/binary. Most messages carry their id, so mostly it is not written twice.
func appendChunk(dst []byte, n int, at func(int) *recent.Entry) []byte {
	dst = append(dst, chunkFormat)
	dst = binary.AppendUvarint(dst, uint64(n))
	var scratch [maxChunkMessages * 4 * binary.MaxVarintLen16]byte
	head := scratch[:0]
	var milli int64
	for i := range n {
		e := at(i)
		head = binary.AppendVarint(head, e.Milli-milli)
		head = binary.AppendUvarint(head, uint64(len(e.JSON)))
		head = binary.AppendUvarint(head, uint64(len(e.ID)))
		head = binary.AppendUvarint(head, uint64(strings.Index(e.JSON, e.ID)+1))
		milli = e.Milli
	}
	dst = binary.AppendUvarint(dst, uint64(len(head)))
	dst = append(dst, head...)
	for i := range n {
		e := at(i)
		if !strings.Contains(e.JSON, e.ID) {
			dst = append(dst, e.ID...)
		}
		dst = append(dst, e.JSON...)
	}
	return dst
}

// decodeChunk returns the messages of a chunk. They do not share memory with body, nor with each other.
func decodeChunk(body []byte) ([]recent.Entry, error) {
	if len(body) == 0 || body[0] != chunkFormat {
		return nil, errDamaged
	}
	d := decoder{rest: body[1:]}
	count, size := d.uvarint(), d.uvarint()
	if d.bad || size > uint64(len(d.rest)) || count > size/minHeadBytes {
		return nil, errDamaged
	}
	texts := d.rest[size:]
	d.rest = d.rest[:size]
	entries := make([]recent.Entry, count)
	var milli int64
	for i := range entries {
		milli += d.varint()
		jsonLen, idLen, idAt := d.uvarint(), d.uvarint(), d.uvarint()
		left := uint64(len(texts))
		if d.bad || jsonLen > left || idLen > left {
			return nil, errDamaged
		}
		e := &entries[i]
		e.Milli = milli
		switch {
		case idAt == 0 && idLen+jsonLen <= left:
			text := string(texts[:idLen+jsonLen])
			e.ID, e.JSON = text[:idLen], text[idLen:]
			texts = texts[idLen+jsonLen:]
		case idAt > 0 && idAt <= jsonLen+1 && idLen <= jsonLen-(idAt-1):
			e.JSON = string(texts[:jsonLen])
			e.ID = e.JSON[idAt-1:][:idLen]
			texts = texts[jsonLen:]
		default:
			return nil, errDamaged
		}
	}
	if len(d.rest) != 0 || len(texts) != 0 {
		return nil, errDamaged
	}
	return entries, nil
}

// decoder reads numbers off the front of rest. Once one is not there, bad is set and every further one is 0.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return number(d, v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return number(d, v, n)
}

// number takes n bytes off rest for v. n is as encoding/binary returns it: 0 or less where there is no number.
func number[T any](d *decoder, v T, n int) T {
	if n <= 0 || d.bad {
		d.bad, d.rest = true, nil
		var none T
		return none
	}
	d.rest = d.rest[n:]
	return v
}
