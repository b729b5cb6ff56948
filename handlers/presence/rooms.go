package presence

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"signalbox/server/hub"
)

// topicRooms asks a node which rooms it has.
const topicRooms = "rooms.list"

// roomsQuestion asks for rooms of some kinds; the prefix is that of their names, byte for byte.
type roomsQuestion struct {
	Kinds  []int  `json:"kinds"`
	Prefix []byte `json:"prefix"`
}

// roomsAnswer is the rooms of one kind at one node, and how many members each has there.
type roomsAnswer struct {
	Kind    hub.Kind `json:"kind"`
	Names   [][]byte `json:"names"`
	Members []int    `json:"members"`
}

// ListRooms returns the rooms of some kinds that have members on any node, each once, by kind and name. The prefix is that
// of a room's own name: of one that the Socket.IO library joined, without the namespace. complete is false where a node of
// the cluster has not answered in time. What it costs grows with the rooms there are.
func (p *Presence) ListRooms(ctx context.Context, kinds []hub.Kind, prefix string) (rooms []hub.RoomCount, complete bool) {
	counts := make(map[hub.Room]int)
	question := roomsQuestion{Prefix: []byte(prefix)}
	for _, k := range kinds {
		question.Kinds = append(question.Kinds, int(k))
	}
	for _, part := range p.roomsHere(question) {
		part.sum(counts)
	}
	complete = hub.Ask(ctx, p.nodes, topicRooms, question, func(parts []roomsAnswer) {
		for _, part := range parts {
			part.sum(counts)
		}
	})
	rooms = make([]hub.RoomCount, 0, len(counts))
	for r, n := range counts {
		rooms = append(rooms, hub.RoomCount{Room: r, Members: n})
	}
	slices.SortFunc(rooms, func(a, b hub.RoomCount) int {
		return cmp.Or(cmp.Compare(a.Room.Kind, b.Room.Kind), strings.Compare(a.Room.Name, b.Room.Name))
	})
	return rooms, complete
}

func (p *Presence) roomsHere(q roomsQuestion) []roomsAnswer {
	parts := make([]roomsAnswer, 0, len(q.Kinds))
	for _, k := range q.Kinds {
		part := roomsAnswer{Kind: hub.Kind(k)}
		for _, r := range p.hub.Rooms(part.Kind) {
			if _, name := r.Place(); !strings.HasPrefix(name, string(q.Prefix)) {
				continue
			}
			if n := p.hub.Count(r); n > 0 { // else everybody has just left
				part.Names, part.Members = append(part.Names, []byte(r.Name)), append(part.Members, n)
			}
		}
		parts = append(parts, part)
	}
	return parts
}

// sum adds the rooms to counts.
func (a *roomsAnswer) sum(counts map[hub.Room]int) {
	for i := range min(len(a.Names), len(a.Members)) {
		counts[hub.Room{Kind: a.Kind, Name: string(a.Names[i])}] += a.Members[i]
	}
}
