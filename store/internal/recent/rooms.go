// Package recent holds the newest messages of many rooms in memory, within bounds: it is the whole of the history in
// memory, and the cache and the write queue of the history on disk.
//
// It knows neither locks nor disks. Whoever uses it holds a lock of their own around every call, and pins what has
// not been written elsewhere yet.
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

	idle  list.List[*Room[T]] // rooms that may be dropped; the one that waited longest for a message is in front
	dirty list.List[*Room[T]] // rooms with pinned messages, in the same order

	messages    int
	bytes       int64
	pinned      int
	pinnedBytes int64
	evicted     uint64
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

// Pinned returns the number of pinned messages and their bytes.
func (rs *Rooms[T]) Pinned() (int, int64) { return rs.pinned, rs.pinnedBytes }

// Evicted returns how many rooms were dropped for the bound on all rooms.
func (rs *Rooms[T]) Evicted() uint64 { return rs.evicted }

// Get returns the room, or nil where nothing of it is held.
func (rs *Rooms[T]) Get(name string) *Room[T] { return rs.byName[name] }

// Ensure returns the room and makes an empty one where there is none. The caller must append to it or hold it before
// anything else is called.
func (rs *Rooms[T]) Ensure(name string) *Room[T] {
	if r := rs.byName[name]; r != nil {
		return r
	}
	r := &Room[T]{Name: strings.Clone(name)} // a name may be a piece of a large message
	r.place.Value = r
	rs.byName[r.Name] = r
	rs.bytes += roomBytes + int64(len(r.Name))
	rs.place(r)
	return r
}

// Append adds the newest message of a room. A pinned one stays until [Rooms.Unpin], whatever the limits say.
func (rs *Rooms[T]) Append(r *Room[T], e Entry, pin bool) {
	r.pushBack(e)
	size := e.Bytes()
	r.bytes += size
	rs.bytes += size
	rs.messages++
	if pin {
		r.pinned++
		rs.pinned++
		rs.pinnedBytes += size
	}
	rs.trim(r)
	rs.touch(r)
	rs.evict(r)
}

// Prepend puts older messages before the oldest one held, as many of the newest of them as the limits leave room for.
// The entries are in their order, and the last one's position is just before [Room.First].
func (rs *Rooms[T]) Prepend(r *Room[T], older []Entry) {
	for i := len(older) - 1; i >= 0; i-- {
		size := older[i].Bytes()
		if r.n >= rs.limits.RoomMessages || r.bytes+size > rs.limits.RoomBytes {
			break
		}
		r.pushFront(older[i])
		r.first--
		r.bytes += size
		rs.bytes += size
		rs.messages++
	}
	rs.evict(r)
}

// Shift adds by to every position of the room.
func (rs *Rooms[T]) Shift(r *Room[T], by uint64) { r.first += by }

// Unpin lets go of the pinned messages before position end.
func (rs *Rooms[T]) Unpin(r *Room[T], end uint64) {
	keep := 0
	if next := r.Next(); end < next {
		keep = int(next - end)
	}
	for r.pinned > keep {
		rs.pinnedBytes -= r.at(r.n - r.pinned).Bytes()
		r.pinned--
		rs.pinned--
	}
	rs.trim(r)
	rs.place(r)
	rs.evict(nil)
}

// Dirty calls yield for every room with pinned messages, the one that waited longest for a message first. yield may
// hold the room and change nothing else.
func (rs *Rooms[T]) Dirty(yield func(*Room[T])) {
	for r := range rs.dirty.All() {
		yield(r)
	}
}

// OldestDirty returns the room with pinned messages that has waited longest for another one, or nil.
func (rs *Rooms[T]) OldestDirty() *Room[T] { return rs.dirty.First() }

// Hold keeps the room itself (not its unpinned messages) until as many calls of [Rooms.Release].
func (rs *Rooms[T]) Hold(r *Room[T]) {
	r.holds++
	rs.place(r)
}

// Release ends one Hold.
func (rs *Rooms[T]) Release(r *Room[T]) {
	r.holds--
	rs.place(r)
	rs.evict(nil)
}

// Drop forgets a room that is neither held nor pinned, and reports whether it did.
func (rs *Rooms[T]) Drop(r *Room[T]) bool {
	if r.in != &rs.idle {
		return false
	}
	r.move(nil)
	delete(rs.byName, r.Name)
	rs.messages -= r.n
	rs.bytes -= r.bytes + roomBytes + int64(len(r.Name))
	return true
}

// place puts a room on the list its state asks for.
func (rs *Rooms[T]) place(r *Room[T]) {
	if want := rs.listFor(r); r.in != want {
		r.move(want)
	}
}

// touch makes the room the last one of its list.
func (rs *Rooms[T]) touch(r *Room[T]) { r.move(rs.listFor(r)) }

func (rs *Rooms[T]) listFor(r *Room[T]) *list.List[*Room[T]] {
	switch {
	case r.pinned > 0:
		return &rs.dirty
	case r.holds == 0:
		return &rs.idle
	}
	return nil
}

// trim drops the oldest messages of a room that is over its bounds.
func (rs *Rooms[T]) trim(r *Room[T]) {
	for r.n > r.pinned && (r.n > rs.limits.RoomMessages || r.bytes > rs.limits.RoomBytes) {
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
		r := rs.idle.First()
		if r == nil || r == keep {
			return
		}
		rs.Drop(r)
		rs.evicted++
	}
}
