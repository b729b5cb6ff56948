package hub

import "context"

// Bus takes what happens in the hub of this node to the other nodes of a cluster. All methods may be called from any
// goroutine. The arguments are read before a method returns, so they may alias a buffer that is used again afterwards.
type Bus interface {
	// Want says that a member of this node joins r, and has what others send to r come here. It never waits. Each
	// Want is paid back with one Unwant.
	Want(r Room)
	// Await returns when what others send to r comes here, or after a second at most.
	Await(r Room)
	// Heard reports whether what others send to r comes here, for a room that somebody here has joined. It never
	// waits.
	Heard(r Room) bool
	// Unwant says that a member has left r, or did not join it after all. It never waits.
	Unwant(r Room)
	// Send queues msg for the members of r on other nodes. It never waits. What cannot be taken to them is counted.
	Send(r Room, msg *Message)
	// SendCounted is Send, and calls counted once: with the number of members on other nodes for which the message was
	// queued, and whether every node has told its number. Where there is nobody to wait for, it is called before
	// SendCounted returns; otherwise on another goroutine, soon, whatever happens. counted must not block.
	SendCounted(r Room, msg *Message, counted func(delivered int, complete bool))
	// SendSelection is Send for a selection. ExceptMembers are members of this node and mean nothing elsewhere. With
	// [Hub.Ordered] each of the three sends to the members of this node as well, which then are counted among the others.
	// counted may be nil.
	SendSelection(sel Selection, msg *Message, counted func(delivered int, complete bool))
}

// Nodes are the other signalbox nodes of a cluster, as handlers and the API see them. Servers of other kinds that
// share the cluster are not among them. All methods may be called from any goroutine.
type Nodes interface {
	// Tell takes body to every other node, behind the messages that were sent before and ahead of those after. It
	// never waits; while nobody can be told, nobody is.
	Tell(topic string, body []byte)
	// TellNode is Tell for one node, by what ID returns there.
	TellNode(node, topic string, body []byte)
	// ID names this node among the others; "" without a cluster.
	ID() string
	// Ask asks every other node, and returns what they answered until ctx is over, or a second. complete: all of them
	// did.
	Ask(ctx context.Context, topic string, body []byte) (answers [][]byte, complete bool)
	// DisconnectForeign disconnects the members of a room that servers of other kinds have, from its namespace or
	// altogether, and returns how many these were; it waits for a second at most. complete: all of those servers have
	// told.
	DisconnectForeign(ctx context.Context, r Room, closeConnection bool) (n int, complete bool)
	// OnTell and OnAsk register what another node's Tell and Ask call; one for each topic, before the first client
	// comes. OnTell is called in the order of messages, on the goroutine that delivers them, and must not wait for
	// anything. OnAsk is called on a goroutine of its own and returns its answer before ctx is over. body is the
	// callee's.
	OnTell(topic string, call func(body []byte))
	OnAsk(topic string, call func(ctx context.Context, body []byte) []byte)
	// Up reports whether what is sent reaches everybody on the other nodes, as far as this one knows: each can be
	// reached and is subscribed to all it wants. Without a cluster there are none, and it is true.
	Up() bool
}

// Alone is a cluster of one node: nobody is told, and nobody answers.
var Alone Nodes = alone{}

type alone struct{}

func (alone) Tell(string, []byte)                                       {}
func (alone) TellNode(string, string, []byte)                           {}
func (alone) ID() string                                                { return "" }
func (alone) Ask(context.Context, string, []byte) ([][]byte, bool)      { return nil, true }
func (alone) DisconnectForeign(context.Context, Room, bool) (int, bool) { return 0, true }
func (alone) OnTell(string, func([]byte))                               {}
func (alone) OnAsk(string, func(context.Context, []byte) []byte)        {}
func (alone) Up() bool                                                  { return true }
