package library

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// adapter is the library's Adapter of one namespace: rooms that the library joins are rooms of the hub, and what its
// broadcast operators send goes through the same outboxes as everything else, to other servers as well
// (adapter_cluster.go). A namespace that has a handler has an adapter too: operators reach its clients.
type adapter struct {
	listeners // create-room, join-room, leave-room, delete-room

	// Static after construction.
	lib  *Library
	nsp  sio.Namespace
	name string

	asked   sync.Map    // id to session, of sockets that middleware looks at
	servers serverCount // in the cluster
	closed  atomic.Bool
}

var _ sio.Adapter = (*adapter)(nil)

// adapterBuilder makes an adapter for each namespace, the dynamic ones included.
type adapterBuilder struct{ lib *Library }

func (b adapterBuilder) New(nsp sio.Namespace) sio.Adapter {
	a := &adapter{lib: b.lib, nsp: nsp, name: nsp.Name()}
	nsp.EventEmitter().EventEmitter = &namespaceEvents{adapter: a}
	if !a.lib.server.Handles(a.name) {
		a.lib.server.Open(a.name, nsp.Ids)
		a.lib.openings.add(a.name)
	}
	return a
}

func (a *adapter) Prototype(sio.Adapter)   {}
func (a *adapter) Proto() sio.Adapter      { return a }
func (a *adapter) Nsp() sio.Namespace      { return a.nsp }
func (a *adapter) Construct(sio.Namespace) {}
func (a *adapter) Init()                   {}

// Close is called when the library forgets a namespace that it made for a pattern and that nobody is in, and when the
// server ends.
func (a *adapter) Close() {
	a.lib.forget(a)
	if !a.lib.server.Handles(a.name) && !a.closed.Swap(true) {
		a.lib.server.Forget(a.name)
		a.lib.openings.remove(a.name)
	}
}

// session returns the session of a socket, nil where it is not known: also of one that middleware looks at, and of one
// that is about to be forgotten.
func (a *adapter) session(id sio.SocketId) *session {
	if s, ok := a.asked.Load(id); ok {
		return s.(*session)
	}
	for _, m := range a.lib.server.Hub().Members(hub.SocketRoom(a.name, string(id))) {
		if c, ok := m.Sink().(socketio.Client); ok && c.ID() == string(id) {
			s, _ := c.LibrarySession().(*session)
			return s
		}
	}
	if sock, ok := a.nsp.Sockets().Load(id); ok {
		return sessionOf([]any{sock})
	}
	return nil
}

// AddAll puts a socket into rooms. Its own it is in already.
func (a *adapter) AddAll(id sio.SocketId, rooms *types.Set[sio.Room]) {
	s := a.session(id)
	if s == nil {
		return
	}
	h := a.lib.server.Hub()
	for _, room := range rooms.Keys() {
		address := hub.NamespaceRoom(a.name, string(room))
		created := a.ListenerCount("create-room") > 0 && (h.Count(address) == 0 || string(room) == string(id))
		if !h.Join(s.client.Member(), address) && string(room) != string(id) && !s.isReturning() {
			continue
		}
		if created {
			a.Emit("create-room", room)
		}
		a.Emit("join-room", room, id)
	}
}

// Del takes a socket out of a room. In its own it stays.
func (a *adapter) Del(id sio.SocketId, room sio.Room) {
	address := hub.NamespaceRoom(a.name, string(room))
	s := a.session(id)
	if s == nil || string(room) == string(id) || !a.lib.server.Hub().Leave(s.client.Member(), address) {
		return
	}
	a.left(id, room, a.lib.server.Hub().Count(address))
}

// left tells who listens that a socket has left a room with so many others in it.
func (a *adapter) left(id sio.SocketId, room sio.Room, others int) {
	a.Emit("leave-room", room, id)
	if others == 0 {
		a.Emit("delete-room", room)
	}
}

// DelAll is called when a socket is gone, or was refused by a middleware. A client that was cut and may come back stays in the hub's
// rooms.
func (a *adapter) DelAll(id sio.SocketId) {
	s := a.session(id)
	if s == nil {
		return
	}
	a.asked.Delete(id)
	for _, room := range a.libraryNames(s.roomsNow()) {
		if !s.client.Away() {
			a.Del(id, room)
		} else if string(room) != string(id) {
			a.left(id, room, a.lib.server.Hub().Count(hub.NamespaceRoom(a.name, string(room)))-1)
		}
	}
	a.left(id, sio.Room(id), 0)
	s.left()
}

// libraryNames returns what the library calls rooms of this namespace; others are left out.
func (a *adapter) libraryNames(rooms []hub.Room) []sio.Room {
	var names []sio.Room
	for _, r := range rooms {
		name, ok := strings.CutPrefix(r.Name, a.name+"\x00")
		if ok && (r.Kind == hub.KindNamespace || r.Kind == hub.KindSocket) {
			names = append(names, sio.Room(name))
		}
	}
	return names
}

// selection returns whom opts names as the hub does. A socket id is a room with that socket in it.
func (a *adapter) selection(opts *sio.BroadcastOptions) (sel hub.Selection) {
	if opts != nil {
		sel.Rooms, sel.Except = a.addresses(opts.Rooms), a.addresses(opts.Except)
	}
	return sel
}

func (a *adapter) addresses(rooms *types.Set[sio.Room]) (addresses []hub.Room) {
	if rooms != nil {
		for _, room := range rooms.Keys() {
			addresses = append(addresses, hub.NamespaceRoom(a.name, string(room)))
		}
	}
	return addresses
}

// Sockets returns the ids of the sockets in rooms; all of them where rooms is empty.
func (a *adapter) Sockets(rooms *types.Set[sio.Room]) *types.Set[sio.SocketId] {
	ids := types.NewSet[sio.SocketId]()
	for _, c := range a.lib.server.Select(a.name, hub.Selection{Rooms: a.addresses(rooms)}) {
		if !c.Away() {
			ids.Add(sio.SocketId(c.ID()))
		}
	}
	return ids
}

// SocketRooms returns the rooms of a socket that the library knows, its own among them; nil for an unknown one.
func (a *adapter) SocketRooms(id sio.SocketId) *types.Set[sio.Room] {
	s := a.session(id)
	if s == nil {
		return nil
	}
	return types.NewSet(a.libraryNames(s.roomsNow())...)
}

// Rooms returns a copy of the library's rooms and who is in them.
func (a *adapter) Rooms() *types.Map[sio.Room, *types.Set[sio.SocketId]] {
	rooms := new(types.Map[sio.Room, *types.Set[sio.SocketId]])
	a.Sids().Range(func(id sio.SocketId, in *types.Set[sio.Room]) bool {
		for _, room := range in.Keys() {
			ids, _ := rooms.LoadOrStore(room, types.NewSet[sio.SocketId]())
			ids.Add(id)
		}
		return true
	})
	return rooms
}

// Sids returns a copy of the sockets and the rooms they are in.
func (a *adapter) Sids() *types.Map[sio.SocketId, *types.Set[sio.Room]] {
	sids := new(types.Map[sio.SocketId, *types.Set[sio.Room]])
	for _, c := range a.lib.server.Select(a.name, hub.Selection{}) {
		sids.Store(sio.SocketId(c.ID()), types.NewSet(a.libraryNames(c.Member().Rooms())...))
	}
	return sids
}

// PersistSession does nothing: the client stays in its rooms, and the session has what the program keeps with it.
func (a *adapter) PersistSession(*sio.SessionToPersist) {}

// RestoreSession returns what the library needs to go on with a client that is back, see [session.Return]. What it missed is
// seen to by package socketio.
func (a *adapter) RestoreSession(pid sio.PrivateSessionId, _ string) (*sio.Session, error) {
	s := a.session(sio.SocketId(pid))
	if s == nil || !s.isReturning() {
		return nil, nil
	}
	return &sio.Session{SessionToPersist: &sio.SessionToPersist{
		Sid: sio.SocketId(pid), Pid: pid, Data: s.Data(),
		Rooms: types.NewSet(a.libraryNames(s.client.Member().Rooms())...),
	}}, nil
}
