package cluster

import (
	"strings"

	"signalbox/server/hub"
)

// rootNamespace is where a message without an event goes, which has no namespace.
const rootNamespace = "/"

// appendNames appends what rooms are called on the wire, and the letters of their kinds.
func (c *Cluster) appendNames(names []string, kinds []byte, rooms []hub.Room) ([]string, []byte) {
	for _, r := range rooms {
		_, name := c.names.Of(r)
		names, kinds = append(names, name), append(kinds, r.Kind.Letter())
	}
	return names, kinds
}

// appendKinded appends the rooms of names whose kinds are known, a letter for each name, and reports whether all of them
// could be.
func (c *Cluster) appendKinded(rooms []hub.Room, namespace string, names []string, kinds string) ([]hub.Room, bool) {
	if len(names) != len(kinds) {
		return rooms, false
	}
	for i, name := range names {
		r, ok := c.names.Room(namespace, name, kinds[i])
		if !ok {
			return rooms, false
		}
		rooms = append(rooms, r)
	}
	return rooms, true
}

// slots is how many parts the addresses of rooms are divided into: a node tells the others in which of them it has
// somebody. What that takes does not grow with the rooms.
const slots = 8192

// slotOf returns the part that a room is in. Every node must come to the same: it is FNV-1a.
func slotOf(r hub.Room) uint16 {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(r.Kind.Letter())) * 1099511628211
	for i := range len(r.Name) {
		h = (h ^ uint64(r.Name[i])) * 1099511628211
	}
	h ^= h >> 32
	return uint16(h % slots)
}

// bitmap is a set of slots.
type bitmap [slots / 64]uint64

func (b *bitmap) has(slot uint16) bool { return b[slot/64]&(1<<(slot%64)) != 0 }
func (b *bitmap) set(slot uint16)      { b[slot/64] |= 1 << (slot % 64) }
func (b *bitmap) clear(slot uint16)    { b[slot/64] &^= 1 << (slot % 64) }

// escapeGlob returns text as a pattern of Redis that fits nothing else.
func escapeGlob(text string) string {
	if !strings.ContainsAny(text, `*?[]\`) {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`*?[]\`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
