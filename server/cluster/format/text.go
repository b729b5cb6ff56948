package format

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string, as JSON.stringify writes it: only what must be escaped is. Bytes that are not
// UTF-8 become U+FFFD.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		end, ascii := plainRun(s, 0)
		if ascii || utf8.Valid(s[:end]) {
			dst = append(dst, s[:end]...)
		} else {
			dst = appendValid(dst, s[:end])
		}
		if s = s[end:]; len(s) > 0 {
			dst = appendEscape(dst, s[0])
			s = s[1:]
		}
	}
	return append(dst, '"')
}

// appendValid appends s with U+FFFD for each byte that is not UTF-8.
func appendValid(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[n:]
	}
	return dst
}

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

// appendUnquoted appends the text of a JSON string, which inner is without its quotes. It must be valid. Lone surrogates
// become U+FFFD, as in every encoder of UTF-8.
func appendUnquoted(dst, inner []byte) []byte {
	for i := 0; i < len(inner); {
		end, _ := plainRun(inner, i)
		dst = append(dst, inner[i:end]...)
		if end == len(inner) {
			break
		}
		r, n, _ := unescape(inner, end)
		dst = utf8.AppendRune(dst, r)
		i = end + n
	}
	return dst
}

// unescape returns the character of the escape at b[i], how many bytes it has, and whether JSON.stringify would have
// written the same. The escape must be valid.
func unescape(b []byte, i int) (r rune, n int, canonical bool) {
	switch c := b[i+1]; c {
	case '"', '\\':
		return rune(c), 2, true
	case '/':
		return '/', 2, false
	case 'b':
		return '\b', 2, true
	case 'f':
		return '\f', 2, true
	case 'n':
		return '\n', 2, true
	case 'r':
		return '\r', 2, true
	case 't':
		return '\t', 2, true
	}
	r = hexUnit(b[i+2 : i+6])
	switch {
	case r < 0x20:
		var short [8]byte
		return r, 6, string(appendEscape(short[:0], byte(r))) == string(b[i:i+6])
	case 0xd800 <= r && r < 0xdc00 && i+12 <= len(b) && b[i+6] == '\\' && b[i+7] == 'u':
		if low := hexUnit(b[i+8 : i+12]); 0xdc00 <= low && low < 0xe000 {
			return 0x10000 + (r-0xd800)<<10 + low - 0xdc00, 12, false
		}
		return utf8.RuneError, 6, false
	case 0xd800 <= r && r < 0xe000:
		return utf8.RuneError, 6, false
	}
	return r, 6, false
}
