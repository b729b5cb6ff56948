package rooms

import (
	"context"
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/rawjson"
)

const (
	// maxAsked is how many users one presence event may ask about.
	maxAsked = 100
	// presenceTimeout is how long a client's question waits for the other nodes of a cluster.
	presenceTimeout = time.Second
)

// whoIsThere answers the event presence: {roomId} gets the users in a room that the token opens, {userIds: [...]} which
// of them are online. A client needs not be in the room. Where a node of the cluster has not answered, the answer says
// partial: true.
//
// Nobody is asked for a client that does not listen to the answer.
func (s *chatClient) whoIsThere(e *app.Event) (json.RawMessage, error) {
	f, ok := rawjson.Fields(e.Argument(), "roomId", "userIds")
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
	if !e.Ack.Wanted() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), presenceTimeout)
	defer cancel()
	users, nameless, complete := s.rooms.presence.RoomUsers(ctx, room)
	return json.Marshal(struct {
		OK       bool            `json:"ok"`
		Partial  bool            `json:"partial,omitempty"`
		RoomID   json.RawMessage `json:"roomId"`
		Users    []app.RoomUser  `json:"users"`
		Nameless int             `json:"nameless"`
	}{true, !complete, f[0], users, nameless})
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
