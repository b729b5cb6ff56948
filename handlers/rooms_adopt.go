package handlers

import (
	"encoding/json"
	"strconv"
	"time"

	"signalbox/server/hub"
)

// maxDateMilli is the latest time that JavaScript's Date knows, in milliseconds since 1970.
const maxDateMilli = 8_640_000_000_000_000

// Adopt gives an event of /chat, which came from a server in the cluster that is no signalbox node, the forms of the doors
// that such a server does not know: plain WebSockets and streams. room is one of /chat and /ws, or an account. The event stays as it is at Socket.IO's door.
//
// What the program that is followed sends to its rooms (message, user_joined, user_left) gets the form that it has on
// /ws; who is typing is told on /chat alone; any other event is {type, data} with its first argument, as if it had been
// published. An event whose name another door cannot carry, or that has binary attachments, stays where it came from.
func (r *Rooms) Adopt(room hub.Room, msg *hub.Message) {
	if msg.Namespace != chatNamespace || len(msg.Attachments) > 0 || !isEventName(msg.Event) {
		return
	}
	var data json.RawMessage
	if len(msg.Args) > 0 {
		data = msg.Args[0]
	}
	if room.Kind == hub.KindRoom {
		switch msg.Event {
		case "user_typing", "user_stopped_typing":
			return
		case "message":
			msg.Text = adoptedMessage(data)
		case "user_joined", "user_left":
			msg.Text = adoptedNotice(msg.Event, room.Name, data)
		}
	}
	if msg.Text == nil {
		msg.Text = adoptedEvent(msg.Event, data)
	}
	if data == nil {
		data = json.RawMessage("null") // a record needs some
	}
	msg.SSE = appendRecord(nil, "", msg.Event, data)
}

// adoptedMessage returns the form of /ws of a message {userId, content, timestamp}; nil for anything but an object.
func adoptedMessage(data json.RawMessage) []byte {
	f, ok := fieldsOf(data, "userId", "content", "timestamp")
	if !ok {
		return nil
	}
	m := roomMessage{userID: f[0], content: f[1], time: sentAt(f[2])}
	return m.text()
}

// adoptedNotice returns the form of /ws of {userId} that has come or gone; nil for anything but an object.
func adoptedNotice(event, room string, data json.RawMessage) []byte {
	f, ok := fieldsOf(data, "userId")
	if !ok {
		return nil
	}
	return noticeText(event, jsonText(room), f[0])
}

func adoptedEvent(event string, data json.RawMessage) []byte {
	text := appendJSONString([]byte(`{"type":`), event)
	text = appendMember(text, "data", data)
	return append(text, '}')
}

// sentAt returns the time that a timestamp says, in ISO 8601 or in milliseconds since 1970, and now where it says none.
func sentAt(raw json.RawMessage) time.Time {
	if text, ok := stringValue(raw); ok {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t
		}
		return time.Now()
	}
	if milli, err := strconv.ParseFloat(string(raw), 64); err == nil && milli >= -maxDateMilli && milli <= maxDateMilli {
		return time.UnixMilli(int64(milli))
	}
	return time.Now()
}
