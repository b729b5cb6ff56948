package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

// text appends the string that starts at src[i] and returns where it ends, 0: it is none. One of up to 31 bytes of ASCII without
// escapes, clear of the ends of src and dst, is copied while it is looked at.
func (p *Packer) text(dst, src []byte, i int) (out []byte, end int) {
	const most = 32
	i++
	at := len(dst)
	if len(src)-i < most || cap(dst)-at <= most {
		return p.anyText(dst, src, i)
	}
	from, to := (*[most]byte)(src[i:]), (*[1 + most]byte)(dst[at:at+1+most])
	for n := 0; n < most; n += 8 {
		w := binary.LittleEndian.Uint64(from[n:])
		binary.LittleEndian.PutUint64(to[1+n:], w)
		length, ascii := rawjson.PlainBytes(w)
		if !ascii {
			break
		}
		if length == 8 {
			continue
		}
		if n += length; from[n&(most-1)] == '"' {
			to[0] = CodeFixString | byte(n)
			return dst[:at+1+n], i + n + 1
		}
		break
	}
	return p.anyText(dst, src, i)
}

// anyText appends the string whose inside starts at src[i].
func (p *Packer) anyText(dst, src []byte, i int) (out []byte, end int) {
	end, ascii := rawjson.PlainRun(src, i)
	if end < len(src) && src[end] == '"' && (ascii || utf8.Valid(src[i:end])) {
		return append(appendStringHeader(dst, end-i), src[i:end]...), end + 1
	}
	return p.escaped(dst, src, i)
}

// escaped appends a string with escapes, or bytes that are not UTF-8, whose inside starts at src[i].
func (p *Packer) escaped(dst, src []byte, i int) (out []byte, end int) {
	const room = 5 // the longest header
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0)
	for {
		end, ascii := rawjson.PlainRun(src, i)
		dst = rawjson.AppendValid(dst, src[i:end], ascii)
		if end == len(src) || src[end] < 0x20 {
			return dst, 0
		}
		if src[end] == '"' {
			i = end + 1
			break
		}
		r, n, canonical := rawjson.Unescape(src, end)
		if n == 0 {
			return dst, 0
		}
		p.Exact = p.Exact && canonical
		dst = utf8.AppendRune(dst, r)
		i = end + n
	}
	body := dst[start+room:]
	head := appendStringHeader(dst[:start], len(body))
	return append(head, body...), i // moves it down: the header is not longer than the room
}

// appendStringHeader appends the header of a string of n bytes.
func appendStringHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, CodeFixString|byte(n))
	case n <= math.MaxUint8:
		return append(dst, CodeString8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, CodeString16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, CodeString32), uint32(n))
}

// literal appends true, false or null and returns where it ends, 0: it is none of them.
func literal(dst, src []byte, i int) (out []byte, end int) {
	code := byte(CodeNil)
	switch src[i] {
	case 't':
		code = CodeTrue
	case 'f':
		code = CodeFalse
	}
	end, err := rawjson.SkipLiteral(src, i)
	if err != nil {
		return dst, 0
	}
	return append(dst, code), end
}

// maxWhole is up to where a float64 holds every whole number.
const maxWhole = 1 << 53

// powers are the powers of ten that decimals are divided by.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// number appends the number that starts at src[i] and returns where it ends, 0: it is none. Whole numbers are written as such in
// the least width, others and -0 as float64.
//
// Most numbers are taken while they are looked at: those of up to 15 digits, up to 6 of them behind a point and the last of
// these not 0. Numerator and power are exact then, so the quotient is the nearest float64; and no two decimals of up to
// 15 digits share one, so JavaScript writes it the same way.
func (p *Packer) number(dst, src []byte, start int) (out []byte, end int) {
	i := start
	negative := src[i] == '-'
	if negative {
		i++
	}
	first, point := i, -1
	var u uint64
	for ; i < len(src); i++ {
		if d := src[i] - '0'; d <= 9 {
			u = u*10 + uint64(d)
		} else if src[i] == '.' && point < 0 {
			point = i
		} else {
			break
		}
	}
	switch length := i - first; {
	case length == 0, length > 15, u == 0 && (length > 1 || negative), i < len(src) && src[i]|0x20 == 'e':
	case src[first] == '0' && length > 1 && point != first+1:
	case point < 0:
		return appendWhole(dst, u, negative), i
	case point > first && src[i-1] > '0' && i-point <= len(powers):
		f := float64(u) / powers[i-1-point]
		if negative {
			f = -f
		}
		return msgp.AppendFloat64(dst, f), i
	}
	return p.anyNumber(dst, src, start)
}

// anyNumber is number for all of them.
func (p *Packer) anyNumber(dst, src []byte, i int) (out []byte, end int) {
	end, err := rawjson.SkipNumber(src, i)
	if err != nil {
		return dst, 0
	}
	text := string(src[i:end])
	digits := strings.TrimPrefix(text, "-")
	negative := len(digits) < len(text)
	if u, err := strconv.ParseUint(digits, 10, 64); err == nil && (!negative || u != 0 && u <= 1<<63) && (!p.Doubles || u <= maxWhole) {
		return appendWhole(dst, u, negative), end
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range: infinite, as from JSON.parse
	if p.Doubles && f == math.Trunc(f) && math.Abs(f) <= maxWhole && (f != 0 || !math.Signbit(f)) {
		return appendWhole(dst, uint64(math.Abs(f)), f < 0), end
	}
	if p.Exact && !p.Doubles && !math.IsInf(f, 0) {
		var buf [32]byte
		p.Exact = string(rawjson.AppendNumber(buf[:0], f)) == text
	} else {
		p.Exact = false
	}
	return msgp.AppendFloat64(dst, f), end
}

func appendWhole(dst []byte, u uint64, negative bool) []byte {
	switch {
	case negative:
		return msgp.AppendInt64(dst, -int64(u))
	case u < CodeFixMap:
		return append(dst, byte(u))
	}
	return msgp.AppendUint64(dst, u)
}
