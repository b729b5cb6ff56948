package message

import (
	"encoding/json"
	"strconv"
	"time"

	"signalbox/server/hub"
)

// ToRoom is a message to a room before it is written down. What is nil is left out, as JSON.stringify leaves out what is
// undefined.
type ToRoom struct {
	ID       string
	Room     json.RawMessage
	UserID   json.RawMessage
	UserName json.RawMessage
	Content  json.RawMessage
	Time     time.Time
}

// IDStart is where the id begins in what Chat returns.
const IDStart = len(`{"id":"`)

// Chat returns the form of /chat, of the history and of streams.
func (m *ToRoom) Chat() []byte {
	b := make([]byte, 0, 160+len(m.Room)+len(m.UserID)+len(m.UserName)+len(m.Content))
	b = append(b, `{"id":"`...)
	b = append(b, m.ID...)
	b = append(b, `","roomId":`...)
	b = append(b, m.Room...)
	b = AppendMember(b, "userId", m.UserID)
	b = AppendMember(b, "userName", m.UserName)
	b = AppendMember(b, "content", m.Content)
	b = append(b, `,"timestamp":`...)
	b = AppendTime(b, m.Time)
	return append(b, '}')
}

// Text returns the form of /ws.
func (m *ToRoom) Text() []byte {
	b := make([]byte, 0, 64+len(m.UserID)+len(m.Content))
	b = append(b, `{"type":"message"`...)
	b = AppendMember(b, "from", m.UserID)
	b = AppendMember(b, "content", m.Content)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, m.Time.UnixMilli(), 10)
	return append(b, '}')
}

// Notice returns that somebody has come or gone, for the others in a room.
func Notice(event string, room, userID, userName json.RawMessage) *hub.Message {
	return Everywhere(event, UserObject(userID, userName), NoticeText(event, room, userID))
}

// NoticeText returns the form that a notice has on /ws.
func NoticeText(event string, room, userID json.RawMessage) []byte {
	text := append([]byte(`{"type":"`), event...)
	text = append(text, '"')
	text = AppendMember(text, "userId", userID)
	text = AppendMember(text, "room", room)
	return append(text, '}')
}

// Everywhere returns a message for every door: an event with data on /chat, its record on streams, and text on plain
// WebSockets.
func Everywhere(event string, data json.RawMessage, text []byte) *hub.Message {
	return &hub.Message{
		Namespace: ChatNamespace,
		Event:     event,
		Args:      []json.RawMessage{data},
		Text:      text,
		SSE:       AppendRecord(nil, "", event, data),
	}
}

// UserObject returns {userId, userName}, or {userId} alone where the name is nil.
func UserObject(userID, userName json.RawMessage) json.RawMessage {
	b := AppendFirst([]byte{'{'}, "userId", userID)
	if len(b) > 1 {
		b = AppendMember(b, "userName", userName)
	} else {
		b = AppendFirst(b, "userName", userName)
	}
	return append(b, '}')
}

// AppendMember appends one more member of an object, nothing for a nil value.
func AppendMember(b []byte, name string, value json.RawMessage) []byte {
	if value == nil {
		return b
	}
	return AppendFirst(append(b, ','), name, value)
}

// AppendFirst is AppendMember for the first one.
func AppendFirst(b []byte, name string, value json.RawMessage) []byte {
	if value == nil {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return append(b, value...)
}
