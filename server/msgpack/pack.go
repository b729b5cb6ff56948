package msgpack

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"

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
	last        int                   // the attachment of the last placeholder
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
func (p *Packer) Value(src []byte) error { return p.single(src, rawjson.MaxDepth) }

// Wrapped is Value for one in which something of [rawjson.MaxDepth] has been put into a few arrays and objects more.
func (p *Packer) Wrapped(src []byte) error { return p.single(src, rawjson.MaxDepth+8) }

func (p *Packer) single(src []byte, limit int) error {
	if len(p.attachments) > 0 {
		p.found = rawjson.Placeholders(nil, src)
	}
	dst, end, err := p.value(p.Dst, src, rawjson.SkipSpace(src, 0), limit)
	if err != nil {
		return err
	}
	if p.Dst = dst; rawjson.SkipSpace(src, end) != len(src) {
		return rawjson.ErrSyntax
	}
	return nil
}

// RefersToAll reports whether the placeholders, as they come, are those of all attachments.
func (p *Packer) RefersToAll() bool { return p.inOrder && p.next == len(p.attachments) }

// level is an array or object whose end is still to come.
type level struct {
	start   int // where its header is
	n       int // how many elements or members have come
	closing byte
}

// value appends the value that starts at src[i], in which limit levels may nest, and returns where it ends. It does not recurse:
// what is open costs a few bytes.
func (p *Packer) value(dst, src []byte, i, limit int) (out []byte, end int, err error) {
	open := make([]level, 0, narrowDepth)
	for {
		// src[i] is where a value has to start.
		if i >= len(src) {
			return nil, 0, rawjson.ErrSyntax
		}
		switch c := src[i]; c {
		case '"':
			dst, i = p.text(dst, src, i)
		case '{', '[':
			if len(open) == limit {
				return nil, 0, rawjson.ErrDepth
			}
			if len(p.found) > 0 && p.found[0].Start == i {
				if to := p.placeholder(src, i); to > 0 {
					dst, i = msgp.AppendBytes(dst, p.attachments[p.last]), to
					break
				}
			}
			in := level{len(dst), 0, c + ']' - '['}
			if i = p.space(src, i+1); i < len(src) && src[i] == in.closing {
				dst = append(dst, in.fix())
				i++
				break
			}
			if open = append(open, in); len(open) <= narrowDepth {
				dst = append(dst, 0)
			} else {
				dst = append(dst, in.medium()+1, 0, 0, 0, 0)
			}
			if c == '{' {
				if dst, i = p.key(dst, src, i); i == 0 {
					return nil, 0, rawjson.ErrSyntax
				}
			}
			continue
		case 't', 'f', 'n':
			dst, i = literal(dst, src, i)
		default:
			dst, i = p.number(dst, src, i)
		}
		if i == 0 {
			return nil, 0, rawjson.ErrSyntax
		}

		// A value has ended at i: close what it completes, until another value has to follow.
		for {
			if len(open) == 0 {
				return dst, i, nil
			}
			in := &open[len(open)-1]
			in.n++
			if i = p.space(src, i); i >= len(src) {
				return nil, 0, rawjson.ErrSyntax
			}
			if src[i] == ',' {
				if i = p.space(src, i+1); in.closing == '}' {
					if dst, i = p.key(dst, src, i); i == 0 {
						return nil, 0, rawjson.ErrSyntax
					}
				}
				break
			}
			if src[i] != in.closing {
				return nil, 0, rawjson.ErrSyntax
			}
			dst = in.close(dst)
			open = open[:len(open)-1]
			i++
		}
	}
}

// key appends the key that starts at src[i] and returns where its value begins, 0: there is none.
func (p *Packer) key(dst, src []byte, i int) (out []byte, value int) {
	if i >= len(src) || src[i] != '"' {
		return dst, 0
	}
	if dst, i = p.text(dst, src, i); i == 0 {
		return dst, 0
	}
	if i = p.space(src, i); i >= len(src) || src[i] != ':' {
		return dst, 0
	}
	return dst, p.space(src, i+1)
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

// placeholder takes the placeholder at src[i], which is the next one, and returns where it ends; 0: it stays an object.
func (p *Packer) placeholder(src []byte, i int) (end int) {
	found := p.found[0]
	p.found = p.found[1:]
	end, err := rawjson.SkipValue(src, i)
	if err != nil || end != found.End || !p.canRefer(found.Num) {
		return 0
	}
	var room [48]byte
	if string(rawjson.AppendPlaceholder(room[:0], found.Num)) != string(src[i:end]) {
		p.Exact = false
	}
	p.refer(found.Num)
	return end
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

// refer notes that an attachment is written.
func (p *Packer) refer(num int) {
	p.last = num
	if num == p.next {
		p.next++
	} else {
		p.repeat -= len(p.attachments[num])
		p.Exact, p.inOrder = false, false
	}
}

// fix is the code of up to 15 elements; medium that of two bytes of length, behind which that of four comes.
func (l *level) fix() byte {
	if l.closing == '}' {
		return CodeFixMap
	}
	return CodeFixArray
}

func (l *level) medium() byte {
	if l.closing == '}' {
		return CodeMap16
	}
	return CodeArray16
}

// close writes the header in the least width there is room for or can be made.
func (l *level) close(dst []byte) []byte {
	head := dst[l.start:]
	switch {
	case head[0] != 0:
		binary.BigEndian.PutUint32(head[1:], uint32(l.n))
	case l.n < 16:
		head[0] = l.fix() | byte(l.n)
	case l.n <= math.MaxUint16:
		dst = slices.Insert(dst, l.start, l.medium(), byte(l.n>>8))
		dst[l.start+2] = byte(l.n)
	default:
		dst = slices.Insert(dst, l.start, l.medium()+1, byte(l.n>>24), byte(l.n>>16), byte(l.n>>8))
		dst[l.start+4] = byte(l.n)
	}
	return dst
}
