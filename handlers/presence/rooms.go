package presence

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"signalbox/server/hub"
)

// topicRooms asks a node for a page of the rooms it has.
const topicRooms = "rooms.page"

// roomsQuestion asks for up to Limit rooms of some kinds, in their order and by name, behind one of them. Names and the prefix of
// names go byte for byte.
type roomsQuestion struct {
	Kinds  []int    `json:"kinds"`
	Prefix []byte   `json:"prefix"`
	After  *roomRef `json:"after,omitempty"`
	Limit  int      `json:"limit"`
}

type roomRef struct {
	Kind hub.Kind `json:"kind"`
	Name []byte   `json:"name"`
}

// roomsAnswer is a page of one node's rooms. More: it has others behind the last one.
type roomsAnswer struct {
	Rooms []roomCount `json:"rooms"`
	More  bool        `json:"more,omitempty"`
}

type roomCount struct {
	roomRef
	Members int `json:"members"`
}

func (r roomRef) room() hub.Room { return hub.Room{Kind: r.Kind, Name: string(r.Name)} }

// ListRooms returns up to limit of the rooms of some kinds that have members on any node, each once, in the order of kinds and
// by name, behind the room after, if there is one. more tells that there are others behind them. The prefix is that of a
// room's own name: of one that the Socket.IO library joined, without the namespace. complete is false where a node of the
// cluster has not answered in time. What it costs each node grows with the rooms it has, but not what it answers.
func (p *Presence) ListRooms(
	ctx context.Context, kinds []hub.Kind, prefix string, after *hub.Room, limit int,
) (rooms []hub.RoomCount, more, complete bool) {
	question := roomsQuestion{Prefix: []byte(prefix), Limit: limit}
	for _, k := range kinds {
		question.Kinds = append(question.Kinds, int(k))
	}
	if after != nil {
		question.After = &roomRef{after.Kind, []byte(after.Name)}
	}
	counts := make(map[hub.Room]int)
	var end *hub.Room // of a node's page: behind it that has more, of which nothing is known yet
	take := func(a roomsAnswer) {
		for _, r := range a.Rooms {
			counts[r.room()] += max(r.Members, 0)
		}
		if n := len(a.Rooms); n > 0 && a.More {
			if last := a.Rooms[n-1].room(); end == nil || question.compare(last, *end) < 0 {
				end = &last
			}
		}
	}
	take(p.roomsHere(question))
	complete = hub.Ask(ctx, p.nodes, topicRooms, question, take)
	rooms = make([]hub.RoomCount, 0, len(counts))
	for r, n := range counts {
		if end == nil || question.compare(r, *end) <= 0 {
			rooms = append(rooms, hub.RoomCount{Room: r, Members: n})
		}
	}
	slices.SortFunc(rooms, func(a, b hub.RoomCount) int { return question.compare(a.Room, b.Room) })
	more = end != nil
	if len(rooms) > limit {
		rooms, more = rooms[:limit], true
	}
	return rooms, more, complete
}

func (p *Presence) roomsHere(q roomsQuestion) roomsAnswer {
	if q.Limit < 1 || q.Limit > MaxPage {
		q.Limit = MaxPage
	}
	var found []hub.Room
	for _, k := range q.Kinds {
		for _, r := range p.hub.Rooms(hub.Kind(k)) {
			if _, name := r.Place(); !strings.HasPrefix(name, string(q.Prefix)) || q.After != nil && q.compare(r, q.After.room()) <= 0 {
				continue
			}
			found = append(found, r)
		}
	}
	slices.SortFunc(found, q.compare)
	a := roomsAnswer{Rooms: []roomCount{}}
	size := 0
	for _, r := range found {
		n := p.hub.Count(r)
		if n == 0 {
			continue // everybody has just left
		}
		size += len(r.Name)*4/3 + 64 // base64, and the names of the members
		if len(a.Rooms) == q.Limit || size > pageBytes && len(a.Rooms) > 0 {
			a.More = true
			break
		}
		a.Rooms = append(a.Rooms, roomCount{roomRef{r.Kind, []byte(r.Name)}, n})
	}
	return a
}

// compare says which of two rooms comes first.
func (q *roomsQuestion) compare(a, b hub.Room) int {
	return cmp.Or(
		cmp.Compare(slices.Index(q.Kinds, int(a.Kind)), slices.Index(q.Kinds, int(b.Kind))), strings.Compare(a.Name, b.Name))
}

// topicAway asks a node who of a room is away.
const topicAway = "room.away"

// AwayIn returns the ids of the connections in a room that were cut and may come back, on all nodes.
func (p *Presence) AwayIn(ctx context.Context, room hub.Room) (ids []string, complete bool) {
	ids = p.hub.AwayIn(room)
	complete = hub.Ask(ctx, p.nodes, topicAway, roomRef{room.Kind, []byte(room.Name)}, func(more []string) { ids = append(ids, more...) })
	return ids, complete
}
