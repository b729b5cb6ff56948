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

// Emitter takes events to Socket.IO clients, on every server of a cluster. Without complete there may be more clients than
// it says: a server did not tell in time, or could not be reached.
type Emitter interface {
	// Emit queues msg for clients of the namespace that msg names and returns for how many: those in a room of to, or
	// everybody where to names no room, without those that to excepts. It waits for other servers until ctx is over or a
	// second.
	Emit(ctx context.Context, to hub.Selection, msg *hub.Message) (delivered int, complete bool)
	// EmitWithAck does the same, and waits until everybody has answered or left, or ctx is over. It calls answer for
	// each answer, one at a time and not after it has returned; args and attachments are valid during the call.
	EmitWithAck(ctx context.Context, to hub.Selection, msg *hub.Message, answer Answer) (asked int, complete bool)
}

// Answer takes the answer of one client: the arguments of its callback, and the binary attachments that placeholders in
// them refer to. sid is "" for a client of a server that does not tell it, as Node's do not.
type Answer = func(sid string, args []json.RawMessage, attachments [][]byte)

// Rooms knows the rooms of every node.
type Rooms interface {
	// List returns the rooms of these kinds that have members, each once and in any order. prefix is how their names
	// begin, without the namespace. Without complete a node did not answer before ctx was over, or within a second.
	List(ctx context.Context, kinds []hub.Kind, prefix string) (rooms []RoomCount, complete bool)
}

// RoomCount is a room and how many connections are in it, by whichever door and on whichever node.
type RoomCount struct {
	Room    hub.Room
	Members int
}

// Presence knows people on every node: who is connected, and where. Without complete a node did not answer before ctx was
// over, or within a second.
type Presence interface {
	// Online returns the connections of a user; none: the user is not online.
	Online(ctx context.Context, userID string) (places []Place, complete bool)
	// RoomUsers returns who is in a room of /chat and /ws, and how many are there who have not said who they are.
	RoomUsers(ctx context.Context, room string) (users []RoomUser, nameless int, complete bool)
	// Disconnect ends the connections of a user and returns how many it were. Without closeConnection a Socket.IO
	// client leaves the namespace in which it is that user, and keeps its others.
	Disconnect(ctx context.Context, userID string, closeConnection bool) (n int, complete bool)
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
