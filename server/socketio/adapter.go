package socketio

import (
	"errors"
	"strconv"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
)

// This file is [namespace] as the library's Adapter: rooms that the library joins are rooms of the hub, and what its
// broadcast operators send goes through the same outboxes as everything else.

// adapterBuilder makes an adapter for each namespace, the dynamic ones included.
type adapterBuilder struct{ server *Server }

func (b adapterBuilder) New(nsp sio.Namespace) sio.Adapter { return newNamespace(b.server, nsp) }

var _ sio.Adapter = (*namespace)(nil)

func (n *namespace) Prototype(sio.Adapter)   {}
func (n *namespace) Proto() sio.Adapter      { return n }
func (n *namespace) Nsp() sio.Namespace      { return n.nsp }
func (n *namespace) Construct(sio.Namespace) {}
func (n *namespace) Init()                   {}
func (n *namespace) ServerCount() int64      { return 1 }

// Close is called when the library forgets a namespace that it made for a pattern and that nobody is in.
func (n *namespace) Close() { n.server.namespaces.CompareAndDelete(n.name, n) }

// AddAll puts a socket into rooms. The library calls it first with the socket's own id, just before it sends CONNECT:
// in a namespace without a handler that is when the client is attached.
func (n *namespace) AddAll(id sio.SocketId, rooms *types.Set[sio.Room]) {
	p := n.peer(string(id))
	if p == nil {
		if p = n.adopt(id); p == nil {
			return
		}
	}
	for _, room := range rooms.Keys() {
		if string(room) == string(id) {
			continue // every socket is in the room of its own id without standing in it
		}
		address := hub.NamespaceRoom(n.name, string(room))
		created := n.ListenerCount("create-room") > 0 && n.server.hub.Count(address) == 0
		if !n.server.hub.Join(p.member, address) {
			continue
		}
		if created {
			n.Emit("create-room", room)
		}
		n.Emit("join-room", room, id)
	}
}

func (n *namespace) adopt(id sio.SocketId) *peer {
	sock, ok := n.nsp.Sockets().Load(id)
	if !ok {
		return nil
	}
	c, ok := sock.Conn().(*conn)
	if !ok {
		return nil
	}
	p := c.find([]byte(n.name))
	if p == nil || p.attach(n, sock) != nil {
		return nil
	}
	return p
}

// Del takes a socket out of a room.
func (n *namespace) Del(id sio.SocketId, room sio.Room) {
	p := n.peer(string(id))
	address := hub.NamespaceRoom(n.name, string(room))
	if p == nil || !n.server.hub.Leave(p.member, address) {
		return
	}
	n.Emit("leave-room", room, id)
	if n.ListenerCount("delete-room") > 0 && n.server.hub.Count(address) == 0 {
		n.Emit("delete-room", room)
	}
}

// DelAll is called when a socket is gone, or was refused by a middleware.
func (n *namespace) DelAll(id sio.SocketId) {
	p := n.peer(string(id))
	if p == nil {
		return
	}
	for _, room := range p.member.Rooms() {
		if name, ok := n.libraryRoom(room); ok {
			n.Del(id, name)
		}
	}
	p.detach("server namespace disconnect")
}

// Broadcast sends an event to the sockets that opts selects.
func (n *namespace) Broadcast(packet *parser.Packet, opts *sio.BroadcastOptions) {
	n.broadcast(packet, opts, "", nil)
}

// BroadcastWithAck sends an event whose answers come back through ack, one call for each client.
func (n *namespace) BroadcastWithAck(packet *parser.Packet, opts *sio.BroadcastOptions, count func(uint64), ack sio.Ack) {
	id := n.nsp.Ids()
	packet.Id = &id
	var clients atomic.Uint64
	n.broadcast(packet, opts, strconv.FormatUint(id, 10), func(sock *sio.Socket) {
		clients.Add(1)
		sock.Acks().Store(id, ack)
	})
	count(clients.Load())
}

func (n *namespace) broadcast(packet *parser.Packet, opts *sio.BroadcastOptions, ackID string, each func(*sio.Socket)) {
	packet.Nsp = n.name
	args, _ := packet.Data.([]any)
	m, err := eventMessage(n.name, args)
	if err != nil {
		n.server.log.Error("a broadcast cannot be written", "namespace", n.name, "error", err)
		return
	}
	volatile := opts != nil && opts.Flags != nil && opts.Flags.Volatile
	encoded := encodeEvent(m, ackID)
	for _, p := range n.selected(opts) {
		if each != nil {
			each(p.sock)
		}
		if notify := p.sock.NotifyOutgoingListeners(); len(p.sock.ListenersAnyOutgoing()) > 0 {
			notify(packet)
		}
		p.deliver(encoded, volatile)
	}
}

// selected returns the peers that opts names: the members of its rooms, each once, or everybody where it names none;
// without those who are in a room it excepts. A socket id is a room with that socket in it.
func (n *namespace) selected(opts *sio.BroadcastOptions) []*peer {
	var rooms, except []sio.Room
	if opts != nil && opts.Rooms != nil {
		rooms = opts.Rooms.Keys()
	}
	if opts != nil && opts.Except != nil {
		except = opts.Except.Keys()
	}
	if len(rooms) == 0 && len(except) == 0 {
		return n.all()
	}
	seen := make(map[*peer]struct{})
	for _, p := range n.inRooms(except) {
		seen[p] = struct{}{}
	}
	candidates := n.all
	if len(rooms) > 0 {
		candidates = func() []*peer { return n.inRooms(rooms) }
	}
	var peers []*peer
	for _, p := range candidates() {
		if _, ok := seen[p]; !ok {
			seen[p] = struct{}{}
			peers = append(peers, p)
		}
	}
	return peers
}

func (n *namespace) inRooms(rooms []sio.Room) []*peer {
	var peers []*peer
	for _, room := range rooms {
		if p := n.peer(string(room)); p != nil {
			peers = append(peers, p)
		}
		for _, m := range n.server.hub.Members(hub.NamespaceRoom(n.name, string(room))) {
			if p, ok := m.Sink().(*peer); ok {
				peers = append(peers, p)
			}
		}
	}
	return peers
}

// Sockets returns the ids of the sockets in rooms; all of them where rooms is empty.
func (n *namespace) Sockets(rooms *types.Set[sio.Room]) *types.Set[sio.SocketId] {
	ids := types.NewSet[sio.SocketId]()
	for _, p := range n.selected(&sio.BroadcastOptions{Rooms: rooms}) {
		ids.Add(p.sock.Id())
	}
	return ids
}

// SocketRooms returns the rooms of a socket that the library knows, its own id among them; nil for an unknown one.
func (n *namespace) SocketRooms(id sio.SocketId) *types.Set[sio.Room] {
	p := n.peer(string(id))
	if p == nil {
		return nil
	}
	rooms := types.NewSet(sio.Room(id))
	for _, r := range p.member.Rooms() {
		if room, ok := n.libraryRoom(r); ok {
			rooms.Add(room)
		}
	}
	return rooms
}

// Rooms returns a copy of the library's rooms and who is in them.
func (n *namespace) Rooms() *types.Map[sio.Room, *types.Set[sio.SocketId]] {
	rooms := new(types.Map[sio.Room, *types.Set[sio.SocketId]])
	n.Sids().Range(func(id sio.SocketId, in *types.Set[sio.Room]) bool {
		for _, room := range in.Keys() {
			ids, _ := rooms.LoadOrStore(room, types.NewSet[sio.SocketId]())
			ids.Add(id)
		}
		return true
	})
	return rooms
}

// Sids returns a copy of the sockets and the rooms they are in.
func (n *namespace) Sids() *types.Map[sio.SocketId, *types.Set[sio.Room]] {
	sids := new(types.Map[sio.SocketId, *types.Set[sio.Room]])
	for _, p := range n.all() {
		if rooms := n.SocketRooms(p.sock.Id()); rooms != nil {
			sids.Store(p.sock.Id(), rooms)
		}
	}
	return sids
}

// FetchSockets returns the sockets that opts selects.
func (n *namespace) FetchSockets(opts *sio.BroadcastOptions) func(func([]sio.SocketDetails, error)) {
	return func(done func([]sio.SocketDetails, error)) {
		sockets := []sio.SocketDetails{}
		for _, p := range n.selected(opts) {
			sockets = append(sockets, p.sock)
		}
		done(sockets, nil)
	}
}

// AddSockets makes the selected sockets join rooms.
func (n *namespace) AddSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	for _, p := range n.selected(opts) {
		p.sock.Join(rooms...)
	}
}

// DelSockets makes the selected sockets leave rooms.
func (n *namespace) DelSockets(opts *sio.BroadcastOptions, rooms []sio.Room) {
	for _, p := range n.selected(opts) {
		for _, room := range rooms {
			p.sock.Leave(room)
		}
	}
}

// DisconnectSockets disconnects the selected sockets.
func (n *namespace) DisconnectSockets(opts *sio.BroadcastOptions, closeConnection bool) {
	for _, p := range n.selected(opts) {
		p.Disconnect(closeConnection)
	}
}

// ServerSideEmit is for other servers; a server of its own has none.
func (n *namespace) ServerSideEmit([]any) error {
	return errors.New("there is no other server: this one does not run in a cluster")
}

// PersistSession and RestoreSession belong to the library's connection state recovery, which is off.
func (n *namespace) PersistSession(*sio.SessionToPersist) {}

func (n *namespace) RestoreSession(sio.PrivateSessionId, string) (*sio.Session, error) {
	return nil, nil
}
