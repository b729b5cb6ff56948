package msgpack

import (
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

const (
	// narrowDepth is how deep headers are written in the least width, for which what follows has to be moved when it was
	// long. Further inside they have their full width at once, which any decoder reads; so nesting costs no more than size.
	narrowDepth = 16
	// repeatBytes is what repeated references to attachments may add to an event. Beyond it a placeholder stays an object
	// for Node servers; signalbox nodes have the JSON and its attachments.
	repeatBytes = 64 << 10
)

// Packer writes JSON as msgpack, in one pass: the way notepack.io writes what JSON.parse makes of it, where the two can
// agree. A member named twice is written twice, for the reader's last one wins like JSON.parse's.
type Packer struct {
	Dst []byte // what was written
	// Doubles has numbers be what they are in JavaScript: whole ones up to 2^53 are integers, however they are written, and
	// others float64. Without it all whole numbers of up to 64 bits that are written in digits are integers.
	Doubles bool
	// Exact tells, without Doubles, that the msgpack gives back the JSON as it was.
	Exact bool

	attachments [][]byte
	found       []rawjson.Placeholder // in the value that is being written, and still to come
	inOrder     bool                  // every placeholder had the number of the one before plus one
	next        int                   // the attachment that the next placeholder should refer to
	repeat      int                   // how many bytes of attachments may still be written out of turn
}

// NewPacker returns a packer that appends to dst. Placeholders refer to attachments.
func NewPacker(dst []byte, attachments [][]byte) Packer {
	return Packer{Dst: dst, Exact: true, attachments: attachments, inOrder: true, repeat: repeatBytes}
}

// Array writes values as one array. Each may nest [rawjson.MaxDepth] deep.
func (p *Packer) Array(values []json.RawMessage) error {
	p.Dst = msgp.AppendArrayHeader(p.Dst, uint32(len(values)))
	for _, v := range values {
		if err := p.Value(v); err != nil {
			return err
		}
	}
	return nil
}

// Value writes the value that src is, with or without space around it.
func (p *Packer) Value(src []byte) error { return p.single(src, 0) }

// Wrapped is Value for one in which something of [rawjson.MaxDepth] has been put into a few arrays and objects more.
func (p *Packer) Wrapped(src []byte) error { return p.single(src, -8) }

func (p *Packer) single(src []byte, depth int) error {
	if len(p.attachments) > 0 {
		p.found = rawjson.Placeholders(nil, src)
	}
	end, err := p.value(src, rawjson.SkipSpace(src, 0), depth)
	if err != nil {
		return err
	}
	if rawjson.SkipSpace(src, end) != len(src) {
		return rawjson.ErrSyntax
	}
	return nil
}

// RefersToAll reports whether the placeholders, as they come, are those of all attachments.
func (p *Packer) RefersToAll() bool { return p.inOrder && p.next == len(p.attachments) }

// value writes the value that starts at src[i] and returns where it ends.
func (p *Packer) value(src []byte, i, depth int) (end int, err error) {
	if i >= len(src) {
		return 0, rawjson.ErrSyntax
	}
	switch c := src[i]; c {
	case '"':
		return p.text(src, i)
	case '{', '[':
		if depth == rawjson.MaxDepth {
			return 0, rawjson.ErrDepth
		}
		if c == '[' {
			return p.elements(src, i, depth+1)
		}
		if end, err := p.placeholder(src, i); end > 0 || err != nil {
			return end, err
		}
		return p.members(src, i, depth+1)
	case 't':
		p.Dst = append(p.Dst, CodeTrue)
	case 'f':
		p.Dst = append(p.Dst, CodeFalse)
	case 'n':
		p.Dst = append(p.Dst, CodeNil)
	default:
		return p.number(src, i)
	}
	return rawjson.SkipLiteral(src, i)
}

// space skips white space, which JSON.stringify would not have written.
func (p *Packer) space(src []byte, i int) int {
	if i < len(src) && src[i] > ' ' {
		return i
	}
	end := rawjson.SkipSpace(src, i)
	if end > i {
		p.Exact = false
	}
	return end
}

func (p *Packer) elements(src []byte, i, depth int) (end int, err error) {
	i = p.space(src, i+1)
	if i < len(src) && src[i] == ']' {
		p.Dst = append(p.Dst, CodeFixArray)
		return i + 1, nil
	}
	start := p.open(CodeArray32, depth)
	for n := 1; ; n++ {
		if i, err = p.value(src, i, depth); err != nil {
			return 0, err
		}
		i = p.space(src, i)
		if i >= len(src) {
			return 0, rawjson.ErrSyntax
		}
		switch src[i] {
		case ',':
			i = p.space(src, i+1)
		case ']':
			p.close(start, n, CodeFixArray, CodeArray16)
			return i + 1, nil
		default:
			return 0, rawjson.ErrSyntax
		}
	}
}

func (p *Packer) members(src []byte, i, depth int) (end int, err error) {
	i = p.space(src, i+1)
	if i < len(src) && src[i] == '}' {
		p.Dst = append(p.Dst, CodeFixMap)
		return i + 1, nil
	}
	start := p.open(CodeMap32, depth)
	for n := 1; ; n++ {
		if i >= len(src) || src[i] != '"' {
			return 0, rawjson.ErrSyntax
		}
		if i, err = p.text(src, i); err != nil {
			return 0, err
		}
		i = p.space(src, i)
		if i >= len(src) || src[i] != ':' {
			return 0, rawjson.ErrSyntax
		}
		if i, err = p.value(src, p.space(src, i+1), depth); err != nil {
			return 0, err
		}
		i = p.space(src, i)
		if i >= len(src) {
			return 0, rawjson.ErrSyntax
		}
		switch src[i] {
		case ',':
			i = p.space(src, i+1)
		case '}':
			p.close(start, n, CodeFixMap, CodeMap16)
			return i + 1, nil
		default:
			return 0, rawjson.ErrSyntax
		}
	}
}

// placeholder writes the attachment that a placeholder at src[i] refers to and returns where that ends; 0: there is none, or
// it stays an object.
func (p *Packer) placeholder(src []byte, i int) (end int, err error) {
	if len(p.found) == 0 || p.found[0].Start != i {
		return 0, nil
	}
	found := p.found[0]
	p.found = p.found[1:]
	if end, err = rawjson.SkipValue(src, i); err != nil || end != found.End || !p.canRefer(found.Num) {
		return 0, err
	}
	var room [48]byte
	if string(rawjson.AppendPlaceholder(room[:0], found.Num)) != string(src[i:end]) {
		p.Exact = false
	}
	p.refer(found.Num)
	return end, nil
}

// canRefer reports whether num is the number of an attachment that may be written once more.
func (p *Packer) canRefer(num int) bool {
	if num < 0 || num >= len(p.attachments) {
		return false
	}
	if num != p.next && len(p.attachments[num]) > p.repeat {
		p.Exact, p.inOrder = false, false
		return false
	}
	return true
}

// refer writes an attachment.
func (p *Packer) refer(num int) {
	if num == p.next {
		p.next++
	} else {
		p.repeat -= len(p.attachments[num])
		p.Exact, p.inOrder = false, false
	}
	p.Dst = msgp.AppendBytes(p.Dst, p.attachments[num])
}

// open makes room for a header and returns its place. full is its code at full width.
func (p *Packer) open(full byte, depth int) int {
	start := len(p.Dst)
	if depth > narrowDepth {
		p.Dst = append(p.Dst, full, 0, 0, 0, 0)
	} else {
		p.Dst = append(p.Dst, 0)
	}
	return start
}

// close writes the header at start for n elements or members, in the least width there is room for or can be made.
func (p *Packer) close(start, n int, fix, medium byte) {
	if p.Dst[start] != 0 {
		binary.BigEndian.PutUint32(p.Dst[start+1:], uint32(n))
		return
	}
	if n < 16 {
		p.Dst[start] = fix | byte(n)
		return
	}
	if n <= math.MaxUint16 {
		p.Dst = append(p.Dst, 0, 0)
		copy(p.Dst[start+3:], p.Dst[start+1:])
		p.Dst[start] = medium
		binary.BigEndian.PutUint16(p.Dst[start+1:], uint16(n))
		return
	}
	p.Dst = append(p.Dst, 0, 0, 0, 0)
	copy(p.Dst[start+5:], p.Dst[start+1:])
	p.Dst[start] = medium + 1
	binary.BigEndian.PutUint32(p.Dst[start+1:], uint32(n))
}
