package format

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

const (
	// narrowDepth is how deep headers are written in the least width, for which what follows has to be moved when it was
	// long. Further inside they have their full width at once, which any decoder reads; so nesting costs no more than size.
	narrowDepth = 16
	// repeatBytes is what repeated references to attachments may add to an event. Beyond it a placeholder stays an object
	// for Node servers; signalbox nodes have the JSON and its attachments.
	repeatBytes = 64 << 10
)

// packer writes JSON as msgpack, in one pass: the way notepack.io writes what JSON.parse makes of it, where the two can
// agree. A member named twice is written twice, for the reader's last one wins like JSON.parse's.
type packer struct {
	dst         []byte
	attachments [][]byte

	exact   bool // the msgpack gives back the JSON as it was
	inOrder bool // every placeholder had the number of the one before plus one
	next    int  // the attachment that the next placeholder should refer to
	repeat  int
}

func newPacker(dst []byte, p *Packet) packer {
	return packer{dst: dst, attachments: p.Attachments, exact: true, inOrder: true, repeat: repeatBytes}
}

// array writes values as one array.
func (p *packer) array(values []json.RawMessage) error {
	p.dst = msgp.AppendArrayHeader(p.dst, uint32(len(values)))
	for _, v := range values {
		if err := p.whole(v); err != nil {
			return err
		}
	}
	return nil
}

// whole writes a value that src is, with or without space around it.
func (p *packer) whole(src []byte) error {
	end, err := p.value(src, skipSpace(src, 0), 0)
	if err != nil {
		return err
	}
	if skipSpace(src, end) != len(src) {
		return ErrJSON
	}
	return nil
}

// refersToAll reports whether the placeholders, as they come, are those of all attachments.
func (p *packer) refersToAll() bool { return p.inOrder && p.next == len(p.attachments) }

// value writes the value that starts at src[i] and returns where it ends.
func (p *packer) value(src []byte, i, depth int) (end int, err error) {
	if i >= len(src) {
		return 0, ErrJSON
	}
	switch c := src[i]; c {
	case '"':
		return p.text(src, i)
	case '{', '[':
		if depth == MaxDepth {
			return 0, ErrDepth
		}
		if c == '[' {
			return p.elements(src, i, depth+1)
		}
		if len(p.attachments) > 0 {
			if end := p.placeholder(src, i); end > 0 {
				return end, nil
			}
		}
		return p.members(src, i, depth+1)
	case 't':
		p.dst = append(p.dst, codeTrue)
	case 'f':
		p.dst = append(p.dst, codeFalse)
	case 'n':
		p.dst = append(p.dst, codeNil)
	default:
		return p.number(src, i)
	}
	return skipLiteral(src, i)
}

// space skips white space, which JSON.stringify would not have written.
func (p *packer) space(src []byte, i int) int {
	if i < len(src) && src[i] > ' ' {
		return i
	}
	end := skipSpace(src, i)
	if end > i {
		p.exact = false
	}
	return end
}

func (p *packer) elements(src []byte, i, depth int) (end int, err error) {
	i = p.space(src, i+1)
	if i < len(src) && src[i] == ']' {
		p.dst = append(p.dst, codeFixArray)
		return i + 1, nil
	}
	start := p.open(codeArray32, depth)
	for n := 1; ; n++ {
		if i, err = p.value(src, i, depth); err != nil {
			return 0, err
		}
		i = p.space(src, i)
		if i >= len(src) {
			return 0, ErrJSON
		}
		switch src[i] {
		case ',':
			i = p.space(src, i+1)
		case ']':
			p.close(start, n, codeFixArray, codeArray16)
			return i + 1, nil
		default:
			return 0, ErrJSON
		}
	}
}

func (p *packer) members(src []byte, i, depth int) (end int, err error) {
	i = p.space(src, i+1)
	if i < len(src) && src[i] == '}' {
		p.dst = append(p.dst, codeFixMap)
		return i + 1, nil
	}
	first := p.next
	start := p.open(codeMap32, depth)
	is, num := false, -1 // what makes a placeholder: _placeholder is true, and num
	for n := 1; ; n++ {
		if i >= len(src) || src[i] != '"' {
			return 0, ErrJSON
		}
		keyAt := len(p.dst)
		if i, err = p.text(src, i); err != nil {
			return 0, err
		}
		valueAt := len(p.dst)
		i = p.space(src, i)
		if i >= len(src) || src[i] != ':' {
			return 0, ErrJSON
		}
		if i, err = p.value(src, p.space(src, i+1), depth); err != nil {
			return 0, err
		}
		if len(p.attachments) > 0 {
			switch string(p.dst[keyAt:valueAt]) {
			case "\xac_placeholder":
				is = p.dst[valueAt] == codeTrue
			case "\xa3num":
				num = packedIndex(p.dst[valueAt:])
			}
		}
		i = p.space(src, i)
		if i >= len(src) {
			return 0, ErrJSON
		}
		switch src[i] {
		case ',':
			i = p.space(src, i+1)
		case '}':
			if is && p.replace(start, first, num) {
				return i + 1, nil
			}
			p.close(start, n, codeFixMap, codeMap16)
			return i + 1, nil
		default:
			return 0, ErrJSON
		}
	}
}

// replace writes an attachment over the object at start, which is a placeholder that no encoder writes that way but every
// client takes for one. next is the attachment that was next when the object began.
func (p *packer) replace(start, next, num int) bool {
	reached := p.next
	p.next = next
	if !p.canRefer(num) {
		p.next = reached
		return false
	}
	p.dst, p.exact = p.dst[:start], false
	p.refer(num)
	return true
}

// packedIndex returns the whole number below 2^31 that b begins with, or -1.
func packedIndex(b []byte) int {
	c := cursor{b: b}
	f, ok := c.number()
	if !ok || f < 0 || f >= math.MaxInt32 || f != math.Trunc(f) {
		return -1
	}
	return int(f)
}

const placeholderStart = `{"_placeholder":true,"num":`

// placeholder writes the attachment that a placeholder at src[i] refers to and returns where that ends; 0: there is none,
// or not in the form in which encoders write it.
func (p *packer) placeholder(src []byte, i int) int {
	if len(src)-i < len(placeholderStart) || string(src[i:i+len(placeholderStart)]) != placeholderStart {
		return 0
	}
	i += len(placeholderStart)
	end := skipDigits(src, i)
	if end == len(src) || src[end] != '}' || end == i || end-i > 9 || src[i] == '0' && end-i > 1 {
		return 0
	}
	num := 0
	for _, c := range src[i:end] {
		num = num*10 + int(c-'0')
	}
	if !p.canRefer(num) {
		return 0
	}
	p.refer(num)
	return end + 1
}

// canRefer reports whether num is the number of an attachment that may be written once more.
func (p *packer) canRefer(num int) bool {
	if num < 0 || num >= len(p.attachments) {
		return false
	}
	if num != p.next && len(p.attachments[num]) > p.repeat {
		p.exact, p.inOrder = false, false
		return false
	}
	return true
}

// refer writes an attachment.
func (p *packer) refer(num int) {
	if num == p.next {
		p.next++
	} else {
		p.repeat -= len(p.attachments[num])
		p.exact, p.inOrder = false, false
	}
	p.dst = msgp.AppendBytes(p.dst, p.attachments[num])
}

// open makes room for a header and returns its place. full is its code at full width.
func (p *packer) open(full byte, depth int) int {
	start := len(p.dst)
	if depth > narrowDepth {
		p.dst = append(p.dst, full, 0, 0, 0, 0)
	} else {
		p.dst = append(p.dst, 0)
	}
	return start
}

// close writes the header at start for n elements or members, in the least width there is room for or can be made.
func (p *packer) close(start, n int, fix, medium byte) {
	if p.dst[start] != 0 {
		binary.BigEndian.PutUint32(p.dst[start+1:], uint32(n))
		return
	}
	if n < 16 {
		p.dst[start] = fix | byte(n)
		return
	}
	if n <= math.MaxUint16 {
		p.dst = append(p.dst, 0, 0)
		copy(p.dst[start+3:], p.dst[start+1:])
		p.dst[start] = medium
		binary.BigEndian.PutUint16(p.dst[start+1:], uint16(n))
		return
	}
	p.dst = append(p.dst, 0, 0, 0, 0)
	copy(p.dst[start+5:], p.dst[start+1:])
	p.dst[start] = medium + 1
	binary.BigEndian.PutUint32(p.dst[start+1:], uint32(n))
}

// text writes the string that starts at src[i] and returns where it ends.
func (p *packer) text(src []byte, i int) (end int, err error) {
	i++
	end, ascii := plainRun(src, i)
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
		end, ascii := plainRun(src, i)
		if ascii || utf8.Valid(src[i:end]) {
			p.dst = append(p.dst, src[i:end]...)
		} else {
			p.dst = appendValid(p.dst, src[i:end])
		}
		if end == len(src) || src[end] < 0x20 {
			return 0, ErrJSON
		}
		if src[end] == '"' {
			i = end + 1
			break
		}
		if _, err := escapeLen(src, end); err != nil {
			return 0, err
		}
		r, n, canonical := unescape(src, end)
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
	if end, err = skipNumber(src, i); err != nil {
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
		p.exact = string(appendFloat(buf[:0], f)) == string(text)
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
	if len(digits) > 20 || skipDigits(digits, 0) != len(digits) {
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
