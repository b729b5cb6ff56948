package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

// text writes the string that starts at src[i] and returns where it ends.
func (p *Packer) text(src []byte, i int) (end int, err error) {
	i++
	end, ascii := rawjson.PlainRun(src, i)
	if end < len(src) && src[end] == '"' && (ascii || utf8.Valid(src[i:end])) {
		p.Dst = append(appendStringHeader(p.Dst, end-i), src[i:end]...)
		return end + 1, nil
	}
	return p.escaped(src, i)
}

// escaped writes a string with escapes, or bytes that are not UTF-8, whose inside starts at src[i].
func (p *Packer) escaped(src []byte, i int) (end int, err error) {
	const room = 5 // the longest header
	start := len(p.Dst)
	p.Dst = append(p.Dst, 0, 0, 0, 0, 0)
	for {
		end, ascii := rawjson.PlainRun(src, i)
		p.Dst = rawjson.AppendValid(p.Dst, src[i:end], ascii)
		if end == len(src) || src[end] < 0x20 {
			return 0, rawjson.ErrSyntax
		}
		if src[end] == '"' {
			i = end + 1
			break
		}
		r, n, canonical := rawjson.Unescape(src, end)
		if n == 0 {
			return 0, rawjson.ErrSyntax
		}
		p.Exact = p.Exact && canonical
		p.Dst = utf8.AppendRune(p.Dst, r)
		i = end + n
	}
	body := p.Dst[start+room:]
	head := appendStringHeader(p.Dst[:start], len(body))
	p.Dst = append(head, body...) // moves it down: the header is not longer than the room
	return i, nil
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

// number writes the number that starts at src[i] and returns where it ends: whole numbers as such in the least width, others
// and -0 as float64.
func (p *Packer) number(src []byte, i int) (end int, err error) {
	if end, err = rawjson.SkipNumber(src, i); err != nil {
		return 0, err
	}
	text := src[i:end]
	if p.integer(text) {
		return end, nil
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range: infinite, as from JSON.parse
	if p.Doubles && f == math.Trunc(f) && math.Abs(f) <= maxWhole && (f != 0 || !math.Signbit(f)) {
		p.whole(uint64(math.Abs(f)), f < 0)
		return end, nil
	}
	p.Dst = msgp.AppendFloat64(p.Dst, f)
	if p.Exact && !p.Doubles && !math.IsInf(f, 0) {
		var buf [32]byte
		p.Exact = string(rawjson.AppendNumber(buf[:0], f)) == string(text)
	} else {
		p.Exact = false
	}
	return end, nil
}

// maxWhole is up to where a float64 holds every whole number.
const maxWhole = 1 << 53

// integer writes the number that text says if it is a whole one of up to 64 bits, or up to [maxWhole] where numbers are
// float64, and reports whether it is.
func (p *Packer) integer(text []byte) bool {
	digits := text
	if text[0] == '-' {
		digits = text[1:]
	}
	if len(digits) > 20 || rawjson.SkipDigits(digits, 0) != len(digits) {
		return false
	}
	var u uint64
	if len(digits) < 20 {
		for _, c := range digits {
			u = u*10 + uint64(c-'0')
		}
	} else {
		var err error
		if u, err = strconv.ParseUint(string(digits), 10, 64); err != nil {
			return false
		}
	}
	negative := len(digits) < len(text)
	if negative && (u == 0 || u > 1<<63) || p.Doubles && u > maxWhole {
		return false
	}
	p.whole(u, negative)
	return true
}

func (p *Packer) whole(u uint64, negative bool) {
	if negative {
		p.Dst = msgp.AppendInt64(p.Dst, -int64(u))
	} else {
		p.Dst = msgp.AppendUint64(p.Dst, u)
	}
}
