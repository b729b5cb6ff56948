package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// Cluster is the way to the other servers of a cluster, Node's among them. All methods may be called from any
// goroutine. Those that wait do so until their ctx is over at most, and not at all while the others cannot be reached.
//
// Selections name rooms as the hub does. A message is read before a method returns, or, by AskClients, before the
// first answer.
type Cluster interface {
	// SocketPrefix returns what the ids of all sockets of this server begin with: base64url, "" for anything.
	SocketPrefix() string
	// Open tells that a namespace came to be, and returns when others reach it, before its first client. Close tells that
	// it is gone. For one name they take turns, beginning with Open.
	Open(namespace string)
	Close(namespace string)
	// ServerCount returns the number of servers that have the namespace, this one included: 1 or more.
	ServerCount(ctx context.Context, namespace string) int64
	// Emit queues msg for clients of other servers. counted may be nil; see [hub.Bus].
	Emit(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool))
	// AskClients does so for an event that clients are asked to answer, and returns the number of clients asked when
	// all of them have answered, or ctx or timeout is over. complete: every server has told its number. answer is
	// called once for each answer, one at a time and not after AskClients has returned; sid is "" where the other
	// server does not tell it.
	AskClients(ctx context.Context, sel hub.Selection, msg *hub.Message, timeout time.Duration,
		answer AnswerFunc) (asked int, complete bool)
	// FetchSockets returns the selected sockets of other servers. With an error they are not all.
	FetchSockets(ctx context.Context, namespace string, sel hub.Selection) ([]format.Socket, error)
	// AllRooms returns the rooms of other servers by the names that the library knows.
	AllRooms(ctx context.Context, namespace string) ([]string, error)
	// Join, Leave and Disconnect make the selected sockets of other servers do so. They never wait.
	Join(namespace string, sel hub.Selection, rooms []string)
	Leave(namespace string, sel hub.Selection, rooms []string)
	Disconnect(namespace string, sel hub.Selection, closeConnection bool)
	// ServerSide tells the other servers an event: its name and arguments, each one JSON, without clients seeing it.
	ServerSide(ctx context.Context, namespace string, args []json.RawMessage, attachments [][]byte) error
	// ServerSideAsk does the same, and returns what each of them answered. With an error they are not all.
	ServerSideAsk(ctx context.Context, namespace string, args []json.RawMessage,
		attachments [][]byte) ([]json.RawMessage, error)
}

// ErrAlone answers what only makes sense among several servers.
var ErrAlone = errors.New("there is no other server: this one does not run in a cluster")

// ClusterPatience is how long the others are given to answer where nobody says; Node's adapter takes as long.
const ClusterPatience = 5 * time.Second

// alone is the cluster of a server without one.
type alone struct{}

func (alone) SocketPrefix() string                      { return "" }
func (alone) Open(string)                               {}
func (alone) Close(string)                              {}
func (alone) ServerCount(context.Context, string) int64 { return 1 }

func (alone) Emit(_ hub.Selection, _ *hub.Message, counted func(int, bool)) {
	if counted != nil {
		counted(0, true)
	}
}

func (alone) AskClients(context.Context, hub.Selection, *hub.Message, time.Duration, AnswerFunc) (int, bool) {
	return 0, true
}

func (alone) FetchSockets(context.Context, string, hub.Selection) ([]format.Socket, error) {
	return nil, nil
}

func (alone) AllRooms(context.Context, string) ([]string, error) { return nil, nil }
func (alone) Join(string, hub.Selection, []string)               {}
func (alone) Leave(string, hub.Selection, []string)              {}
func (alone) Disconnect(string, hub.Selection, bool)             {}

func (alone) ServerSide(context.Context, string, []json.RawMessage, [][]byte) error {
	return ErrAlone
}

func (alone) ServerSideAsk(context.Context, string, []json.RawMessage, [][]byte) ([]json.RawMessage, error) {
	return nil, ErrAlone
}
