package api

import (
	"context"
	"slices"

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

// listRooms serves GET /api/rooms: rooms with somebody in them, by kind and name, in pages.
func (a *API) listRooms(ctx context.Context, q query) (any, error) {
	if err := q.check("kind", "prefix", "limit", "cursor"); err != nil {
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
	found, more, complete := a.cfg.Presence.ListRooms(ctx, kinds, q.get("prefix"), after, limit)
	next := ""
	if more && len(found) > 0 {
		next = cursorAt(found[len(found)-1].Room)
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
