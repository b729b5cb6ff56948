package message

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// ErrType refuses a payload that has no type which can be an event's name at every door.
var ErrType = fmt.Errorf("%w: the payload needs a type: a text of 1 to 128 bytes without control characters, that Socket.IO does not use itself", app.ErrMessage)

// maxTypeBytes bounds the type of what is published: it becomes an event's name.
const maxTypeBytes = 128

// Typed returns {type, data} in the forms of all doors.
func Typed(raw []byte) (*hub.Message, error) {
	f, _ := rawjson.Fields(raw, "type", "data")
	name, ok := rawjson.Text(f[0])
	if !ok || !IsEventName(name) {
		return nil, ErrType
	}
	data := f[1]
	if data == nil {
		data = raw
	}
	return Everywhere(name, data, raw), nil
}

// IsEventName reports whether a published type can be the name of an event at every door.
func IsEventName(name string) bool {
	if name == "" || len(name) > maxTypeBytes || !utf8.ValidString(name) || app.IsReserved(name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}
