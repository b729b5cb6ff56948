package socketio

import (
	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
)

// This file is [namespace] as the library's Adapter: rooms that the library joins are rooms of the hub, and what its
// broadcast operators send goes through the same outboxes as everything else, to other servers as well
// (adapter_cluster.go).

// adapterBuilder makes an adapter for each namespace, the dynamic ones included.
type adapterBuilder struct{ server *Server }

func (b adapterBuilder) New(nsp sio.Namespace) sio.Adapter { return newNamespace(b.server, nsp) }

var _ sio.Adapter = (*namespace)(nil)

func (n *namespace) Prototype(sio.Adapter)   {}
func (n *namespace) Proto() sio.Adapter      { return n }
func (n *namespace) Nsp() sio.Namespace      { return n.nsp }
func (n *namespace) Construct(sio.Namespace) {}
func (n *namespace) Init()                   {}

// Close is called when the library forgets a namespace that it made for a pattern and that nobody is in, and when the
// server ends.
func (n *namespace) Close() {
	n.server.namespaces.CompareAndDelete(n.name, n)
	n.close()
}

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
		if name, ok := n.libraryRoom(room); ok && string(name) != string(id) { // it leaves its own as it goes
			n.Del(id, name)
		}
	}
	p.detach("server namespace disconnect")
}

// selection returns whom opts names as the hub does. A socket id is a room with that socket in it.
func (n *namespace) selection(opts *sio.BroadcastOptions) (sel hub.Selection) {
	if opts != nil {
		sel.Rooms, sel.Except = n.addresses(opts.Rooms), n.addresses(opts.Except)
	}
	return sel
}

func (n *namespace) addresses(rooms *types.Set[sio.Room]) (addresses []hub.Room) {
	if rooms != nil {
		for _, room := range rooms.Keys() {
			addresses = append(addresses, hub.NamespaceRoom(n.name, string(room)))
		}
	}
	return addresses
}

// selected returns the peers here that opts names.
func (n *namespace) selected(opts *sio.BroadcastOptions) []*peer {
	return n.audience(n.selection(opts))
}

// Sockets returns the ids of the sockets in rooms; all of them where rooms is empty.
func (n *namespace) Sockets(rooms *types.Set[sio.Room]) *types.Set[sio.SocketId] {
	ids := types.NewSet[sio.SocketId]()
	for _, p := range n.selected(&sio.BroadcastOptions{Rooms: rooms}) {
		ids.Add(p.sock.Id())
	}
	return ids
}

// SocketRooms returns the rooms of a socket that the library knows, its own among them; nil for an unknown one.
func (n *namespace) SocketRooms(id sio.SocketId) *types.Set[sio.Room] {
	p := n.peer(string(id))
	if p == nil {
		return nil
	}
	rooms := types.NewSet[sio.Room]()
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

// PersistSession and RestoreSession belong to the library's connection state recovery, which is off.
func (n *namespace) PersistSession(*sio.SessionToPersist) {}

func (n *namespace) RestoreSession(sio.PrivateSessionId, string) (*sio.Session, error) {
	return nil, nil
}
