package message

import (
	"encoding/json"
	"time"

	"signalbox/server/rawjson"
)

var (
	// OK answers a callback whose event was carried out.
	OK = json.RawMessage(`{"ok":true}`)
	// Partial does so while the other nodes of the cluster, and who is there, cannot be told.
	Partial = json.RawMessage(`{"ok":true,"partial":true}`)
)

// Refusal answers a callback whose event was refused.
func Refusal(err error) json.RawMessage {
	b := rawjson.AppendString([]byte(`{"ok":false,"error":`), err.Error())
	return append(b, '}')
}

// Error returns the data of the event error.
func Error(err error) json.RawMessage {
	b := rawjson.AppendString([]byte(`{"message":`), err.Error())
	return append(b, '}')
}

// Renewed answers a renewal: until when the token is good, and the rooms that it does not open any more.
func Renewed(expires time.Time, left []string) json.RawMessage {
	b := append([]byte(`{"ok":true,"expiresAt":`), AppendTime(nil, expires)...)
	for i, room := range left {
		if i == 0 {
			b = append(b, `,"left":[`...)
		} else {
			b = append(b, ',')
		}
		b = rawjson.AppendString(b, room)
	}
	if len(left) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}
