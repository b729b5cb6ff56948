package cluster

import (
	"strings"

	"signalbox/server/hub"
)

// rootNamespace and chatNamespace are the namespaces whose rooms have kinds.
const (
	rootNamespace = "/"
	chatNamespace = "/chat"
)

// accountPrefix is what Node's /chat calls the room of a user, before the id.
const accountPrefix = "user:"

// The letters that stand for the kinds of rooms on the wire.
var letters = [...]byte{
	hub.KindUser: 'u', hub.KindLobby: 'l', hub.KindRoom: 'r', hub.KindAccount: 'a',
	hub.KindTopic: 't', hub.KindNamespace: 'n', hub.KindSocket: 's',
}

// wireName returns the namespace in which Node servers would find a room, and what they call it there. Topics are for
// signalbox nodes alone: their namespace is "".
func wireName(r hub.Room) (namespace, name string) {
	switch r.Kind {
	case hub.KindUser, hub.KindLobby:
		return rootNamespace, r.Name
	case hub.KindRoom:
		return chatNamespace, r.Name
	case hub.KindAccount:
		return chatNamespace, accountPrefix + r.Name
	case hub.KindNamespace, hub.KindSocket:
		namespace, name, _ = strings.Cut(r.Name, "\x00")
		return namespace, name
	default:
		return "", r.Name
	}
}

// roomOf returns the room of one kind that a name on the wire means, and whether there can be one.
func roomOf(namespace, name string, letter byte) (hub.Room, bool) {
	switch letter {
	case 'u':
		return hub.Room{Kind: hub.KindUser, Name: name}, true
	case 'l':
		return hub.Room{Kind: hub.KindLobby, Name: name}, true
	case 'r':
		return hub.Room{Kind: hub.KindRoom, Name: name}, true
	case 'a':
		id, ok := strings.CutPrefix(name, accountPrefix)
		return hub.Room{Kind: hub.KindAccount, Name: id}, ok
	case 't':
		return hub.Room{Kind: hub.KindTopic, Name: name}, true
	case 'n', 'b': // b: what earlier versions wrote where a name may be a room or a socket
		return hub.NamespaceRoom(namespace, name), true
	case 's':
		return hub.SocketRoom(namespace, name), true
	default:
		return hub.Room{}, false
	}
}

// appendRooms appends every room that a server without kinds may mean by a name: whom it keeps in its room 42 it would
// reach as user 42, in the chat room 42, and in a room that a program joined or by the socket id.
func appendRooms(rooms []hub.Room, namespace, name string) []hub.Room {
	switch namespace {
	case rootNamespace:
		rooms = append(rooms, hub.Room{Kind: hub.KindUser, Name: name}, hub.Room{Kind: hub.KindLobby, Name: name})
	case chatNamespace:
		rooms = append(rooms, hub.Room{Kind: hub.KindRoom, Name: name})
		if id, ok := strings.CutPrefix(name, accountPrefix); ok {
			rooms = append(rooms, hub.Room{Kind: hub.KindAccount, Name: id})
		}
	}
	return append(rooms, hub.NamespaceRoom(namespace, name))
}

// appendNames appends what rooms are called on the wire, and the letters of their kinds.
func appendNames(names []string, kinds []byte, rooms []hub.Room) ([]string, []byte) {
	for _, r := range rooms {
		_, name := wireName(r)
		names, kinds = append(names, name), append(kinds, letters[r.Kind])
	}
	return names, kinds
}

// appendKinded appends the rooms of names whose kinds are known, a letter for each name, and reports whether all of them
// could be.
func appendKinded(rooms []hub.Room, namespace string, names []string, kinds string) ([]hub.Room, bool) {
	if len(names) != len(kinds) {
		return rooms, false
	}
	for i, name := range names {
		r, ok := roomOf(namespace, name, kinds[i])
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
	h = (h ^ uint64(letters[r.Kind])) * 1099511628211
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
