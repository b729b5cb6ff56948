// Package jstext writes values as JavaScript does: strings as JSON.stringify, numbers as String(). It knows nothing else, so
// everybody may import it.
package jstext

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
)

// AppendString appends s as a JSON string, as JavaScript would: no escapes for <, > and &.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			var quoted bytes.Buffer
			e := json.NewEncoder(&quoted)
			e.SetEscapeHTML(false)
			_ = e.Encode(s) // any string can be written
			return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte{'\n'})...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// AppendNumber appends a number that is finite: the shortest digits that name it, an exponent from 1e21 up and below 1e-6.
//
// Rule: [ECMA-262, Number::toString].
//
// [ECMA-262, Number::toString]: https://tc39.es/ecma262/#sec-numeric-types-number-tostring
func AppendNumber(b []byte, f float64) []byte {
	if f == 0 {
		return append(b, '0') // the sign of -0 is not written
	}
	form := byte('f')
	if abs := math.Abs(f); abs >= 1e21 || abs < 1e-6 {
		form = 'e'
	}
	b = strconv.AppendFloat(b, f, form, -1, 64)
	if n := len(b); form == 'e' && b[n-4] == 'e' && b[n-2] == '0' {
		// Go writes two digits of exponent at least: 1e-07.
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}
