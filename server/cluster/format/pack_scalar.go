package format

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

// text writes the string that starts at src[i] and returns where it ends.
func (p *packer) text(src []byte, i int) (end int, err error) {
	i++
	end, ascii := rawjson.PlainRun(src, i)
	if end < len(src) && src[end] == '"' && (ascii || utf8.Valid(src[i:end])) {
		p.dst = msgp.AppendStringFromBytes(p.dst, src[i:end])
		return end + 1, nil
	}
	return p.escaped(src, i)
}

// escaped writes a string with escapes, or bytes that are not UTF-8, whose inside starts at src[i].
func (p *packer) escaped(src []byte, i int) (end int, err error) {
	const room = 5 // the longest header
	start := len(p.dst)
	p.dst = append(p.dst, 0, 0, 0, 0, 0)
	for {
		end, ascii := rawjson.PlainRun(src, i)
		p.dst = rawjson.AppendValid(p.dst, src[i:end], ascii)
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
		p.exact = p.exact && canonical
		p.dst = utf8.AppendRune(p.dst, r)
		i = end + n
	}
	body := p.dst[start+room:]
	head := appendStringHeader(p.dst[:start], len(body))
	p.dst = append(head, body...) // moves it down: the header is not longer than the room
	return i, nil
}

// appendStringHeader appends the header of a string of n bytes.
func appendStringHeader(dst []byte, n int) []byte {
	switch {
	case n < 32:
		return append(dst, codeFixString|byte(n))
	case n <= math.MaxUint8:
		return append(dst, codeString8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, codeString16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, codeString32), uint32(n))
}

// number writes the number that starts at src[i] and returns where it ends: whole numbers of up to 64 bits as such, in the
// least width, others and -0 as float64.
func (p *packer) number(src []byte, i int) (end int, err error) {
	if end, err = rawjson.SkipNumber(src, i); err != nil {
		return 0, err
	}
	text := src[i:end]
	if p.integer(text) {
		return end, nil
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range: infinite, as from JSON.parse
	p.dst = msgp.AppendFloat64(p.dst, f)
	if p.exact && !math.IsInf(f, 0) {
		var buf [32]byte
		p.exact = string(rawjson.AppendNumber(buf[:0], f)) == string(text)
	} else {
		p.exact = false
	}
	return end, nil
}

// integer writes the number that text says if it is a whole one of up to 64 bits, and reports whether it is.
func (p *packer) integer(text []byte) bool {
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
	if len(digits) == len(text) {
		p.dst = msgp.AppendUint64(p.dst, u)
		return true
	}
	if u == 0 || u > 1<<63 {
		return false
	}
	p.dst = msgp.AppendInt64(p.dst, -int64(u))
	return true
}
