package format

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"signalbox/server/rawjson"
)

// unpacker writes msgpack as JSON.stringify writes what notepack.io reads from it: bytes as placeholders for attachments
// in the order in which they come, dates as ISO 8601 in UTC, numbers that are not finite as null. Whole numbers keep
// their digits, also beyond 2^53.
type unpacker struct {
	cursor
	out         []byte
	attachments [][]byte
	inline      bool // bytes are written as JSON.stringify writes a Buffer
	deep        bool // it nests deeper than [rawjson.MaxDepth]
}

// unpackArray reads an array of values. The attachments alias b.
func unpackArray(b []byte) (Packet, error) {
	u := unpacker{cursor: cursor{b: b}}
	n := u.array()
	if u.bad {
		return Packet{}, ErrFormat
	}
	args := make([]json.RawMessage, 0, n)
	u.out = make([]byte, 0, len(b)+len(b)/4+16)
	for range n {
		start := len(u.out)
		u.value(0)
		args = append(args, u.out[start:len(u.out):len(u.out)])
	}
	if err := u.end(); err != nil {
		return Packet{}, err
	}
	return Packet{Args: args, Attachments: u.attachments}, nil
}

// unpackValue reads one value. inline: its bytes are written into the JSON, as arrays of numbers.
func unpackValue(b []byte, inline bool) (json.RawMessage, [][]byte, error) {
	u := unpacker{cursor: cursor{b: b}, inline: inline}
	u.value(0)
	if err := u.end(); err != nil {
		return nil, nil, err
	}
	return u.out, u.attachments, nil
}

func (u *unpacker) end() error {
	switch {
	case u.deep:
		return rawjson.ErrDepth
	case !u.done():
		return ErrFormat
	}
	return nil
}

func (u *unpacker) value(depth int) {
	switch u.kind() {
	case kindNil:
		u.i++
		u.out = append(u.out, "null"...)
	case kindBool:
		u.out = strconv.AppendBool(u.out, u.boolean())
	case kindInt:
		u.out = appendInteger(u.out, &u.cursor)
	case kindReal:
		u.out = appendReal(u.out, u.real())
	case kindString:
		u.out = rawjson.AppendQuoted(u.out, u.text())
	case kindBin:
		u.bytes(u.bin())
	case kindExt:
		u.extension()
	case kindArray, kindMap:
		if depth == rawjson.MaxDepth {
			u.deep = true
			u.fail()
		} else if u.kind() == kindArray {
			u.elements(depth + 1)
		} else {
			u.members(depth + 1)
		}
	default:
		u.fail()
	}
}

func (u *unpacker) elements(depth int) {
	n := u.array()
	u.out = append(u.out, '[')
	for i := 0; i < n && !u.bad; i++ {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		u.value(depth)
	}
	u.out = append(u.out, ']')
}

func (u *unpacker) members(depth int) {
	n := u.mapping()
	u.out = append(u.out, '{')
	for i := 0; i < n && !u.bad; i++ {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		u.key()
		u.out = append(u.out, ':')
		u.value(depth)
	}
	u.out = append(u.out, '}')
}

// key writes a map's key. What is not a string becomes the text that a JavaScript object would have for it.
func (u *unpacker) key() {
	switch u.kind() {
	case kindString:
		u.out = rawjson.AppendQuoted(u.out, u.text())
	case kindInt, kindReal, kindBool, kindNil:
		u.out = append(u.out, '"')
		u.out = appendName(u.out, &u.cursor)
		u.out = append(u.out, '"')
	default:
		u.fail()
	}
}

// appendName appends what JavaScript's String() makes of a value that is neither a string nor made of others.
func appendName(dst []byte, c *cursor) []byte {
	switch c.kind() {
	case kindReal:
		return rawjson.AppendNumber(dst, c.real())
	case kindInt:
		return appendInteger(dst, c)
	case kindBool:
		return strconv.AppendBool(dst, c.boolean())
	case kindNil:
		c.i++
		return append(dst, "null"...)
	}
	c.fail()
	return dst
}

func appendInteger(dst []byte, c *cursor) []byte {
	n, negative := c.integer()
	if negative {
		return strconv.AppendInt(dst, int64(n), 10)
	}
	return strconv.AppendUint(dst, n, 10)
}

func appendReal(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	return rawjson.AppendNumber(dst, f)
}

// bytes writes the place of an attachment, or the bytes themselves.
func (u *unpacker) bytes(b []byte) {
	if u.bad {
		return
	}
	if !u.inline {
		u.out = rawjson.AppendPlaceholder(u.out, len(u.attachments))
		u.attachments = append(u.attachments, b)
		return
	}
	u.out = append(u.out, `{"type":"Buffer","data":[`...)
	for i, c := range b {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		u.out = strconv.AppendUint(u.out, uint64(c), 10)
	}
	u.out = append(u.out, "]}"...)
}

// The types of extension that notepack.io knows: timestamps, and one for what it wrote before it had them.
const (
	extTimestamp = -1
	extLegacy    = 0
)

// extension writes a date, undefined or an ArrayBuffer.
//
// Rule: [MessagePack, timestamp extension type]; type 0 as notepack.io reads it.
//
// [MessagePack, timestamp extension type]: https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type
func (u *unpacker) extension() {
	kind, body := u.ext()
	if u.bad {
		return
	}
	c := cursor{b: body}
	switch {
	case kind == extLegacy && len(body) == 1:
		u.out = append(u.out, "null"...) // undefined
	case kind == extLegacy && len(body) == 8:
		u.out = appendDate(u.out, int64(c.uint(8)))
	case kind == extLegacy:
		u.bytes(body)
	case kind == extTimestamp && len(body) == 4:
		u.out = appendTimestamp(u.out, int64(c.uint(4)), 0)
	case kind == extTimestamp && len(body) == 8:
		both := c.uint(8)
		u.out = appendTimestamp(u.out, int64(both&(1<<34-1)), int64(both>>34))
	case kind == extTimestamp && len(body) == 12:
		nanoseconds := int64(c.uint(4))
		u.out = appendTimestamp(u.out, int64(c.uint(8)), nanoseconds)
	default:
		u.fail()
	}
}

// maxDateMs is how far dates of JavaScript reach from 1970, in milliseconds and both ways.
const maxDateMs = 8_640_000_000_000_000

// appendTimestamp appends a date as JSON. nanoseconds is at most 32 bits.
func appendTimestamp(dst []byte, seconds, nanoseconds int64) []byte {
	if seconds > maxDateMs/1000 || seconds < -maxDateMs/1000-5 {
		return append(dst, "null"...)
	}
	ms := seconds*1000 + nanoseconds/1e6
	if ms < 0 && nanoseconds%1e6 != 0 {
		ms++ // a date drops the fraction, towards 1970
	}
	return appendDate(dst, ms)
}

// appendDate appends what JSON.stringify makes of a date.
//
// Rule: [ECMA-262, Date.prototype.toISOString].
//
// [ECMA-262, Date.prototype.toISOString]: https://tc39.es/ecma262/#sec-date.prototype.toisostring
func appendDate(dst []byte, ms int64) []byte {
	if ms > maxDateMs || ms < -maxDateMs {
		return append(dst, "null"...)
	}
	t := time.UnixMilli(ms).UTC()
	dst = append(dst, '"')
	if year := t.Year(); 0 <= year && year <= 9999 {
		dst = t.AppendFormat(dst, "2006-")
	} else {
		sign := byte('+')
		if year < 0 {
			sign, year = '-', -year
		}
		dst = append(dst, sign)
		for scale := 100_000; scale > 0; scale /= 10 {
			dst = append(dst, '0'+byte(year/scale%10))
		}
		dst = append(dst, '-')
	}
	dst = t.AppendFormat(dst, "01-02T15:04:05.000Z")
	return append(dst, '"')
}
