package msgpack

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"signalbox/server/rawjson"
)

// Form says how msgpack is written as JSON.
type Form struct {
	// Doubles has whole numbers beyond 2^53 be the float64 next to them, as in JavaScript; else they keep their digits.
	Doubles bool
	// Inline has bytes be written as JSON.stringify writes a Buffer; else they are attachments.
	Inline bool
}

// unpacker writes msgpack as JSON.stringify writes what notepack.io reads from it: bytes as placeholders for attachments
// in the order in which they come, dates as ISO 8601 in UTC, numbers that are not finite as null, undefined as null in an
// array and not at all in a map.
type unpacker struct {
	Cursor
	form        Form
	out         []byte
	attachments [][]byte
	deep        bool // it nests deeper than [rawjson.MaxDepth]
}

// Array reads an array of values, each of which may nest [rawjson.MaxDepth] deep, and appends them to list. The
// attachments alias b.
func (f Form) Array(b []byte, list []json.RawMessage) (values []json.RawMessage, attachments [][]byte, err error) {
	u := unpacker{Cursor: Cursor{B: b}, form: f}
	n := u.Array()
	if u.Bad {
		return nil, nil, ErrFormat
	}
	list = slices.Grow(list, min(n, 64)) // more than that has to be there first
	u.out = make([]byte, 0, len(b)+len(b)/4+16)
	for range n {
		start := len(u.out)
		if u.value(0); u.Bad {
			break
		}
		list = append(list, u.out[start:len(u.out):len(u.out)])
	}
	if err := u.end(); err != nil {
		return nil, nil, err
	}
	return list, u.attachments, nil
}

// Value reads one value. The attachments alias b.
func (f Form) Value(b []byte) (value json.RawMessage, attachments [][]byte, err error) {
	u := unpacker{Cursor: Cursor{B: b}, form: f}
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
	case !u.Done():
		return ErrFormat
	}
	return nil
}

func (u *unpacker) value(depth int) {
	switch u.Kind() {
	case KindNil:
		u.I++
		u.out = append(u.out, "null"...)
	case KindBool:
		u.out = strconv.AppendBool(u.out, u.Bool())
	case KindInt:
		u.integer()
	case KindReal:
		u.out = appendReal(u.out, u.Real())
	case KindString:
		u.out = rawjson.AppendQuoted(u.out, u.Text())
	case KindBin:
		u.bytes(u.Bin(), depth)
	case KindExt:
		u.extension(depth)
	case KindArray:
		if u.nest(depth) {
			u.elements(depth + 1)
		}
	case KindMap:
		if u.nest(depth) {
			u.members(depth + 1)
		}
	default:
		u.Fail()
	}
}

// nest reports whether there may be one level more.
func (u *unpacker) nest(depth int) bool {
	if depth >= rawjson.MaxDepth {
		u.deep = true
		u.Fail()
	}
	return !u.Bad
}

func (u *unpacker) elements(depth int) {
	n := u.Array()
	u.out = append(u.out, '[')
	for i := 0; i < n && !u.Bad; i++ {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		u.value(depth)
	}
	u.out = append(u.out, ']')
}

func (u *unpacker) members(depth int) {
	n := u.Map()
	u.out = append(u.out, '{')
	start := len(u.out)
	for ; n > 0 && !u.Bad; n-- {
		before := len(u.out)
		if before > start {
			u.out = append(u.out, ',')
		}
		u.key()
		u.out = append(u.out, ':')
		if u.SkipUndefined() {
			u.out = u.out[:before]
		} else {
			u.value(depth)
		}
	}
	u.out = append(u.out, '}')
}

// key writes a map's key. What is not a string becomes the text that a JavaScript object would have for it.
func (u *unpacker) key() {
	switch u.Kind() {
	case KindString:
		u.out = rawjson.AppendQuoted(u.out, u.Text())
	case KindInt, KindReal, KindBool, KindNil:
		u.out = append(u.out, '"')
		u.out = AppendName(u.out, &u.Cursor)
		u.out = append(u.out, '"')
	default:
		u.Fail()
	}
}

// AppendName appends what JavaScript's String() makes of a value that is neither a string nor made of others.
func AppendName(dst []byte, c *Cursor) []byte {
	switch c.Kind() {
	case KindReal:
		return rawjson.AppendNumber(dst, c.Real())
	case KindInt:
		return appendInteger(dst, c)
	case KindBool:
		return strconv.AppendBool(dst, c.Bool())
	case KindNil:
		c.I++
		return append(dst, "null"...)
	}
	c.Fail()
	return dst
}

// integer writes a whole number.
func (u *unpacker) integer() {
	c := u.Cursor
	if f, _ := c.Number(); u.form.Doubles && math.Abs(f) >= maxWhole {
		u.out = rawjson.AppendNumber(u.out, f)
		u.Cursor = c
		return
	}
	u.out = appendInteger(u.out, &u.Cursor)
}

func appendInteger(dst []byte, c *Cursor) []byte {
	n, negative := c.Int()
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
func (u *unpacker) bytes(b []byte, depth int) {
	if !u.nest(depth) {
		return
	}
	if !u.form.Inline {
		u.out = rawjson.AppendPlaceholder(u.out, len(u.attachments))
		u.attachments = append(u.attachments, b)
		return
	}
	if !u.nest(depth + 1) {
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

// extension writes a date, undefined, an ArrayBuffer, or what JavaScript is given for other types: type and bytes.
//
// Rule: [MessagePack, timestamp extension type]; type 0 as notepack.io reads it.
//
// [MessagePack, timestamp extension type]: https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type
func (u *unpacker) extension(depth int) {
	code := u.B[u.I]
	kind, body := u.Ext()
	if u.Bad {
		return
	}
	c := Cursor{B: body}
	switch {
	case kind == extLegacy && code == CodeFixExt1:
		u.out = append(u.out, "null"...) // undefined
	case kind == extLegacy && code == CodeFixExt8:
		u.out = appendDate(u.out, int64(c.uint(8)))
	case kind == extLegacy && code < CodeFixExt1:
		u.bytes(body, depth)
	case kind == extTimestamp && len(body) == 4:
		u.out = appendTimestamp(u.out, int64(c.uint(4)), 0)
	case kind == extTimestamp && len(body) == 8:
		both := c.uint(8)
		u.out = appendTimestamp(u.out, int64(both&(1<<34-1)), int64(both>>34))
	case kind == extTimestamp && len(body) == 12:
		nanoseconds := int64(c.uint(4))
		u.out = appendTimestamp(u.out, int64(c.uint(8)), nanoseconds)
	default:
		u.out = strconv.AppendInt(append(u.out, '['), int64(kind), 10)
		u.out = append(u.out, ',')
		u.bytes(body, depth+1)
		u.out = append(u.out, ']')
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
