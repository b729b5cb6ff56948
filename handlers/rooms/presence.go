package rooms

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/rawjson"
)

const (
	// maxAsked is how many users one presence event may ask about.
	maxAsked = 100
	// presenceTimeout is how long a client's question waits for the other nodes of a cluster.
	presenceTimeout = time.Second
)

// whoIsThere answers the event presence: {roomId, limit, cursor} gets users in a room that the token opens, {userIds: [...]}
// which of them are online. Where not all users are in an answer it has the next cursor, and how many connections there are. A client needs not be in the room. Where a node of the cluster has not answered, the answer says
// partial: true.
//
// Nobody is asked for a client that does not listen to the answer.
func (s *chatClient) whoIsThere(e *app.Event) (json.RawMessage, error) {
	f, ok := rawjson.Fields(e.Argument(), "roomId", "userIds", "limit", "cursor")
	if !ok {
		return nil, errMessage
	}
	if f[0] == nil && f[1] != nil {
		return s.whoIsOnline(e, f[1])
	}
	room, err := roomName(f[0])
	if err != nil {
		return nil, err
	}
	if !s.may(room) {
		return nil, errAccess
	}
	limit, ok := pageLength(f[2], presence.MaxPage, presence.MaxPage)
	if !ok {
		return nil, errMessage
	}
	cursor, ok := pageCursor(f[3])
	if !ok {
		return nil, errMessage
	}
	if !e.Ack.Wanted() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), presenceTimeout)
	defer cancel()
	page, complete := s.rooms.presence.RoomPage(ctx, room, cursor, limit)
	answer := struct {
		OK       bool            `json:"ok"`
		Partial  bool            `json:"partial,omitempty"`
		RoomID   json.RawMessage `json:"roomId"`
		Users    []app.RoomUser  `json:"users"`
		Nameless int             `json:"nameless"`
		Count    int             `json:"count,omitempty"`
		Next     string          `json:"next,omitempty"`
	}{OK: true, Partial: !complete, RoomID: f[0], Users: page.Users, Nameless: page.Nameless}
	if page.Next != "" || cursor != "" {
		answer.Count, answer.Next = page.Connections, base64.RawURLEncoding.EncodeToString([]byte(page.Next))
	}
	return json.Marshal(answer)
}

// pageCursor reads the next of an answer before; "" is the start.
func pageCursor(raw json.RawMessage) (string, bool) {
	if raw == nil || string(raw) == "null" {
		return "", true
	}
	text, ok := rawjson.Text(raw)
	b, err := base64.RawURLEncoding.DecodeString(text)
	return string(b), ok && err == nil && len(b) <= 2*maxRoomBytes
}

// whoIsOnline answers for a token that is limited to some rooms as if there were no others: who is in none of them is not online.
func (s *chatClient) whoIsOnline(e *app.Event, raw json.RawMessage) (json.RawMessage, error) {
	var ids []json.RawMessage
	if json.Unmarshal(raw, &ids) != nil || len(ids) > maxAsked {
		return nil, errMessage
	}
	if !e.Ack.Wanted() {
		return nil, nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(rawjson.AppendText(nil, id))
	}
	ctx, cancel := context.WithTimeout(context.Background(), presenceTimeout)
	defer cancel()
	is, complete := s.rooms.presence.AreOnline(ctx, texts, s.identity)
	online := []json.RawMessage{}
	for i, id := range ids {
		if is[i] {
			online = append(online, id)
		}
	}
	return json.Marshal(struct {
		OK      bool              `json:"ok"`
		Partial bool              `json:"partial,omitempty"`
		Online  []json.RawMessage `json:"online"`
	}{true, !complete, online})
}
