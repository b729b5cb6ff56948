package cluster

import (
	"encoding/base64"
	"encoding/hex"
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

// appendKinded appends the rooms of names whose kinds are known, a letter for each name, and reports whether all of
// them could be.
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

// socketIDLength and prefixLength are those of the ids that signalbox nodes give to sockets: all of a node's begin
// alike, so one pattern takes what is for any of them.
const (
	socketIDLength = hub.SocketIDLength
	prefixLength   = 4
)

// SocketPrefix returns what the ids of all sockets of this node begin with.
func (c *Cluster) SocketPrefix() string { return c.socketPrefix }

// NodeOf returns the other node that has given an id to a socket or a session, and where it can be reached; "": it is
// not known, or it is gone.
func (c *Cluster) NodeOf(id string) (node, url string) {
	if len(id) != socketIDLength {
		return "", ""
	}
	return c.members.reach(id[:prefixLength])
}

// Knows reports whether another node is one of the cluster.
func (c *Cluster) Knows(node string) bool {
	c.members.mu.Lock()
	defer c.members.mu.Unlock()
	_, known := c.members.heard[node]
	return known
}

// socketPrefix makes a prefix of a node's id.
func socketPrefix(node string) string {
	raw, _ := hex.DecodeString(node[:6]) // hex digits: see Options
	return base64.RawURLEncoding.EncodeToString(raw)
}

// isSocketHere reports whether a name has the form of the id of a socket of this node: whether the pattern takes it.
func (c *Cluster) isSocketHere(name string) bool {
	return len(name) == socketIDLength && strings.HasPrefix(name, c.socketPrefix)
}

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
