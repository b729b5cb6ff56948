package message

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"signalbox/handlers/internal/payload"
	"signalbox/server/app"
	"signalbox/server/hub"
)

// ErrType refuses a payload that has no type which can be an event's name at every door.
var ErrType = fmt.Errorf("%w: the payload needs a type: a text of 1 to 128 bytes without control characters, that Socket.IO does not use itself", app.ErrMessage)

// maxTypeBytes bounds the type of what is published: it becomes an event's name.
const maxTypeBytes = 128

// Typed returns {type, data} in the forms of all doors.
func Typed(raw []byte) (*hub.Message, error) {
	m, ok := payload.MembersOf(raw)
	if !ok {
		return nil, ErrType
	}
	var kind, data []byte
	for key, value, more := m.Next(); more; key, value, more = m.Next() {
		switch {
		case payload.KeyIs(key, "type"):
			kind = value
		case payload.KeyIs(key, "data"):
			data = value
		}
	}
	name, ok := payload.StringValue(kind)
	if !ok || !IsEventName(name) {
		return nil, ErrType
	}
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
