package handlers

import (
	"encoding/json"

	"signalbox/server/hub"
)

// maxAsked is how many users one presence event may ask about.
const maxAsked = 100

// whoIsThere answers the event presence: {roomId} gets the users in a room that the token opens, {userIds: [...]} which
// of them are online. A client needs not be in the room.
func (s *chatClient) whoIsThere(e *hub.Event) (json.RawMessage, error) {
	f, ok := fieldsOf(argument(e), "roomId", "userIds")
	if !ok {
		return nil, errMessage
	}
	if f[0] == nil && f[1] != nil {
		return s.whoIsOnline(f[1])
	}
	room, err := roomName(f[0])
	if err != nil {
		return nil, err
	}
	if !s.may(room) {
		return nil, errAccess
	}
	users, nameless := s.rooms.presence.RoomUsers(room)
	return json.Marshal(struct {
		OK       bool            `json:"ok"`
		RoomID   json.RawMessage `json:"roomId"`
		Users    []RoomUser      `json:"users"`
		Nameless int             `json:"nameless"`
	}{true, f[0], users, nameless})
}

func (s *chatClient) whoIsOnline(raw json.RawMessage) (json.RawMessage, error) {
	var ids []json.RawMessage
	if json.Unmarshal(raw, &ids) != nil || len(ids) > maxAsked {
		return nil, errMessage
	}
	online := []json.RawMessage{}
	for _, id := range ids {
		if s.rooms.presence.IsOnline(string(appendJSString(nil, id))) {
			online = append(online, id)
		}
	}
	return json.Marshal(struct {
		OK     bool              `json:"ok"`
		Online []json.RawMessage `json:"online"`
	}{true, online})
}
