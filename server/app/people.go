package app

import (
	"encoding/json"
	"time"

	"signalbox/server/hub"
)

// Place is one connection of a user.
type Place struct {
	// Door is where it came in: broker, chat, ws, demo, notification or events.
	Door string `json:"door"`
	// ClientID is the Socket.IO socket id, or the id that the door made up.
	ClientID string `json:"clientId"`
	// Since is when it came; nil for the broker, which does not keep it.
	Since *time.Time `json:"since,omitempty"`
	// Rooms are the names of the rooms of /chat and /ws it is in.
	Rooms []string `json:"rooms"`
	// Verified tells that a token names the user. On an open server the broker takes everybody's word.
	Verified bool `json:"verified"`
	// Away tells that the connection was cut, and may come back.
	Away bool `json:"away,omitempty"`
}

// Known is a session that knows its client's user, who may have joined nothing. User may be called from any goroutine.
type Known interface {
	User() string
}

// UserOf returns the user of a session's client, by the session itself or else by the rooms of its member; "": nobody knows.
func UserOf(session any, m *hub.Member) string {
	if known, ok := session.(Known); ok {
		if user := known.User(); user != "" {
			return user
		}
	}
	return m.User()
}

// RoomUser is somebody in a room of /chat and /ws.
type RoomUser struct {
	// UserID has the JSON type that the client gave it: a token's is text.
	UserID json.RawMessage `json:"userId"`
	Name   string          `json:"userName"`
	// Connections is how many sockets of the user are in the room.
	Connections int `json:"connections"`
	// Verified tells that a token names the user; a /ws client without one may call itself anything.
	Verified bool `json:"verified"`
	// Away tells that all of them were cut, and may come back.
	Away bool `json:"away,omitempty"`
}
