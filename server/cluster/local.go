package cluster

import (
	"context"
	"encoding/json"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// Local is this node as other servers see it: what they ask of its clients. Its methods that end in Here touch nobody
// on other nodes. [Cluster.Start] is given it.
type Local interface {
	// AskHere queues msg for the clients that sel names, who are asked to answer it. It calls asked once, before any
	// answer, with the number of clients asked, 0 too; then answer for each that does, one at a time; and returns
	// when all have answered or left, or ctx is over.
	AskHere(ctx context.Context, sel hub.Selection, msg *hub.Message, asked func(clients int),
		answer func(sid string, args []json.RawMessage, attachments [][]byte))
	// SocketsHere returns the sockets that sel names; without rooms all of the namespace.
	SocketsHere(namespace string, sel hub.Selection) []format.Socket
	// RoomsHere returns the names of the rooms of a namespace, as Node has them: socket ids are among them.
	RoomsHere(namespace string) []string
	// JoinHere, LeaveHere and DisconnectHere do to the selected sockets what the library's operators of these names
	// do.
	JoinHere(namespace string, sel hub.Selection, rooms []string)
	LeaveHere(namespace string, sel hub.Selection, rooms []string)
	DisconnectHere(namespace string, sel hub.Selection, closeConnection bool)
	// ServerSideHere calls the listeners of the namespace itself. ack, which is nil where no answer is wanted, is
	// called once at most, with JSON and the attachments that placeholders in it refer to.
	ServerSideHere(namespace string, args []json.RawMessage, attachments [][]byte,
		ack func(value json.RawMessage, attachments [][]byte))
}
