package rawjson

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unquote returns the text of a string, which aliases raw where it can. Half a surrogate pair, which JavaScript keeps and
// UTF-8 cannot say, becomes U+FFFD.
func Unquote(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if end, _ := PlainRun(inner, 0); end == len(inner) {
		return inner
	}
	return appendUnquoted(nil, inner, false)
}

// Text returns the text of a string; ok is false for any other value. Half a surrogate pair is kept, in the three bytes it
// would have in UTF-8: so two different ids never become one.
func Text(raw []byte) (text string, ok bool) {
	if !IsString(raw) {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if end, _ := PlainRun(inner, 0); end == len(inner) {
		return string(inner), true
	}
	return string(appendUnquoted(nil, inner, true)), true
}

func appendUnquoted(dst, inner []byte, halves bool) []byte {
	for i := 0; i < len(inner); {
		end, _ := PlainRun(inner, i)
		dst = append(dst, inner[i:end]...)
		if end == len(inner) {
			break
		}
		r, n, _ := Unescape(inner, end)
		switch {
		case n == 0:
			return append(dst, inner[end:]...) // not valid
		case halves && 0xd800 <= r && r < 0xe000:
			dst = append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0xBF, 0x80|byte(r)&0xBF)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		i = end + n
	}
	return dst
}

// Unescape returns the character of the escape at b[i], which may be half a surrogate pair; how many bytes the escape has, 0
// where it is none; and whether JSON.stringify would have written the same.
func Unescape(b []byte, i int) (r rune, n int, canonical bool) {
	if n = escapeLen(b, i); n == 0 {
		return 0, 0, false
	}
	switch c := b[i+1]; c {
	case '"', '\\':
		return rune(c), n, true
	case '/':
		return '/', n, false
	case 'b':
		return '\b', n, true
	case 'f':
		return '\f', n, true
	case 'n':
		return '\n', n, true
	case 'r':
		return '\r', n, true
	case 't':
		return '\t', n, true
	}
	r = hexUnit(b[i+2 : i+6])
	switch {
	case r < 0x20:
		var short [8]byte
		return r, n, string(appendEscape(short[:0], byte(r))) == string(b[i:i+n])
	case 0xd800 <= r && r < 0xdc00 && i+12 <= len(b) && b[i+6] == '\\' && b[i+7] == 'u':
		if low := hexUnit(b[i+8 : i+12]); 0xdc00 <= low && low < 0xe000 {
			return 0x10000 + (r-0xd800)<<10 + low - 0xdc00, 12, false
		}
	}
	return r, n, false
}

// AppendText appends what JavaScript's String() makes of a value, which has to be valid and without space around it. It is
// how ids become text, so that 5, 5.0 and "5" are one user.
//
// Rule: [ECMA-262, ToString].
//
// [ECMA-262, ToString]: https://tc39.es/ecma262/#sec-tostring
func AppendText(dst, raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '[' {
		return appendArrayText(dst, raw)
	}
	return appendElementText(dst, raw)
}

// appendElementText is AppendText for all but arrays.
func appendElementText(dst, raw []byte) []byte {
	switch {
	case IsString(raw):
		return appendUnquoted(dst, raw[1:len(raw)-1], true)
	case IsNumber(raw):
		return appendNumberText(dst, raw)
	case len(raw) > 0 && raw[0] == '{':
		return append(dst, "[object Object]"...)
	default: // true, false and null are their own text
		return append(dst, raw...)
	}
}

// appendArrayText joins the elements with commas, null as nothing. An array inside is joined the same way, so the brackets
// have no say in the text, and one pass over raw will do however deep it nests.
func appendArrayText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch raw[i] {
		case ',':
			dst = append(dst, ',')
			i++
		case '[', ']', ' ', '\n', '\r', '\t':
			i++
		default:
			end, err := SkipValue(raw, i)
			if err != nil {
				return dst
			}
			if value := raw[i:end]; string(value) != "null" {
				dst = appendElementText(dst, value)
			}
			i = end
		}
	}
	return dst
}

// maxPlainDigits is how many digits an integer may have and still be its own text: JavaScript keeps every integer below 2^53,
// which has 16.
const maxPlainDigits = 15

// appendNumberText writes a number as JavaScript's String() does.
func appendNumberText(dst, raw []byte) []byte {
	if isPlainInteger(raw) {
		return append(dst, raw...)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !math.IsInf(f, 0) {
		return append(dst, raw...) // not valid
	}
	return AppendNumber(dst, f)
}

// isPlainInteger reports whether raw is an integer that is its own text.
func isPlainInteger(raw []byte) bool {
	digits := raw
	if digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > maxPlainDigits || digits[0] == '0' && len(raw) > 1 {
		return false
	}
	return SkipDigits(digits, 0) == len(digits)
}

// ErrInexact says that a number has more digits than JavaScript keeps.
var ErrInexact = errors.New("a number that JavaScript cannot hold exactly, write it as text")

// NumberText returns a number as [AppendText] writes it. A whole number that a float64 does not hold exactly is refused: two
// users would become one.
func NumberText(raw []byte) (string, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return "", ErrInexact
	}
	if f != 0 && !strings.ContainsAny(string(raw), ".eE") && strconv.FormatFloat(f, 'f', -1, 64) != string(raw) {
		return "", ErrInexact
	}
	return string(AppendNumber(nil, f)), nil
}
