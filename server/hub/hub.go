package hub

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// Hub knows the rooms of this process. The zero value is not ready; use [New]. All methods may be called from any
// goroutine, but not from [Sink.Deliver].
//
// A member's lock is taken before a shard's or a room's, and a shard's and a room's are never held together.
type Hub struct {
	// MaxRoomsPerMember bounds how many rooms one member may join; 0: no limit. It is set before the hub is used.
	MaxRoomsPerMember int
	// Names says what rooms are called between servers. It is set before the hub is used.
	Names Names
	// Bus takes messages to the other nodes; nil: there are none. It is set before the hub is used.
	Bus Bus
	// Watcher hears where members go; nil: nobody does. It is set before the hub is used.
	Watcher Watcher
	// Stepwise has each message given to the members here and to the Bus in one step, which [Hub.Between] waits for. It is
	// set before the hub is used.
	Stepwise bool

	// Ordered has messages that are sent to all nodes given to the members here by the Bus, at their place among those of other
	// nodes, and by nobody before. It is set before the hub is used.
	Ordered bool

	sending sync.RWMutex  // held for reading during each step
	refused atomic.Uint64 // joins over the limit
	seed    maphash.Seed
	shards  [shardCount]shard
}

const shardCount = 64

type shard struct {
	mu sync.RWMutex
	// mu guards the following.
	rooms map[Room]*room
}

// room is a list of members. A room that empties is gone: its shard forgets it and it is never filled again.
type room struct {
	address Room

	mu sync.RWMutex
	// mu guards the following.
	members []seat
	gone    bool
}

// seat holds the member beside its membership, so that a fan-out reads one word per receiver.
type seat struct {
	member     *Member
	membership *membership
}

// New returns an empty hub.
func New() *Hub {
	h := &Hub{seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].rooms = make(map[Room]*room)
	}
	return h
}

func (h *Hub) shard(r Room) *shard {
	return &h.shards[(maphash.String(h.seed, r.Name)+uint64(r.Kind))%shardCount]
}

func (h *Hub) find(r Room) *room {
	s := h.shard(r)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[r]
}

// Join puts m into a room and reports whether it was not there before. A member that was removed, or that is in as
// many rooms as a member may be, joins nothing: [Hub.Contains] tells that from having been there.
//
// In a cluster it returns when what the other nodes send to the room comes here, or after a second, see [Bus].
func (h *Hub) Join(m *Member, r Room) bool {
	if h.Bus == nil {
		return h.join(m, r)
	}
	h.Bus.Want(r)
	if !h.join(m, r) {
		h.Bus.Unwant(r)
		return false
	}
	h.Bus.Await(r)
	return true
}

// Heard reports whether what other nodes send to a room comes here, for one that was joined: after a join that Redis
// did not confirm in time it does not yet.
func (h *Hub) Heard(r Room) bool { return h.Bus == nil || h.Bus.Heard(r) }

// Enter puts m into the rooms that a socket is in as long as it is there: its own and that of its namespace. They are
// not counted by MaxRoomsPerMember, and joining them waits for nobody. It is called once, before the first Join.
func (h *Hub) Enter(m *Member, rooms ...Room) {
	for _, r := range rooms {
		if h.Bus != nil {
			h.Bus.Want(r)
		}
		if !h.enter(m, r) && h.Bus != nil {
			h.Bus.Unwant(r)
		}
	}
}

// Settle puts a member into the rooms of a socket, own, and into others that it was in at another node: no limit keeps it from
// them. It returns when what other nodes send to them comes here, or after a second.
func (h *Hub) Settle(m *Member, own, others []Room) {
	h.Enter(m, own...)
	if h.Bus == nil {
		return
	}
	for _, r := range others { // all of them at once
		h.Bus.Want(r)
	}
	for _, r := range others {
		if !h.settle(m, r) {
			h.Bus.Unwant(r)
		}
	}
	for _, r := range append(own, others...) {
		h.Bus.Await(r)
	}
}

// Resettle is Settle for rooms that the member has come into meanwhile, and others that it has left.
func (h *Hub) Resettle(m *Member, rooms, left []Room) {
	h.Settle(m, nil, rooms)
	for _, r := range left {
		h.Leave(m, r)
	}
}

func (h *Hub) settle(m *Member, r Room) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed || m.indexLocked(r) >= 0 {
		return false
	}
	h.joinLocked(m, r)
	return true
}

func (h *Hub) enter(m *Member, r Room) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed || m.indexLocked(r) >= 0 {
		return false
	}
	m.own++
	h.joinLocked(m, r)
	return true
}

func (h *Hub) join(m *Member, r Room) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed || m.indexLocked(r) >= 0 {
		return false
	}
	if h.MaxRoomsPerMember > 0 && len(m.rooms)-m.own >= h.MaxRoomsPerMember {
		h.refused.Add(1)
		return false
	}
	h.joinLocked(m, r)
	return true
}

func (h *Hub) joinLocked(m *Member, r Room) {
	ms := &membership{member: m}
	for !h.seat(ms, r) {
	}
	if m.shown {
		h.Watcher.Joined(m, r, m.roomsLocked())
	}
	m.rooms = append(m.rooms, ms)
}

// seat gives ms a place in the room called r, and reports false where the room emptied under its hands.
func (h *Hub) seat(ms *membership, r Room) bool {
	s := h.shard(r)
	s.mu.Lock()
	rm := s.rooms[r]
	if rm == nil {
		rm = &room{address: r}
		s.rooms[r] = rm
	}
	s.mu.Unlock()

	rm.mu.Lock()
	if rm.gone {
		rm.mu.Unlock()
		h.forget(rm)
		return false
	}
	ms.room = rm
	ms.index = len(rm.members)
	rm.members = append(rm.members, seat{ms.member, ms})
	rm.mu.Unlock()
	return true
}

// forget takes a room that is gone out of its shard, whoever comes first.
func (h *Hub) forget(rm *room) {
	s := h.shard(rm.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[rm.address] == rm {
		delete(s.rooms, rm.address)
	}
}

// Leave takes m out of a room and reports whether it was there.
func (h *Hub) Leave(m *Member, r Room) bool {
	if !h.leave(m, r) {
		return false
	}
	if h.Bus != nil {
		h.Bus.Unwant(r)
	}
	return true
}

func (h *Hub) leave(m *Member, r Room) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.indexLocked(r)
	if i < 0 {
		return false
	}
	ms := m.rooms[i]
	m.rooms = slices.Delete(m.rooms, i, i+1)
	if i < m.own {
		m.own--
	}
	h.unseat(ms)
	if m.shown {
		h.Watcher.Left(m, r, m.roomsLocked())
	}
	return true
}

// Remove takes m out of every room, for good, and returns the rooms it was in.
func (h *Hub) Remove(m *Member) []Room {
	left := h.remove(m)
	if h.Bus != nil {
		for _, r := range left {
			h.Bus.Unwant(r)
		}
	}
	return left
}

func (h *Hub) remove(m *Member) []Room {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed = true
	if len(m.rooms) == 0 {
		return nil
	}
	left := make([]Room, len(m.rooms))
	for i, ms := range m.rooms {
		left[i] = ms.room.address
		h.unseat(ms)
	}
	m.rooms = nil
	if m.shown {
		h.Watcher.Gone(m, left)
	}
	return left
}

// unseat frees the place of ms; the room's last member takes it, so leaving costs the same in a room of any size.
func (h *Hub) unseat(ms *membership) {
	rm := ms.room
	rm.mu.Lock()
	last := len(rm.members) - 1
	moved := rm.members[last]
	rm.members[ms.index] = moved
	moved.membership.index = ms.index
	rm.members[last] = seat{}
	rm.members = rm.members[:last]
	if last == 0 {
		rm.gone = true
	} else if cap(rm.members) > 64 && last < cap(rm.members)/4 {
		rm.members = slices.Clip(slices.Clone(rm.members)) // a room that was large once does not stay so
	}
	gone := rm.gone
	rm.mu.Unlock()
	if gone {
		h.forget(rm)
	}
}

// Contains reports whether m is in the room.
func (h *Hub) Contains(m *Member, r Room) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.indexLocked(r) >= 0
}

// Count returns how many members a room has.
func (h *Hub) Count(r Room) int {
	rm := h.find(r)
	if rm == nil {
		return 0
	}
	rm.mu.RLock()
	defer rm.mu.RUnlock()
	return len(rm.members)
}

// Members returns the members of a room, in no order that means anything.
func (h *Hub) Members(r Room) []*Member {
	rm := h.find(r)
	if rm == nil {
		return nil
	}
	rm.mu.RLock()
	defer rm.mu.RUnlock()
	members := make([]*Member, len(rm.members))
	for i := range rm.members {
		members[i] = rm.members[i].member
	}
	return members
}

// Rooms returns the addresses of all rooms of one kind that have members, in no order that means anything.
func (h *Hub) Rooms(kind Kind) []Room {
	var rooms []Room
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for r := range s.rooms {
			if r.Kind == kind {
				rooms = append(rooms, r)
			}
		}
		s.mu.RUnlock()
	}
	return rooms
}

// RefusedJoins returns how many joins were refused by MaxRoomsPerMember.
func (h *Hub) RefusedJoins() uint64 { return h.refused.Load() }

// Counts returns the number of rooms of each kind that have members, without those that sockets do not choose: their
// own and those of namespaces.
func (h *Hub) Counts() map[Kind]int {
	counts := make(map[Kind]int)
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for r := range s.rooms {
			if r.Kind != KindSocket && r.Kind != KindEverybody {
				counts[r.Kind]++
			}
		}
		s.mu.RUnlock()
	}
	return counts
}
