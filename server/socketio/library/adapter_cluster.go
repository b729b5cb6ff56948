package library

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
	"signalbox/server/socketio"
	"signalbox/server/wire"
)

// This file is the part of the library's Adapter that reaches every server of the cluster, unless Flags.Local is set.

// errEnded answers what comes when the server has ended.
var errEnded = errors.New("the server has ended")

func (a *adapter) clustered() bool {
	_, ok := a.lib.server.Cluster()
	return ok
}

func (a *adapter) cluster() socketio.Cluster {
	c, _ := a.lib.server.Cluster()
	return c
}

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
func (a *adapter) ServerCount() int64 {
	if !a.clustered() {
		return 1
	}
	c := &a.servers
	c.mu.Lock()
	count, at := c.n, c.at
	c.mu.Unlock()
	if count > 1 && time.Since(at) < serverCountAge {
		return count
	}
	ctx, cancel := context.WithTimeout(a.lib.tasks.ctx, time.Second)
	defer cancel()
	count = max(1, a.cluster().ServerCount(ctx, a.name))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.at = count, time.Now()
	return count
}

// reach returns whom opts selects on other servers, and whether it may go there at all.
func (a *adapter) reach(opts *sio.BroadcastOptions) (sel hub.Selection, ok bool) {
	if !a.clustered() || opts != nil && opts.Flags != nil && opts.Flags.Local {
		return sel, false
	}
	return a.selection(opts), true
}

// Broadcast sends an event to the sockets that opts selects: those here first.
func (a *adapter) Broadcast(packet *parser.Packet, opts *sio.BroadcastOptions) {
	m := a.eventOf(packet, opts)
	if m == nil {
		return
	}
	sel, ok := a.reach(opts)
	if a.lib.server.Handles(a.name) {
		a.lib.server.Send(a.selection(opts), m, ok)
		return
	}
	ackID := ""
	if packet.Id != nil { // one socket is asked for an answer
		ackID = strconv.FormatUint(*packet.Id, 10)
	}
	a.broadcast(packet, m, opts, ackID, nil)
	if ok && packet.Id == nil && !a.isHere(sel) {
		a.cluster().Emit(sel, m, nil)
	}
}

// isHere reports whether sel is one socket of this server: with recovery the library emits to a single socket this way.
func (a *adapter) isHere(sel hub.Selection) bool {
	return len(sel.Rooms) == 1 && sel.Rooms[0].Kind == hub.KindSocket && a.lib.server.Hub().Count(sel.Rooms[0]) > 0
}

// callBack calls a function of the program. A panic there ends nothing but the call.
func (a *adapter) callBack(f func()) {
	defer a.lib.server.Recovered(a.name)
	f()
}

// eventOf returns a packet of the library as the hub's message; nil, and the fault logged, where it cannot be written.
func (a *adapter) eventOf(packet *parser.Packet, opts *sio.BroadcastOptions) *hub.Message {
	packet.Nsp = a.name
	args, _ := packet.Data.([]any)
	m, err := socketio.EventMessage(a.name, plainAll(args))
	if err != nil {
		a.lib.log.Error("a broadcast cannot be written", "namespace", a.name, "error", err)
		return nil
	}
	m.Volatile = opts != nil && opts.Flags != nil && opts.Flags.Volatile
	return m
}

// broadcast sends m to the clients here that opts selects. With an id they are asked to answer, and each is called for
// those that will: sockets of the library.
func (a *adapter) broadcast(
	packet *parser.Packet, m *hub.Message, opts *sio.BroadcastOptions, ackID string, each func(*sio.Socket),
) {
	var asking *wire.Message
	if ackID != "" {
		asking = socketio.EncodeEvent(m, ackID)
	}
	for _, c := range a.lib.server.Select(a.name, a.selection(opts)) {
		s, _ := c.LibrarySession().(*session)
		if s != nil && !c.Away() {
			sock := s.socket()
			if notify := sock.NotifyOutgoingListeners(); len(sock.ListenersAnyOutgoing()) > 0 {
				a.callBack(func() { notify(packet) })
			}
			if each != nil {
				each(sock)
			}
		}
		switch {
		case asking == nil:
			c.Deliver(m)
		case !c.Away():
			c.Queue(asking, m.Volatile)
		}
	}
}

// FetchSockets returns the sockets that opts selects. With an error those of some servers are missing. Where others are
// asked, done is called on another goroutine.
func (a *adapter) FetchSockets(opts *sio.BroadcastOptions) func(func([]sio.SocketDetails, error)) {
	return func(done func([]sio.SocketDetails, error)) {
		sockets := []sio.SocketDetails{}
		if a.lib.server.Handles(a.name) {
			for _, s := range a.lib.server.SocketsHere(a.name, a.selection(opts)) {
				sockets = append(sockets, newRemote(s))
			}
		} else {
			for _, c := range a.lib.server.Select(a.name, a.selection(opts)) {
				if s, ok := c.LibrarySession().(*session); ok && !c.Away() {
					sockets = append(sockets, s.socket())
				}
			}
		}
		sel, ok := a.reach(opts)
		if !ok {
			done(sockets, nil)
			return
		}
		timeout := socketio.ClusterPatience
		if opts != nil && opts.Flags != nil && opts.Flags.Timeout != nil && *opts.Flags.Timeout > 0 {
			timeout = *opts.Flags.Timeout
		}
		started := a.lib.tasks.start(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			others, err := a.cluster().FetchSockets(ctx, a.name, sel)
			for _, s := range others {
				sockets = append(sockets, newRemote(s))
			}
			a.callBack(func() { done(sockets, err) })
		})
		if !started {
			done(sockets, errEnded)
		}
	}
}

// AddSockets makes the selected sockets join rooms.
func (a *adapter) AddSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	a.lib.server.JoinHere(a.name, a.selection(opts), roomNames(rooms))
	if sel, ok := a.reach(opts); ok {
		a.cluster().Join(a.name, sel, roomNames(rooms))
	}
}

// DelSockets makes the selected sockets leave rooms.
func (a *adapter) DelSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	a.lib.server.LeaveHere(a.name, a.selection(opts), roomNames(rooms))
	if sel, ok := a.reach(opts); ok {
		a.cluster().Leave(a.name, sel, roomNames(rooms))
	}
}

// DisconnectSockets disconnects the selected sockets.
func (a *adapter) DisconnectSockets(opts *sio.BroadcastOptions, closeConnection bool) {
	a.lib.server.DisconnectHere(a.name, a.selection(opts), closeConnection)
	if sel, ok := a.reach(opts); ok {
		a.cluster().Disconnect(a.name, sel, closeConnection)
	}
}

func roomNames(rooms []sio.Room) []string {
	names := make([]string, len(rooms))
	for i, room := range rooms {
		names[i] = string(room)
	}
	return names
}
