package rawjson

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"
)

// Marshal writes v as JSON without the escapes for HTML; raw JSON in it stays as it is.
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// AppendString appends s as a string, as JSON.stringify writes it: only what must be escaped is. Bytes that are not UTF-8
// become U+FFFD.
func AppendString(dst []byte, s string) []byte { return AppendQuoted(dst, []byte(s)) }

// String returns s as a string in JSON.
func String(s string) json.RawMessage { return AppendString(nil, s) }

// AppendQuoted is [AppendString] for bytes.
func AppendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		end, ascii := PlainRun(s, i)
		dst = AppendValid(dst, s[i:end], ascii)
		if end < len(s) {
			dst = appendEscape(dst, s[end])
			end++
		}
		i = end
	}
	return append(dst, '"')
}

// AppendValid appends s with U+FFFD for each byte that is not UTF-8. ascii: there is none.
func AppendValid(dst, s []byte, ascii bool) []byte {
	if ascii || utf8.Valid(s) {
		return append(dst, s...)
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// appendEscape appends what stands in a string for a quote, a backslash or a control character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// AppendNumber appends a number as JavaScript's String() writes it: the shortest digits that name it, an exponent from 1e21
// up and below 1e-6. Only finite ones are JSON.
//
// Rule: [ECMA-262, Number::toString].
//
// [ECMA-262, Number::toString]: https://tc39.es/ecma262/#sec-numeric-types-number-tostring
func AppendNumber(dst []byte, f float64) []byte {
	switch {
	case f == 0:
		return append(dst, '0') // the sign of -0 is not written
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	form := byte('f')
	if abs := math.Abs(f); abs >= 1e21 || abs < 1e-6 {
		form = 'e'
	}
	dst = strconv.AppendFloat(dst, f, form, -1, 64)
	if n := len(dst); form == 'e' && dst[n-4] == 'e' && dst[n-2] == '0' {
		// Go writes two digits of exponent at least: 1e-07.
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
