package redis

import (
	"fmt"
	"strconv"

	"signalbox/store"
)

// seqDigits is how many digits a place in the order of login has: microseconds until the year 2286.
const seqDigits = 16

// A user's place in the order of login as Redis has given it. Two values say that none is known.
const (
	seqNone   int64 = 0  // Redis never heard of the user
	seqUnsure int64 = -1 // Redis may have: it did not answer
)

func formatSeq(seq int64) string {
	if seq <= 0 {
		return ""
	}
	return fmt.Sprintf("%0*d", seqDigits, seq)
}

func parseSeq(text string) (int64, error) {
	if len(text) != seqDigits {
		return 0, fmt.Errorf("%w: %d digits in a place", errReply, len(text))
	}
	seq, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seq <= 0 {
		return 0, fmt.Errorf("%w: a place that is no number", errReply)
	}
	return seq, nil
}

// recordOf reads what the key ids has of an id: seq node room name.
func recordOf(id, text string) (u store.User, ok bool) {
	if len(text) < seqDigits {
		return store.User{}, false
	}
	_, rest, ok := unsized(text[seqDigits:])
	if !ok {
		return store.User{}, false
	}
	room, name, ok := unsized(rest)
	return store.User{ID: id, Name: name, Room: room}, ok
}

// lexRange returns the ends of the members of a sorted set by bytes that begin with prefix. Behind each of our prefixes comes
// a digit, so nothing that begins with it is beyond a byte of 255.
func lexRange(prefix string) (from, to string) { return "[" + prefix, "[" + prefix + "\xff" }

// placeOf reads a member of the key rooms, of which the prefix, the room, is cut off already: seq name id.
func placeOf(room, text string) (u store.User, ok bool) {
	if len(text) < seqDigits {
		return store.User{}, false
	}
	name, id, ok := unsized(text[seqDigits:])
	return store.User{ID: id, Name: name, Room: room}, ok
}

// ownedOf reads a member of the key owners, of which the prefix, the node, is cut off already: room name id.
func ownedOf(text string) (u store.User, ok bool) {
	room, rest, ok := unsized(text)
	if !ok {
		return store.User{}, false
	}
	name, id, ok := unsized(rest)
	return store.User{ID: id, Name: name, Room: room}, ok
}
