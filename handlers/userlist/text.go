package userlist

import (
	"encoding/json"
	"maps"
	"slices"

	"signalbox/handlers/message"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// listText is a list of users as JSON. While users only come, which is when there are many lists, each list is the one
// before and the users behind it.
type listText struct {
	users []store.User
	away  map[string]bool
	open  []byte // the text of users, but for the bracket that closes it
}

// message returns the users as the event that names them. away has the ids of those who were cut, and may come back.
func (t *listText) message(users []store.User, away map[string]bool) *hub.Message {
	if n := len(t.users); n == 0 || len(users) < n || !slices.Equal(users[:n], t.users) || !maps.Equal(away, t.away) {
		t.users, t.open = nil, append(t.open[:0], '[')
	}
	for i := len(t.users); i < len(users); i++ {
		if i > 0 {
			t.open = append(t.open, ',')
		}
		t.open = append(t.open, `{"id":`...)
		t.open = rawjson.AppendString(t.open, users[i].ID)
		t.open = append(t.open, `,"name":`...)
		t.open = rawjson.AppendString(t.open, users[i].Name)
		t.open = append(t.open, `,"room":`...)
		t.open = rawjson.AppendString(t.open, users[i].Room)
		if away[users[i].ID] {
			t.open = append(t.open, `,"away":true`...)
		}
		t.open = append(t.open, '}')
	}
	t.users, t.away = users, away
	text := make([]byte, len(t.open)+1) // the message is shared, and open goes on changing
	copy(text, t.open)
	text[len(t.open)] = ']'
	return &hub.Message{Namespace: message.RootNamespace, Event: "users", Args: []json.RawMessage{text}}
}
