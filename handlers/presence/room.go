package presence

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// RoomUsers returns who is in a room, each once, in the order of their ids, and how many are there without having said
// who they are. Watchers of the room's stream are not in it. Who is at a node that leaves is in it until it has come back
// elsewhere, or does not. complete is false where a node of the cluster has not answered in time.
func (p *Presence) RoomUsers(ctx context.Context, room string) (users []app.RoomUser, nameless int, complete bool) {
	reports := []roomReport{p.roomHere(room)}
	complete = hub.Ask(ctx, p.nodes, topicRoom, roomQuestion{[]byte(room)}, func(r roomReport) { reports = append(reports, r) })
	for _, was := range p.leaving.inRoom(room) {
		i := slices.IndexFunc(reports, func(r roomReport) bool { return r.Run == was.Run })
		if i < 0 {
			reports = append(reports, was)
		} else {
			reports[i].atLeast(was) // it still answers, and has not seen off everybody
		}
	}
	sum := reports[0]
	for _, r := range reports[1:] {
		sum.merge(r)
	}
	slices.SortFunc(sum.Users, func(a, b app.RoomUser) int {
		if c := bytes.Compare(a.UserID, b.UserID); c != 0 || a.Verified == b.Verified {
			return c
		}
		if a.Verified {
			return -1
		}
		return 1
	})
	return sum.Users, sum.Nameless, complete
}

// roomQuestion asks a node who is in a room.
type roomQuestion struct {
	Room []byte `json:"room"` // byte for byte
}

// roomReport is who is in a room at one process.
type roomReport struct {
	Run      string         `json:"run"`
	Users    []app.RoomUser `json:"users"`
	Nameless int            `json:"nameless"`

	index map[roomUserKey]int // of Users; nil until it is needed
}

type roomUserKey struct {
	id       string
	verified bool
}

// roomHere returns who is in a room at this process.
func (p *Presence) roomHere(room string) roomReport {
	r := roomReport{Run: p.run, Users: []app.RoomUser{}}
	members := p.hub.Members(hub.Room{Kind: hub.KindRoom, Name: room})
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, m := range members {
		u := app.RoomUser{Connections: 1}
		if c := p.people[m]; c != nil {
			if c.door == DoorEvents {
				continue
			}
			u.UserID, u.Name, u.Verified = c.userJSON, c.name, c.proven
		}
		r.add(u)
	}
	return r
}

// Occupies returns who the member of a room is, nil where that is not known, and whether it is in the room at all rather
// than watching.
func (p *Presence) Occupies(m *hub.Member) (userID, userName json.RawMessage, is bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := p.people[m]
	switch {
	case c == nil || c.userJSON == nil:
		return nil, nil, true
	case c.door == DoorEvents:
		return nil, nil, false
	}
	return c.userJSON, rawjson.String(c.name), true
}

// add counts some more connections; those of nobody known are nameless.
func (r *roomReport) add(u app.RoomUser) {
	if u.UserID == nil {
		r.Nameless += u.Connections
		return
	}
	i, ok := r.find(u)
	if ok {
		r.Users[i].Connections += u.Connections
		return
	}
	r.index[roomUserKey{string(u.UserID), u.Verified}] = len(r.Users)
	r.Users = append(r.Users, u)
}

func (r *roomReport) find(u app.RoomUser) (int, bool) {
	if r.index == nil {
		r.index = make(map[roomUserKey]int, len(r.Users))
		for i, o := range r.Users {
			r.index[roomUserKey{string(o.UserID), o.Verified}] = i
		}
	}
	i, ok := r.index[roomUserKey{string(u.UserID), u.Verified}]
	return i, ok
}

// merge adds what another process reports.
func (r *roomReport) merge(o roomReport) {
	for _, u := range o.Users {
		r.add(u)
	}
	r.Nameless += o.Nameless
}

// atLeast adds what o has more of than r, of the same process.
func (r *roomReport) atLeast(o roomReport) {
	for _, u := range o.Users {
		if i, ok := r.find(u); ok {
			r.Users[i].Connections = max(r.Users[i].Connections, u.Connections)
		} else {
			r.add(u)
		}
	}
	r.Nameless = max(r.Nameless, o.Nameless)
}
