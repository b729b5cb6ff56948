package handlers

import (
	"encoding/json"
	"strconv"
	"time"

	"signalbox/server/hub"
)

// roomMessage is a message to a room before it is written down. What is nil is left out, as JSON.stringify leaves out
// what is undefined.
type roomMessage struct {
	id       string
	room     json.RawMessage
	userID   json.RawMessage
	userName json.RawMessage
	content  json.RawMessage
	time     time.Time
}

// idStart is where the id begins in what chat returns.
const idStart = len(`{"id":"`)

// chat returns the form of /chat, of the history and of streams.
func (m *roomMessage) chat() []byte {
	b := make([]byte, 0, 160+len(m.room)+len(m.userID)+len(m.userName)+len(m.content))
	b = append(b, `{"id":"`...)
	b = append(b, m.id...)
	b = append(b, `","roomId":`...)
	b = append(b, m.room...)
	b = appendMember(b, "userId", m.userID)
	b = appendMember(b, "userName", m.userName)
	b = appendMember(b, "content", m.content)
	b = append(b, `,"timestamp":`...)
	b = appendTime(b, m.time)
	return append(b, '}')
}

// text returns the form of /ws.
func (m *roomMessage) text() []byte {
	b := make([]byte, 0, 64+len(m.userID)+len(m.content))
	b = append(b, `{"type":"message"`...)
	b = appendMember(b, "from", m.userID)
	b = appendMember(b, "content", m.content)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, m.time.UnixMilli(), 10)
	return append(b, '}')
}

// notice returns that the client has come or gone, for the others in a room.
func (o *occupant) notice(event string, room json.RawMessage) *hub.Message {
	return notice(event, room, o.userID, o.userName)
}

// notice returns that somebody has come or gone, for the others in a room.
func notice(event string, room, userID, userName json.RawMessage) *hub.Message {
	return everywhere(event, userObject(userID, userName), noticeText(event, room, userID))
}

// noticeText returns the form of /ws.
func noticeText(event string, room, userID json.RawMessage) []byte {
	text := append([]byte(`{"type":"`), event...)
	text = append(text, '"')
	text = appendMember(text, "userId", userID)
	text = appendMember(text, "room", room)
	return append(text, '}')
}

// everywhere returns a message for every door: an event with data on /chat, its record on streams, and text on plain
// WebSockets.
func everywhere(event string, data json.RawMessage, text []byte) *hub.Message {
	return &hub.Message{
		Namespace: chatNamespace,
		Event:     event,
		Args:      []json.RawMessage{data},
		Text:      text,
		SSE:       appendRecord(nil, "", event, data),
	}
}

// userObject returns {userId, userName}, or {userId} alone where the name is nil.
func userObject(userID, userName json.RawMessage) json.RawMessage {
	b := appendFirst([]byte{'{'}, "userId", userID)
	if len(b) > 1 {
		b = appendMember(b, "userName", userName)
	} else {
		b = appendFirst(b, "userName", userName)
	}
	return append(b, '}')
}

// appendMember appends one more member of an object, nothing for a nil value.
func appendMember(b []byte, name string, value json.RawMessage) []byte {
	if value == nil {
		return b
	}
	return appendFirst(append(b, ','), name, value)
}

// appendFirst is appendMember for the first one.
func appendFirst(b []byte, name string, value json.RawMessage) []byte {
	if value == nil {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	return append(b, value...)
}
