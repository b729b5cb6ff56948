package format

// Codes of msgpack that this package names; those between them follow from the order in the specification.
const (
	codeFixMap    = 0x80
	codeFixArray  = 0x90
	codeFixString = 0xa0
	codeNil       = 0xc0
	codeFalse     = 0xc2
	codeTrue      = 0xc3
	codeBin8      = 0xc4
	codeBin32     = 0xc6
	codeExt8      = 0xc7
	codeExt32     = 0xc9
	codeFloat32   = 0xca
	codeFloat64   = 0xcb
	codeUint8     = 0xcc
	codeUint64    = 0xcf
	codeInt8      = 0xd0
	codeInt64     = 0xd3
	codeFixExt1   = 0xd4
	codeFixExt16  = 0xd8
	codeString8   = 0xd9
	codeString16  = 0xda
	codeString32  = 0xdb
	codeArray16   = 0xdc
	codeArray32   = 0xdd
	codeMap16     = 0xde
	codeMap32     = 0xdf
	codeNegative  = 0xe0
)

// kind is what a msgpack value is, as its first byte says.
type kind uint8

const (
	kindNone kind = iota // the end of the bytes, or a code that does not exist
	kindNil
	kindBool
	kindInt  // of up to 64 bits, signed or not
	kindReal // a float
	kindString
	kindBin
	kindArray
	kindMap
	kindExt
)

// codes says what each first byte of a value means.
var codes = func() (table [256]struct {
	kind kind
	size uint8 // of the whole value; 0: it takes more to know
}) {
	set := func(first, last int, k kind, size func(n int) int) {
		for code := first; code <= last; code++ {
			table[code].kind = k
			if size != nil {
				table[code].size = uint8(size(code - first))
			}
		}
	}
	alone := func(int) int { return 1 }
	powers := func(n int) int { return 1 + 1<<n } // with 1, 2, 4 or 8 bytes behind the code
	set(0, codeFixMap-1, kindInt, alone)
	set(codeFixMap, codeFixArray-1, kindMap, nil)
	set(codeFixArray, codeFixString-1, kindArray, nil)
	set(codeFixString, codeNil-1, kindString, func(n int) int { return 1 + n })
	set(codeNil, codeNil, kindNil, alone)
	set(codeFalse, codeTrue, kindBool, alone)
	set(codeBin8, codeBin32, kindBin, nil)
	set(codeExt8, codeExt32, kindExt, nil)
	set(codeFloat32, codeFloat64, kindReal, func(n int) int { return 5 + 4*n })
	set(codeUint8, codeUint64, kindInt, powers)
	set(codeInt8, codeInt64, kindInt, powers)
	set(codeFixExt1, codeFixExt16, kindExt, func(n int) int { return 2 + 1<<n })
	set(codeString8, codeString32, kindString, nil)
	set(codeArray16, codeArray32, kindArray, nil)
	set(codeMap16, codeMap32, kindMap, nil)
	set(codeNegative, 255, kindInt, alone)
	return table
}()
