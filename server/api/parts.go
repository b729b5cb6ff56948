package api

import (
	"context"
	"encoding/json"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

// Publisher takes messages to everybody who listens to a channel, by whichever door.
type Publisher interface {
	// Publish sends message, the bytes of {"type":...,"data":...} as they came, and returns for how many clients it was
	// queued, on all nodes of a cluster, and for how many that are away it is held; without complete there may be more. It waits for the other nodes until ctx is
	// over or a second, and does not keep message. Errors that are the caller's wrap [app.ErrChannel] or [app.ErrMessage].
	Publish(ctx context.Context, channel string, message []byte) (delivered, held int, complete bool, err error)
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

// Presence knows people and rooms on every node: who is connected, and where. Without complete a node did not answer before
// ctx was over, or within a second.
type Presence interface {
	// ListRooms returns up to limit rooms of these kinds that have members, each once, in the order of kinds and by name,
	// behind the room after, if there is one, and how many connections are in each, by whichever door. more: there are
	// others behind them. prefix is how their names begin, without the namespace.
	ListRooms(
		ctx context.Context, kinds []hub.Kind, prefix string, after *hub.Room, limit int,
	) (rooms []hub.RoomCount, more, complete bool)
	// Online returns the connections of a user; none: the user is not online.
	Online(ctx context.Context, userID string) (places []app.Place, complete bool)
	// RoomUsers returns who is in a room of /chat and /ws, and how many are there who have not said who they are.
	RoomUsers(ctx context.Context, room string) (users []app.RoomUser, nameless int, complete bool)
	// AwayIn returns the ids of the connections in a room that were cut and may come back.
	AwayIn(ctx context.Context, room hub.Room) (ids []string, complete bool)
	// Disconnect ends the connections of a user and returns how many it were. Without closeConnection a Socket.IO
	// client leaves the namespace in which it is that user, and keeps its others.
	Disconnect(ctx context.Context, userID string, closeConnection bool) (n int, complete bool)
}

// Tickets are those for /demo and /notification; [store.Tickets] is one.
type Tickets interface {
	// Revoke ends all tickets of a user. With an error some are good still.
	Revoke(ctx context.Context, userID string) error
}

// Lobbies knows the users of the chat rooms of "/"; [store.UserStore] is one.
type Lobbies interface {
	GetRoomUsers(ctx context.Context, room string) ([]store.User, error)
}
