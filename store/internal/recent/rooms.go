// Package recent holds the newest messages of many rooms in memory, within bounds: it is the whole of the history in
// memory, and what a server of a cluster remembers of its own messages.
//
// It knows no locks: whoever uses it holds a lock of their own around every call.
package recent

import (
	"strings"

	"signalbox/store/internal/list"
)

// roomBytes is what a room costs beside its name and messages: the struct, its place in the map, the smallest ring.
const roomBytes = 400

// Limits bound what is held. All must be above zero.
type Limits struct {
	RoomMessages int   // in one room
	RoomBytes    int64 // in one room
	Messages     int   // in all rooms
	Bytes        int64 // in all rooms, names and overhead included
}

// Rooms is a set of rooms. It is not safe for concurrent use. T is what its user keeps with each room.
type Rooms[T any] struct {
	limits Limits
	byName map[string]*Room[T]

	byAge list.List[*Room[T]] // the one that waited longest for a message is in front

	messages int
	bytes    int64
	evicted  uint64
}

// New returns an empty set of rooms.
func New[T any](limits Limits) *Rooms[T] {
	return &Rooms[T]{limits: limits, byName: make(map[string]*Room[T])}
}

// Len returns the number of rooms held.
func (rs *Rooms[T]) Len() int { return len(rs.byName) }

// Messages returns the number of messages held.
func (rs *Rooms[T]) Messages() int { return rs.messages }

// Bytes returns what the rooms and messages held count for against the limits.
func (rs *Rooms[T]) Bytes() int64 { return rs.bytes }

// Evicted returns how many rooms were dropped for the bound on all rooms.
func (rs *Rooms[T]) Evicted() uint64 { return rs.evicted }

// Get returns the room, or nil where nothing of it is held.
func (rs *Rooms[T]) Get(name string) *Room[T] { return rs.byName[name] }

// Ensure returns the room and makes an empty one where there is none. The caller must append to it before anything else
// is called.
func (rs *Rooms[T]) Ensure(name string) *Room[T] {
	if r := rs.byName[name]; r != nil {
		return r
	}
	r := &Room[T]{Name: strings.Clone(name)} // a name may be a piece of a large message
	r.place.Value = r
	rs.byName[r.Name] = r
	rs.bytes += roomBytes + int64(len(r.Name))
	rs.byAge.Push(&r.place)
	return r
}

// Append adds the newest message of a room.
func (rs *Rooms[T]) Append(r *Room[T], e Entry) {
	r.pushBack(e)
	size := e.Bytes()
	r.bytes += size
	rs.bytes += size
	rs.messages++
	rs.trim(r)
	rs.byAge.Remove(&r.place)
	rs.byAge.Push(&r.place)
	rs.evict(r)
}

// trim drops the oldest messages of a room that is over its bounds.
func (rs *Rooms[T]) trim(r *Room[T]) {
	for r.n > 0 && (r.n > rs.limits.RoomMessages || r.bytes > rs.limits.RoomBytes) {
		e := r.popFront()
		r.first++
		size := e.Bytes()
		r.bytes -= size
		rs.bytes -= size
		rs.messages--
	}
}

// evict drops whole rooms while there is too much in all, but not keep.
func (rs *Rooms[T]) evict(keep *Room[T]) {
	for rs.messages > rs.limits.Messages || rs.bytes > rs.limits.Bytes {
		r := rs.byAge.First()
		if r == keep {
			return
		}
		rs.byAge.Remove(&r.place)
		delete(rs.byName, r.Name)
		rs.messages -= r.n
		rs.bytes -= r.bytes + roomBytes + int64(len(r.Name))
		rs.evicted++
	}
}
