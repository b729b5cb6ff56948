package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"signalbox/server/hub"
	"signalbox/store"
)

// Errors of [Publisher.Publish] that are the caller's fault. Their texts go to the caller.
var (
	// ErrChannel is for a channel that does not exist.
	ErrChannel = errors.New("no such channel: use update, broadcast, user:<id> or room:<id>")
	// ErrMessage is for a message that the channel does not take.
	ErrMessage = errors.New("the message cannot be published on this channel")
)

// Publisher takes messages to everybody who listens to a channel, by whichever door.
type Publisher interface {
	// Publish sends message, the bytes of {"type":...,"data":...} as they came, and returns for how many clients it was
	// queued, on all nodes of a cluster; without complete there may be more. It waits for the other nodes until ctx is
	// over or a second, and does not keep message. Errors that are the caller's wrap [ErrChannel] or [ErrMessage].
	Publish(ctx context.Context, channel string, message []byte) (delivered int, complete bool, err error)
}

// Emitter takes events to Socket.IO clients.
type Emitter interface {
	// Emit queues msg for clients of the namespace that msg names and returns for how many: those in a room of to, or
	// everybody where to names no room, without those that to excepts.
	Emit(to hub.Selection, msg *hub.Message) int
	// EmitWithAck does the same, and waits until everybody has answered or left, or ctx is over. It calls answer for
	// each answer, one at a time and not after it has returned; args and attachments are valid during the call.
	EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message, answer Answer) (asked int)
	// Member returns the place in the hub of the client with a socket id, nil where the namespace has no such client.
	Member(namespace, sid string) *hub.Member
}

// Answer takes the answer of one client: the arguments of its callback, and the binary attachments that placeholders in
// them refer to.
type Answer = func(sid string, args []json.RawMessage, attachments [][]byte)

// Rooms knows the rooms of this process; [hub.Hub] is one.
type Rooms interface {
	Rooms(kind hub.Kind) []hub.Room
	Count(r hub.Room) int
}

// Presence knows people: who is connected, and where.
type Presence interface {
	// Online returns the connections of a user; none: the user is not online.
	Online(userID string) []Place
	// RoomUsers returns who is in a room of /chat and /ws, and how many are there who have not said who they are.
	RoomUsers(room string) (users []RoomUser, nameless int)
	// Disconnect ends the connections of a user and returns how many it were. Without closeConnection a Socket.IO
	// client leaves the namespace in which it is that user, and keeps its others.
	Disconnect(userID string, closeConnection bool) int
}

// Place is one connection of a user.
type Place struct {
	// Door is where it came in: broker, chat, ws, demo, notification or events.
	Door string `json:"door"`
	// ClientID is the Socket.IO socket id, or the id that the door made up.
	ClientID string `json:"clientId"`
	// Since is when it came; nil where nobody keeps that.
	Since *time.Time `json:"since,omitempty"`
	// Rooms are the rooms of /chat and /ws it is in.
	Rooms []string `json:"rooms"`
	// Verified tells that a token names the user.
	Verified bool `json:"verified"`
}

// RoomUser is somebody in a room.
type RoomUser struct {
	// Kind is the kind of the room, as [hub.Kind] writes it: lobby or room.
	Kind string `json:"kind"`
	// UserID is the user in the JSON type the client gave; nil in a lobby, where people have a name only.
	UserID json.RawMessage `json:"userId,omitempty"`
	// ClientID is the socket id; a lobby only.
	ClientID string `json:"clientId,omitempty"`
	Name     string `json:"name"`
	// Connections is how many connections of the user are in the room.
	Connections int `json:"connections"`
	// Verified tells that a token names the user.
	Verified bool `json:"verified"`
}

// Lobbies knows the users of the chat rooms of "/"; [store.UserStore] is one.
type Lobbies interface {
	GetRoomUsers(ctx context.Context, room string) ([]store.User, error)
}
