package rawjson

import (
	"bytes"
	"math"
	"strconv"
)

// Placeholder is an object that stands for a binary attachment.
type Placeholder struct {
	Start, End int
	Num        int // of the attachment; -1: none that a whole number names
}

// PlaceholderStart is how every encoder begins a placeholder; the number and a brace follow.
const PlaceholderStart = `{"_placeholder":true,"num":`

// AppendPlaceholder appends the placeholder of an attachment.
func AppendPlaceholder(dst []byte, num int) []byte {
	return append(strconv.AppendInt(append(dst, PlaceholderStart...), int64(num), 10), '}')
}

// openValue is an object or an array that a search is inside of.
type openValue struct {
	start       int
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

// Placeholders appends the placeholders in raw to list, as they come. What is inside of one is no placeholder: no decoder
// looks there. raw has to be valid; in anything else some may be missing.
//
// Rule: a placeholder is an object with "_placeholder": true and a number "num", [Socket.IO protocol, packet encoding]; of two
// members with one name the last counts.
//
// [Socket.IO protocol, packet encoding]: https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md#packet-encoding
func Placeholders(list []Placeholder, raw []byte) []Placeholder {
	// Its key is there as it is or, with a backslash, in a form that has to be read to tell.
	if !bytes.Contains(raw, []byte(`"_placeholder"`)) && bytes.IndexByte(raw, '\\') < 0 {
		return list
	}
	first := len(list)
	var room [8]openValue
	open := room[:0]
	for i := 0; i < len(raw); {
		var top *openValue
		if len(open) > 0 {
			top = &open[len(open)-1]
		}
		c := raw[i]
		switch c {
		case '{', '[':
			if top != nil {
				top.set(nil)
			}
			open = append(open, openValue{start: i, object: c == '{', wantKey: c == '{', num: -1})
			i++
			continue
		case '}', ']':
			i++
			if top == nil {
				return list
			}
			if top.placeholder {
				for len(list) > first && list[len(list)-1].Start > top.start {
					list = list[:len(list)-1]
				}
				list = append(list, Placeholder{Start: top.start, End: i, Num: top.num})
			}
			open = open[:len(open)-1]
			continue
		case ',':
			i++
			if top != nil {
				top.wantKey = top.object
			}
			continue
		case ' ', '\n', '\r', '\t', ':':
			i++
			continue
		}
		end := skipChecked(raw, i)
		if end == i {
			return list
		}
		switch {
		case top == nil:
		case top.wantKey:
			top.wantKey = false
			top.key = kindOfKey(raw[i:end])
		default:
			top.set(raw[i:end])
		}
		i = end
	}
	return list
}

func kindOfKey(quoted []byte) keyKind {
	if !IsString(quoted) {
		return keyOther
	}
	switch string(Unquote(quoted)) {
	case "_placeholder":
		return keyPlaceholder
	case "num":
		return keyNum
	}
	return keyOther
}

// set takes a value for the key that came last; nil: an object or an array.
func (v *openValue) set(value []byte) {
	switch v.key {
	case keyPlaceholder:
		v.placeholder = string(value) == "true"
	case keyNum:
		v.num = -1
		if !IsNumber(value) {
			return
		}
		if f, err := strconv.ParseFloat(string(value), 64); err == nil && f >= 0 && f < math.MaxInt32 && f == math.Trunc(f) {
			v.num = int(f)
		}
	}
}
