package msgpack

import (
	"encoding/binary"
	"math"
)

// Cursor reads msgpack. After a fault all its methods return nothing and stay where they are: Bad tells.
type Cursor struct {
	B   []byte // the message
	I   int    // where it goes on
	Bad bool   // something was wrong
}

// Done reports whether all bytes were read, without a fault.
func (c *Cursor) Done() bool { return !c.Bad && c.I == len(c.B) }

// Kind returns what the next value is.
func (c *Cursor) Kind() Kind {
	if c.Bad || c.I >= len(c.B) {
		return KindNone
	}
	return codes[c.B[c.I]].kind
}

// Fail stops the cursor.
func (c *Cursor) Fail() { c.Bad = true }

// take returns the next n bytes.
func (c *Cursor) take(n int) []byte {
	if c.Bad || n > len(c.B)-c.I {
		c.Bad = true
		return nil
	}
	c.I += n
	return c.B[c.I-n : c.I : c.I]
}

// byte returns the next byte.
func (c *Cursor) byte() byte {
	if c.Bad || c.I >= len(c.B) {
		c.Bad = true
		return 0
	}
	c.I++
	return c.B[c.I-1]
}

// uint returns the number that the next n bytes say: 1, 2, 4 or 8.
func (c *Cursor) uint(n int) uint64 {
	b := c.take(n)
	if b == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	default:
		return binary.BigEndian.Uint64(b)
	}
}

// length checks that n values of at least size bytes each can follow, and returns n.
func (c *Cursor) length(n uint64, size int) int {
	if c.Bad || n > uint64(len(c.B)-c.I)/uint64(size) {
		c.Bad = true
		return 0
	}
	return int(n)
}

// Array reads the header of an array and returns the number of elements, which fit into what follows.
func (c *Cursor) Array() int {
	if c.Kind() != KindArray {
		c.Bad = true
		return 0
	}
	code := c.byte()
	if code < CodeFixString {
		return c.length(uint64(code&0x0f), 1)
	}
	return c.length(c.uint(2<<(code-CodeArray16)), 1)
}

// Map reads the header of a map and returns the number of members, which fit into what follows.
func (c *Cursor) Map() int {
	if c.Kind() != KindMap {
		c.Bad = true
		return 0
	}
	code := c.byte()
	if code < CodeFixArray {
		return c.length(uint64(code&0x0f), 2)
	}
	return c.length(c.uint(2<<(code-CodeMap16)), 2)
}

// Text reads a string. It aliases the message.
func (c *Cursor) Text() []byte {
	if c.Kind() != KindString {
		c.Bad = true
		return nil
	}
	code := c.byte()
	if code < CodeNil {
		return c.take(int(code & 0x1f))
	}
	return c.take(c.length(c.uint(1<<(code-CodeString8)), 1))
}

// Bin reads bytes. They alias the message.
func (c *Cursor) Bin() []byte {
	if c.Kind() != KindBin {
		c.Bad = true
		return nil
	}
	code := c.byte()
	return c.take(c.length(c.uint(1<<(code-CodeBin8)), 1))
}

// Ext reads a value of an extension type.
func (c *Cursor) Ext() (kind int8, body []byte) {
	if c.Kind() != KindExt {
		c.Bad = true
		return 0, nil
	}
	n := 0
	if code := c.byte(); code >= CodeFixExt1 {
		n = 1 << (code - CodeFixExt1)
	} else {
		n = c.length(c.uint(1<<(code-CodeExt8)), 1)
	}
	kind = int8(c.byte())
	return kind, c.take(n)
}

// SkipUndefined passes JavaScript's undefined, as notepack.io writes it, and reports whether it was there.
func (c *Cursor) SkipUndefined() bool {
	if c.Bad || len(c.B)-c.I < 3 || c.B[c.I] != CodeFixExt1 || c.B[c.I+1] != extLegacy {
		return false
	}
	c.I += 3
	return true
}

// Bool reads true or false.
func (c *Cursor) Bool() bool {
	if c.Kind() != KindBool {
		c.Bad = true
		return false
	}
	return c.byte() == CodeTrue
}

// Int reads a whole number; negative says that it is one below 0, whose bits u has as an int64.
func (c *Cursor) Int() (u uint64, negative bool) {
	if c.Kind() != KindInt {
		c.Bad = true
		return 0, false
	}
	switch code := c.byte(); {
	case code < CodeFixMap:
		return uint64(code), false
	case code >= CodeNegative:
		return uint64(int64(int8(code))), true
	case code <= CodeUint64:
		return c.uint(1 << (code - CodeUint8)), false
	default:
		bytes := 1 << (code - CodeInt8)
		shift := 64 - 8*bytes
		i := int64(c.uint(bytes)<<shift) >> shift // spreads the sign
		return uint64(i), i < 0
	}
}

// Real reads a float.
func (c *Cursor) Real() float64 {
	if c.Kind() != KindReal {
		c.Bad = true
		return 0
	}
	if c.byte() == CodeFloat32 {
		return float64(math.Float32frombits(uint32(c.uint(4))))
	}
	return math.Float64frombits(c.uint(8))
}

// Number reads a number of any kind as JavaScript has it. ok is false, and nothing is read, where the next value is none.
func (c *Cursor) Number() (f float64, ok bool) {
	switch c.Kind() {
	case KindReal:
		f = c.Real()
	case KindInt:
		u, negative := c.Int()
		if f = float64(u); negative {
			f = float64(int64(u))
		}
	default:
		return 0, false
	}
	return f, !c.Bad
}

// Skip passes one value. It neither recurses nor remembers: it counts the values that are still to come.
func (c *Cursor) Skip() {
	for left := 1; left > 0; left-- {
		if c.Bad || c.I >= len(c.B) {
			c.Bad = true
			return
		}
		code := &codes[c.B[c.I]]
		if code.size > 0 {
			c.I += int(code.size)
			continue
		}
		switch code.kind {
		case KindString:
			c.Text()
		case KindBin:
			c.Bin()
		case KindArray:
			left += c.Array()
		case KindMap:
			left += 2 * c.Map()
		case KindExt:
			c.Ext()
		default:
			c.Bad = true
		}
	}
	if c.I > len(c.B) {
		c.Bad = true
	}
}

// Span passes one value and returns its bytes.
func (c *Cursor) Span() []byte {
	start := c.I
	c.Skip()
	if c.Bad {
		return nil
	}
	return c.B[start:c.I:c.I]
}
