package format

import (
	"encoding/binary"
	"math"
)

// cursor reads msgpack. After a fault all its methods return nothing and stay where they are: bad tells.
type cursor struct {
	b   []byte
	i   int
	bad bool
}

// done reports whether all bytes were read, without a fault.
func (c *cursor) done() bool { return !c.bad && c.i == len(c.b) }

// kind returns what the next value is.
func (c *cursor) kind() kind {
	if c.bad || c.i >= len(c.b) {
		return kindNone
	}
	return codes[c.b[c.i]].kind
}

// fail stops the cursor.
func (c *cursor) fail() { c.bad = true }

// take returns the next n bytes.
func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b)-c.i {
		c.bad = true
		return nil
	}
	c.i += n
	return c.b[c.i-n : c.i : c.i]
}

// byte returns the next byte.
func (c *cursor) byte() byte {
	if c.bad || c.i >= len(c.b) {
		c.bad = true
		return 0
	}
	c.i++
	return c.b[c.i-1]
}

// uint returns the number that the next n bytes say: 1, 2, 4 or 8.
func (c *cursor) uint(n int) uint64 {
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
func (c *cursor) length(n uint64, size int) int {
	if c.bad || n > uint64(len(c.b)-c.i)/uint64(size) {
		c.bad = true
		return 0
	}
	return int(n)
}

// array reads the header of an array and returns the number of elements, which fit into what follows.
func (c *cursor) array() int {
	if c.kind() != kindArray {
		c.bad = true
		return 0
	}
	code := c.byte()
	if code < codeFixString {
		return c.length(uint64(code&0x0f), 1)
	}
	return c.length(c.uint(2<<(code-codeArray16)), 1)
}

// mapping reads the header of a map and returns the number of members, which fit into what follows.
func (c *cursor) mapping() int {
	if c.kind() != kindMap {
		c.bad = true
		return 0
	}
	code := c.byte()
	if code < codeFixArray {
		return c.length(uint64(code&0x0f), 2)
	}
	return c.length(c.uint(2<<(code-codeMap16)), 2)
}

// text reads a string. It aliases the message.
func (c *cursor) text() []byte {
	if c.kind() != kindString {
		c.bad = true
		return nil
	}
	code := c.byte()
	if code < codeNil {
		return c.take(int(code & 0x1f))
	}
	return c.take(c.length(c.uint(1<<(code-codeString8)), 1))
}

// bin reads bytes. They alias the message.
func (c *cursor) bin() []byte {
	if c.kind() != kindBin {
		c.bad = true
		return nil
	}
	code := c.byte()
	return c.take(c.length(c.uint(1<<(code-codeBin8)), 1))
}

// ext reads a value of an extension type.
func (c *cursor) ext() (kind int8, body []byte) {
	if c.kind() != kindExt {
		c.bad = true
		return 0, nil
	}
	n := 0
	if code := c.byte(); code >= codeFixExt1 {
		n = 1 << (code - codeFixExt1)
	} else {
		n = c.length(c.uint(1<<(code-codeExt8)), 1)
	}
	kind = int8(c.byte())
	return kind, c.take(n)
}

// boolean reads true or false.
func (c *cursor) boolean() bool {
	if c.kind() != kindBool {
		c.bad = true
		return false
	}
	return c.byte() == codeTrue
}

// integer reads a whole number; negative says that it is one below 0, whose bits u has as an int64.
func (c *cursor) integer() (u uint64, negative bool) {
	if c.kind() != kindInt {
		c.bad = true
		return 0, false
	}
	switch code := c.byte(); {
	case code < codeFixMap:
		return uint64(code), false
	case code >= codeNegative:
		return uint64(int64(int8(code))), true
	case code <= codeUint64:
		return c.uint(1 << (code - codeUint8)), false
	default:
		bytes := 1 << (code - codeInt8)
		shift := 64 - 8*bytes
		i := int64(c.uint(bytes)<<shift) >> shift // spreads the sign
		return uint64(i), i < 0
	}
}

// real reads a float.
func (c *cursor) real() float64 {
	if c.kind() != kindReal {
		c.bad = true
		return 0
	}
	if c.byte() == codeFloat32 {
		return float64(math.Float32frombits(uint32(c.uint(4))))
	}
	return math.Float64frombits(c.uint(8))
}

// number reads a number of any kind as JavaScript has it. ok is false, and nothing is read, where the next value is none.
func (c *cursor) number() (f float64, ok bool) {
	switch c.kind() {
	case kindReal:
		f = c.real()
	case kindInt:
		u, negative := c.integer()
		if f = float64(u); negative {
			f = float64(int64(u))
		}
	default:
		return 0, false
	}
	return f, !c.bad
}

// skip passes one value. It neither recurses nor remembers: it counts the values that are still to come.
func (c *cursor) skip() {
	for left := 1; left > 0; left-- {
		if c.bad || c.i >= len(c.b) {
			c.bad = true
			return
		}
		code := &codes[c.b[c.i]]
		if code.size > 0 {
			c.i += int(code.size)
			continue
		}
		switch code.kind {
		case kindString:
			c.text()
		case kindBin:
			c.bin()
		case kindArray:
			left += c.array()
		case kindMap:
			left += 2 * c.mapping()
		case kindExt:
			c.ext()
		default:
			c.bad = true
		}
	}
	if c.i > len(c.b) {
		c.bad = true
	}
}

// span passes one value and returns its bytes.
func (c *cursor) span() []byte {
	start := c.i
	c.skip()
	if c.bad {
		return nil
	}
	return c.b[start:c.i:c.i]
}
