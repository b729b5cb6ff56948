package rooms

import (
	"encoding/json"
	"strconv"
	"time"

	"signalbox/handlers/message"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// maxDateMilli is the latest time that JavaScript's Date knows, in milliseconds since 1970.
const maxDateMilli = 8_640_000_000_000_000

// TranslateForeign gives an event of /chat, which came from a server in the cluster that is no signalbox node, the forms of the
// doors that such a server does not know: plain WebSockets and streams. room is one of /chat and /ws, or an account. The event stays
// as it is at Socket.IO's door.
//
// What the program that is followed sends to its rooms (message, user_joined, user_left) gets the form that it has on
// /ws; who is typing is told on /chat alone; any other event is {type, data} with its first argument, as if it had been
// published. An event whose name another door cannot carry, or that has binary attachments, stays where it came from.
func TranslateForeign(room hub.Room, msg *hub.Message) {
	if msg.Namespace != message.ChatNamespace || len(msg.Attachments) > 0 || !message.IsEventName(msg.Event) {
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
			msg.Text = foreignMessage(data)
		case "user_joined", "user_left":
			msg.Text = foreignNotice(msg.Event, room.Name, data)
		}
	}
	if msg.Text == nil {
		msg.Text = foreignEvent(msg.Event, data)
	}
	if data == nil {
		data = json.RawMessage("null") // a record needs some
	}
	msg.SSE = message.AppendRecord(nil, "", msg.Event, data)
}

// foreignMessage returns the form of /ws of a message {userId, content, timestamp}; nil for anything but an object.
func foreignMessage(data json.RawMessage) []byte {
	f, ok := rawjson.Fields(data, "userId", "content", "timestamp")
	if !ok {
		return nil
	}
	m := message.ToRoom{UserID: f[0], Content: f[1], Time: sentAt(f[2])}
	return m.Text()
}

// foreignNotice returns the form of /ws of {userId} that has come or gone; nil for anything but an object.
func foreignNotice(event, room string, data json.RawMessage) []byte {
	f, ok := rawjson.Fields(data, "userId")
	if !ok {
		return nil
	}
	return message.NoticeText(event, rawjson.String(room), f[0])
}

func foreignEvent(event string, data json.RawMessage) []byte {
	text := rawjson.AppendString([]byte(`{"type":`), event)
	text = message.AppendMember(text, "data", data)
	return append(text, '}')
}

// sentAt returns the time that a timestamp says, in ISO 8601 or in milliseconds since 1970, and now where it says none.
func sentAt(raw json.RawMessage) time.Time {
	if text, ok := rawjson.Text(raw); ok {
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
