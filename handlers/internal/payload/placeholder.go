package payload

import "strconv"

// openValue is an object or an array that a scan is inside of.
type openValue struct {
	object      bool
	wantKey     bool // the next string is a key
	key         keyKind
	placeholder bool
	num         int
}

type keyKind uint8

const (
	keyOther keyKind = iota
	keyPlaceholder
	keyNum
)

// placeholders returns how many of the first attachments raw refers to: one more than the highest number of a
// placeholder anywhere in it, and at most total.
//
// Rule: a placeholder is an object with "_placeholder": true and a number "num", [Socket.IO protocol, packet encoding].
//
// [Socket.IO protocol, packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md#packet-encoding
func placeholders(raw []byte, total int) int {
	needed := 0
	var open []openValue // not recursion: how deep raw nests is the client's choice
	for i := 0; i < len(raw) && needed < total; {
		var top *openValue
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		switch raw[i] {
		case '{', '[':
			open = append(open, openValue{object: raw[i] == '{', wantKey: raw[i] == '{', num: -1})
			i++
		case '}', ']':
			i++
			if top == nil {
				return needed
			}
			if top.placeholder && top.num >= needed {
				needed = top.num + 1
			}
			open = open[:len(open)-1]
		case ',':
			i++
			if top != nil {
				top.wantKey = top.object
			}
		case ' ', '\n', '\r', '\t', ':':
			i++
		case '"':
			end := skipString(raw, i)
			if top != nil && top.wantKey && end-i >= 2 {
				top.wantKey = false
				top.key = kindOfKey(raw[i+1 : end-1])
			}
			i = end
		default:
			end := skipValue(raw, i)
			if top != nil && top.object {
				top.set(raw[i:end])
			}
			i = end
		}
	}
	return min(needed, total)
}

func kindOfKey(key []byte) keyKind {
	switch {
	case KeyIs(key, "_placeholder"):
		return keyPlaceholder
	case KeyIs(key, "num"):
		return keyNum
	}
	return keyOther
}

// set takes a number, true, false or null for the key that came last.
func (v *openValue) set(value []byte) {
	switch v.key {
	case keyPlaceholder:
		v.placeholder = string(value) == "true"
	case keyNum:
		v.num = -1
		if n, err := strconv.ParseFloat(string(value), 64); err == nil && n >= 0 && n < 1<<30 {
			v.num = int(n)
		}
	}
}
