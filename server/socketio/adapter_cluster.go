package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
)

// This file is the part of the library's Adapter that reaches every server of the cluster, unless Flags.Local is set.

// errAlone answers what only makes sense among several servers.
var errAlone = errors.New("there is no other server: this one does not run in a cluster")

// serverCount is how many servers there were a moment ago.
type serverCount struct {
	mu sync.Mutex
	// mu guards the following.
	n  int64
	at time.Time
}

// serverCountAge is how old the number of servers may be. A broadcast with ack asks for it twice and needs one answer.
const serverCountAge = time.Second

// ServerCount returns the number of servers that have the namespace, as it was at most a second ago.
func (n *namespace) ServerCount() int64 {
	if !n.server.clustered() {
		return 1
	}
	c := &n.servers
	c.mu.Lock()
	count, at := c.n, c.at
	c.mu.Unlock()
	if count > 1 && time.Since(at) < serverCountAge {
		return count
	}
	ctx, cancel := context.WithTimeout(n.server.tasks.ctx, time.Second)
	defer cancel()
	count = max(1, n.server.cluster.ServerCount(ctx, n.name))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.at = count, time.Now()
	return count
}

// reach returns whom opts selects on other servers, and whether it may go there at all.
func (n *namespace) reach(opts *sio.BroadcastOptions) (sel hub.Selection, ok bool) {
	if !n.server.clustered() || opts != nil && opts.Flags != nil && opts.Flags.Local {
		return sel, false
	}
	return n.selection(opts), true
}

// Broadcast sends an event to the sockets that opts selects: those here first.
func (n *namespace) Broadcast(packet *parser.Packet, opts *sio.BroadcastOptions) {
	m := n.eventOf(packet, opts)
	if m == nil {
		return
	}
	n.broadcast(packet, m, opts, "", nil)
	if sel, ok := n.reach(opts); ok {
		n.server.cluster.Emit(sel, m, nil)
	}
}

// BroadcastWithAck sends an event whose answers come back through ack, one call for each client. count is called once for
// every server that there is, by the time all have told their numbers: the library waits for as many calls.
func (n *namespace) BroadcastWithAck(packet *parser.Packet, opts *sio.BroadcastOptions, count func(uint64), ack sio.Ack) {
	m := n.eventOf(packet, opts)
	if m == nil {
		count(0)
		return
	}
	servers := n.ServerCount()
	single := opts != nil && opts.Flags != nil && opts.Flags.ExpectSingleResponse
	if !single {
		all := ack
		ack = func(args []any, _ error) { all([]any{firstOf(args)}, nil) } // the reference counts and keeps one for each client
	} else {
		one := ack
		ack = func(args []any, _ error) { one([]any{args}, nil) } // the library takes the first for all arguments of the client
	}
	id := n.nsp.Ids()
	packet.Id = &id
	clients := uint64(0)
	n.broadcast(packet, m, opts, strconv.FormatUint(id, 10), func(sock *sio.Socket) {
		clients++
		sock.Acks().Store(id, ack)
	})
	tell := func(clients uint64, servers int64) {
		if single && clients == 0 {
			return // the library cannot take that nobody answers one question; it waits, and then says that time is over
		}
		count(clients)
		for range servers - 1 {
			count(0)
		}
	}
	sel, ok := n.reach(opts)
	if !ok || servers == 1 || single && clients > 0 {
		tell(clients, servers)
		return
	}
	if !single {
		count(clients)
	}
	n.askOthers(sel, m, opts, ack, func(there uint64) {
		if single {
			tell(there, servers)
		} else {
			tell(there, servers-1)
		}
	})
}

// askOthers asks clients of other servers, and calls told with their number when all of them have answered or time is
// over, unless a server has not told its own.
func (n *namespace) askOthers(sel hub.Selection, m *hub.Message, opts *sio.BroadcastOptions, ack sio.Ack, told func(clients uint64)) {
	timeout := clusterPatience
	if opts != nil && opts.Flags != nil && opts.Flags.Timeout != nil && *opts.Flags.Timeout > 0 {
		timeout = *opts.Flags.Timeout
	}
	m = cloneMessage(m) // the program goes on with what it gave
	n.server.tasks.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		asked, complete := n.server.cluster.Ask(ctx, sel, m, timeout, func(_ string, args []json.RawMessage, attachments [][]byte) {
			if values, err := decodeArgs(args, attachments, newBinary); err == nil {
				n.callBack(func() { ack(values, nil) })
			}
		})
		if complete {
			n.callBack(func() { told(uint64(asked)) })
		}
	})
}

// callBack calls a function of the program. A panic there ends nothing but the call.
func (n *namespace) callBack(f func()) {
	defer n.recoverProgram()
	f()
}

func firstOf(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// eventOf returns a packet of the library as the hub's message; nil, and the fault logged, where it cannot be written.
func (n *namespace) eventOf(packet *parser.Packet, opts *sio.BroadcastOptions) *hub.Message {
	packet.Nsp = n.name
	args, _ := packet.Data.([]any)
	m, err := eventMessage(n.name, args)
	if err != nil {
		n.server.log.Error("a broadcast cannot be written", "namespace", n.name, "error", err)
		return nil
	}
	m.Volatile = opts != nil && opts.Flags != nil && opts.Flags.Volatile
	return m
}

// broadcast sends m to the sockets here that opts selects.
func (n *namespace) broadcast(packet *parser.Packet, m *hub.Message, opts *sio.BroadcastOptions, ackID string, each func(*sio.Socket)) {
	encoded := encodeEvent(m, ackID)
	for _, p := range n.selected(opts) {
		if each != nil {
			each(p.sock)
		}
		if notify := p.sock.NotifyOutgoingListeners(); len(p.sock.ListenersAnyOutgoing()) > 0 {
			notify(packet)
		}
		p.deliver(encoded, "", m.Volatile)
	}
}

// cloneMessage returns a copy of what the library sends that shares nothing with it.
func cloneMessage(m *hub.Message) *hub.Message {
	c := &hub.Message{Namespace: m.Namespace, Event: m.Event, RawEvent: bytes.Clone(m.RawEvent), Volatile: m.Volatile}
	for _, a := range m.Args {
		c.Args = append(c.Args, bytes.Clone(a))
	}
	for _, a := range m.Attachments {
		c.Attachments = append(c.Attachments, bytes.Clone(a))
	}
	return c
}

// FetchSockets returns the sockets that opts selects. With an error those of some servers are missing. Where others are
// asked, done is called on another goroutine.
func (n *namespace) FetchSockets(opts *sio.BroadcastOptions) func(func([]sio.SocketDetails, error)) {
	return func(done func([]sio.SocketDetails, error)) {
		sockets := []sio.SocketDetails{}
		for _, p := range n.selected(opts) {
			sockets = append(sockets, p.sock)
		}
		sel, ok := n.reach(opts)
		if !ok {
			done(sockets, nil)
			return
		}
		timeout := clusterPatience
		if opts != nil && opts.Flags != nil && opts.Flags.Timeout != nil && *opts.Flags.Timeout > 0 {
			timeout = *opts.Flags.Timeout
		}
		started := n.server.tasks.start(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			others, err := n.server.cluster.FetchSockets(ctx, n.name, sel)
			for _, s := range others {
				sockets = append(sockets, newRemote(s))
			}
			n.callBack(func() { done(sockets, err) })
		})
		if !started {
			done(sockets, errClosed)
		}
	}
}

// AddSockets makes the selected sockets join rooms.
func (n *namespace) AddSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	n.join(n.selected(opts), rooms)
	if sel, ok := n.reach(opts); ok {
		n.server.cluster.Join(n.name, sel, roomNames(rooms))
	}
}

// DelSockets makes the selected sockets leave rooms.
func (n *namespace) DelSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	n.leave(n.selected(opts), rooms)
	if sel, ok := n.reach(opts); ok {
		n.server.cluster.Leave(n.name, sel, roomNames(rooms))
	}
}

// DisconnectSockets disconnects the selected sockets.
func (n *namespace) DisconnectSockets(opts *sio.BroadcastOptions, closeConnection bool) {
	for _, p := range n.selected(opts) {
		p.Disconnect(closeConnection)
	}
	if sel, ok := n.reach(opts); ok {
		n.server.cluster.Disconnect(n.name, sel, closeConnection)
	}
}

func (n *namespace) join(peers []*peer, rooms []sio.Room) {
	for _, p := range peers {
		p.sock.Join(rooms...)
	}
}

func (n *namespace) leave(peers []*peer, rooms []sio.Room) {
	for _, p := range peers {
		for _, room := range rooms {
			p.sock.Leave(room)
		}
	}
}

func roomNames(rooms []sio.Room) []string {
	names := make([]string, len(rooms))
	for i, room := range rooms {
		names[i] = string(room)
	}
	return names
}

// ServerSideEmit tells the other servers an event, and calls back with what each of them answered where the last argument
// is an ack: on another goroutine, within five seconds, with an error where some have not.
func (n *namespace) ServerSideEmit(packet []any) error {
	if !n.server.clustered() {
		return errAlone
	}
	var ack sio.Ack
	if len(packet) > 1 {
		var ok bool
		if ack, ok = packet[len(packet)-1].(sio.Ack); ok {
			packet = packet[:len(packet)-1]
		}
	}
	args, attachments, err := marshalArgs(packet)
	if err != nil {
		return fmt.Errorf("server-side emit: %w", err)
	}
	if ack == nil {
		ctx, cancel := context.WithTimeout(n.server.tasks.ctx, clusterPatience)
		defer cancel()
		return n.server.cluster.ServerSide(ctx, n.name, args, attachments)
	}
	for i := range args {
		args[i] = bytes.Clone(args[i])
	}
	for i := range attachments {
		attachments[i] = bytes.Clone(attachments[i])
	}
	started := n.server.tasks.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, clusterPatience)
		defer cancel()
		answers, err := n.server.cluster.ServerSideAsk(ctx, n.name, args, attachments)
		values, failed := decodeArgs(answers, nil, newBinary)
		n.callBack(func() { ack(values, errors.Join(err, failed)) })
	})
	if !started {
		return errClosed
	}
	return nil
}
