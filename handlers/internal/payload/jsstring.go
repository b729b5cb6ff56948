package payload

import (
	"bytes"
	"math"
	"strconv"

	"signalbox/server/rawjson"
)

// maxPlainDigits is how many digits an integer may have and still be its own text: JavaScript keeps every integer
// below 2^53, which has 16.
const maxPlainDigits = 15

// AppendJSString appends what JavaScript's String() makes of the value that raw says in JSON. raw must be valid JSON
// without space around it. It is how ids become text, so that 5, 5.0 and "5" are one user.
//
// Rule: [ECMA-262, ToString].
//
// [ECMA-262, ToString]: https://tc39.es/ecma262/#sec-tostring
func AppendJSString(dst, raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '[' {
		return appendArrayText(dst, raw)
	}
	return appendElementText(dst, raw)
}

// appendElementText is AppendJSString for all but arrays.
func appendElementText(dst, raw []byte) []byte {
	if len(raw) == 0 {
		return dst
	}
	switch raw[0] {
	case '"':
		return appendStringText(dst, raw)
	case '{':
		return append(dst, "[object Object]"...)
	case 't', 'f', 'n':
		return append(dst, raw...)
	default:
		return appendNumberText(dst, raw)
	}
}

func appendStringText(dst, raw []byte) []byte {
	if !IsString(raw) {
		return dst
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return append(dst, inner...)
	}
	return appendUnescaped(dst, inner)
}

// appendArrayText joins the elements with commas, null as nothing. An array inside is joined the same way, so the
// brackets have no say in the text, and one pass over raw will do however deep it nests.
func appendArrayText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch raw[i] {
		case ',':
			dst = append(dst, ',')
			i++
		case '[', ']', ' ', '\n', '\r', '\t':
			i++
		default:
			end := skipValue(raw, i)
			if end == i {
				return dst // not valid JSON
			}
			if value := raw[i:end]; string(value) != "null" {
				dst = appendElementText(dst, value)
			}
			i = end
		}
	}
	return dst
}

// appendNumberText writes a number as JavaScript does: the shortest digits that name the double nearest to raw, an
// exponent from 1e21 up and below 1e-6.
//
// Rule: [ECMA-262, Number::toString].
//
// [ECMA-262, Number::toString]: https://tc39.es/ecma262/#sec-numeric-types-number-tostring
func appendNumberText(dst, raw []byte) []byte {
	if isPlainInteger(raw) {
		return append(dst, raw...)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case err != nil:
		return append(dst, raw...) // not valid JSON
	}
	return rawjson.AppendNumber(dst, f)
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
	for _, c := range digits {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
