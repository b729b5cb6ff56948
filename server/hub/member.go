package hub

import (
	"slices"
	"sync"
)

// Sink takes messages for one member.
type Sink interface {
	// Deliver queues m and reports whether the member will get it. It is called with a room's lock held, so it must
	// not block, write or call into the hub.
	Deliver(m *Message) bool
}

// Member is one connection's place in the hub. It is made with [NewMember], may be in any number of rooms, and ends
// with [Hub.Remove]. A member belongs to the hub that first saw it.
type Member struct {
	// Static after construction.
	id   string
	sink Sink

	mu sync.Mutex
	// mu guards the following.
	rooms   []*membership
	own     int // of rooms, the first ones: see [Hub.Enter]
	removed bool
	shown   bool // to the hub's Watcher
}

// membership is one member in one room. index is guarded by the room's lock, the rest is static.
type membership struct {
	room   *room
	member *Member
	index  int
}

// NewMember returns a member in no room. id is what it is called in lists and logs: the Socket.IO socket id or the
// client id of a door.
func NewMember(id string, sink Sink) *Member {
	return &Member{id: id, sink: sink}
}

// ID returns the id the member was made with.
func (m *Member) ID() string { return m.id }

// Sink returns the sink the member was made with: how a door finds its own connection in a list of members.
func (m *Member) Sink() Sink { return m.sink }

// Rooms returns the rooms the member is in now.
func (m *Member) Rooms() []Room {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.roomsLocked()
}

func (m *Member) roomsLocked() []Room {
	rooms := make([]Room, len(m.rooms))
	for i, ms := range m.rooms {
		rooms[i] = ms.room.address
	}
	return rooms
}

// User returns whom the member is a connection of, by its token or else by its own word; "": nobody knows.
func (m *Member) User() string {
	user := ""
	for _, r := range m.Rooms() {
		switch r.Kind {
		case KindAccount:
			return r.Name
		case KindUser:
			user = r.Name
		}
	}
	return user
}

// Away reports whether the member's connection was cut, and may come back.
func (m *Member) Away() bool {
	a, ok := m.sink.(interface{ Away() bool })
	return ok && a.Away()
}

// Bytes returns about what the member's rooms take.
func (m *Member) Bytes() (n int) {
	for _, r := range m.Rooms() {
		n += len(r.Name) + membershipBytes
	}
	return n
}

// membershipBytes is what being in a room takes beside its name.
const membershipBytes = 96

// AwayIn returns the ids of the members of a room that are away.
func (h *Hub) AwayIn(r Room) (ids []string) {
	for _, m := range h.Members(r) {
		if m.Away() {
			ids = append(ids, m.ID())
		}
	}
	return ids
}

// Deliver hands a message to this member alone, and reports whether it will get it.
func (m *Member) Deliver(msg *Message) bool { return m.sink.Deliver(msg) }

// indexLocked returns where r stands in m.rooms, or -1.
func (m *Member) indexLocked(r Room) int {
	return slices.IndexFunc(m.rooms, func(ms *membership) bool { return ms.room.address == r })
}
