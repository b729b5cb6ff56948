package msgpack

// Codes of msgpack that this package names; those between them follow from the order in the specification.
const (
	CodeFixMap    = 0x80
	CodeFixArray  = 0x90
	CodeFixString = 0xa0
	CodeNil       = 0xc0
	CodeFalse     = 0xc2
	CodeTrue      = 0xc3
	CodeBin8      = 0xc4
	CodeBin32     = 0xc6
	CodeExt8      = 0xc7
	CodeExt32     = 0xc9
	CodeFloat32   = 0xca
	CodeFloat64   = 0xcb
	CodeUint8     = 0xcc
	CodeUint64    = 0xcf
	CodeInt8      = 0xd0
	CodeInt64     = 0xd3
	CodeFixExt1   = 0xd4
	CodeFixExt8   = 0xd7
	CodeFixExt16  = 0xd8
	CodeString8   = 0xd9
	CodeString16  = 0xda
	CodeString32  = 0xdb
	CodeArray16   = 0xdc
	CodeArray32   = 0xdd
	CodeMap16     = 0xde
	CodeMap32     = 0xdf
	CodeNegative  = 0xe0
)

// Kind is what a msgpack value is, as its first byte says.
type Kind uint8

const (
	KindNone Kind = iota // the end of the bytes, or a code that does not exist
	KindNil
	KindBool
	KindInt  // of up to 64 bits, signed or not
	KindReal // a float
	KindString
	KindBin
	KindArray
	KindMap
	KindExt
)

// codes says what each first byte of a value means.
var codes = func() (table [256]struct {
	kind Kind
	size uint8 // of the whole value; 0: it takes more to know
}) {
	set := func(first, last int, k Kind, size func(n int) int) {
		for code := first; code <= last; code++ {
			table[code].kind = k
			if size != nil {
				table[code].size = uint8(size(code - first))
			}
		}
	}
	alone := func(int) int { return 1 }
	powers := func(n int) int { return 1 + 1<<n } // with 1, 2, 4 or 8 bytes behind the code
	set(0, CodeFixMap-1, KindInt, alone)
	set(CodeFixMap, CodeFixArray-1, KindMap, nil)
	set(CodeFixArray, CodeFixString-1, KindArray, nil)
	set(CodeFixString, CodeNil-1, KindString, func(n int) int { return 1 + n })
	set(CodeNil, CodeNil, KindNil, alone)
	set(CodeFalse, CodeTrue, KindBool, alone)
	set(CodeBin8, CodeBin32, KindBin, nil)
	set(CodeExt8, CodeExt32, KindExt, nil)
	set(CodeFloat32, CodeFloat64, KindReal, func(n int) int { return 5 + 4*n })
	set(CodeUint8, CodeUint64, KindInt, powers)
	set(CodeInt8, CodeInt64, KindInt, powers)
	set(CodeFixExt1, CodeFixExt16, KindExt, func(n int) int { return 2 + 1<<n })
	set(CodeString8, CodeString32, KindString, nil)
	set(CodeArray16, CodeArray32, KindArray, nil)
	set(CodeMap16, CodeMap32, KindMap, nil)
	set(CodeNegative, 255, KindInt, alone)
	return table
}()
