package api

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"signalbox/server/hub"
)

// listedKinds are the kinds of rooms in the order in which they are listed.
var listedKinds = []hub.Kind{hub.KindLobby, hub.KindRoom, hub.KindUser, hub.KindAccount, hub.KindTopic, hub.KindNamespace}

const (
	defaultRoomLimit = 100
	maxRoomLimit     = 1000
)

// room is one room in the answer of GET /api/rooms.
type room struct {
	Kind string `json:"kind"`
	// Namespace is where POST /api/emit reaches it; empty for a topic, which publishing reaches.
	Namespace string `json:"namespace,omitempty"`
	Room      string `json:"room"`
	// Members is how many connections are in it, by whichever door.
	Members int `json:"members"`
}

// listRooms serves GET /api/rooms: rooms with somebody in them, by kind and name. What it costs grows with the rooms
// there are on all nodes, whatever the limit.
func (a *API) listRooms(c *gin.Context) (any, error) {
	q, err := queryOf(c, "kind", "prefix", "limit", "cursor")
	if err != nil {
		return nil, err
	}
	kinds, err := q.kinds("kind", listedKinds, hub.KindLobby, hub.KindRoom)
	if err != nil {
		return nil, err
	}
	limit, err := q.number("limit", defaultRoomLimit, maxRoomLimit)
	if err != nil {
		return nil, err
	}
	after, err := parseCursor(q.get("cursor"))
	if err != nil {
		return nil, err
	}
	found, complete := a.cfg.Presence.ListRooms(c.Request.Context(), kinds, q.get("prefix"))
	found = slices.DeleteFunc(found, func(r hub.RoomCount) bool {
		_, name := r.Room.Place()
		return !slices.Contains(kinds, r.Room.Kind) || !strings.HasPrefix(name, q.get("prefix")) || !after.before(r.Room)
	})
	slices.SortFunc(found, func(a, b hub.RoomCount) int {
		return cmp.Or(cmp.Compare(rank(a.Room.Kind), rank(b.Room.Kind)), cmp.Compare(a.Room.Name, b.Room.Name))
	})
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = cursorAt(found[limit-1].Room)
	}
	rooms := make([]room, len(found))
	for i, r := range found {
		namespace, name := r.Room.Place()
		rooms[i] = room{Kind: r.Room.Kind.String(), Namespace: namespace, Room: name, Members: r.Members}
	}
	return struct {
		Rooms   []room `json:"rooms"`
		Next    string `json:"next,omitempty"`
		Partial bool   `json:"partial,omitempty"`
	}{rooms, next, !complete}, nil
}

func rank(k hub.Kind) int { return slices.Index(listedKinds, k) }
