package recent

import "signalbox/store/internal/list"

// Room holds the newest messages of one room. Its methods read; what changes a room goes through [Rooms].
//
// Each message has a position: the count of the messages before it. Positions of a room have no gaps.
type Room[T any] struct {
	Name string
	// Data belongs to the user of the package.
	Data T

	ring
	first uint64 // position of the oldest entry held
	bytes int64
	place list.Item[*Room[T]] // among the rooms by age
}

// Len returns the number of messages held.
func (r *Room[T]) Len() int { return r.n }

// First returns the position of the oldest message held.
func (r *Room[T]) First() uint64 { return r.first }

// Next returns the position the next message will have.
func (r *Room[T]) Next() uint64 { return r.first + uint64(r.n) }

// Range returns the positions from (included) and to (not included) of the limit messages before position end; fewer
// where fewer are held.
func (r *Room[T]) Range(end uint64, limit int) (from, to uint64) {
	to = max(r.first, min(end, r.Next()))
	return to - min(to-r.first, uint64(max(0, limit))), to
}

// At returns the message at a position that is held. It is valid until the room is changed.
func (r *Room[T]) At(position uint64) *Entry { return r.at(int(position - r.first)) }

// FindID returns the position of the newest message with that id, and whether there is one.
func (r *Room[T]) FindID(id string) (uint64, bool) {
	for i := r.n - 1; i >= 0; i-- {
		if r.at(i).ID == id {
			return r.first + uint64(i), true
		}
	}
	return 0, false
}

// FindTime returns the position behind the newest message older than milli, and whether there is one.
func (r *Room[T]) FindTime(milli int64) (uint64, bool) {
	for i := r.n - 1; i >= 0; i-- {
		if r.at(i).Milli < milli {
			return r.first + uint64(i) + 1, true
		}
	}
	return 0, false
}
