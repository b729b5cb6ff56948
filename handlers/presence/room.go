package presence

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// pageBytes bounds the users, or rooms, in one node's answer: with the rest of it that is less than [hub.MaxAnswerBytes].
const pageBytes = 192 << 10

// MaxPage is the most users, or rooms, in a page.
const MaxPage = 1000

// RoomPage is some of those who are in a room, in the order of their ids.
type RoomPage struct {
	Users []app.RoomUser
	// Nameless counts the connections in the room of those who have not said who they are, and Connections all.
	Nameless, Connections int
	// Next is the cursor of the next page; "": there is none.
	Next string
}

// RoomUsers returns everybody in a room, page by page, see [Presence.RoomPage].
func (p *Presence) RoomUsers(ctx context.Context, room string) (users []app.RoomUser, nameless int, complete bool) {
	users, complete = []app.RoomUser{}, true
	for cursor := ""; ; {
		page, all := p.RoomPage(ctx, room, cursor, MaxPage)
		users, nameless, complete = append(users, page.Users...), page.Nameless, complete && all
		if cursor = page.Next; cursor == "" {
			return users, nameless, complete
		}
		if ctx.Err() != nil {
			return users, nameless, false
		}
	}
}

// RoomPage returns up to limit of those who are in a room, each once, who come behind a cursor; "" is the start. Watchers of the
// room's stream are not in it. Who is at a node that leaves is in it until it has come back elsewhere, or does not. complete is
// false where a node of the cluster has not answered in time.
//
// All nodes are asked for each page. Of a large room an answer is given again for a second.
func (p *Presence) RoomPage(ctx context.Context, room, cursor string, limit int) (page RoomPage, complete bool) {
	q := roomQuestion{Room: []byte(room), After: []byte(cursor), Limit: limit}
	address := hub.Room{Kind: hub.KindRoom, Name: room}
	if p.hub.Count(address) < largeRoom && !p.shared.isLarge(room) {
		if page, complete = p.askRoom(ctx, q); page.Connections >= largeRoom {
			p.shared.setLarge(room)
		}
		return page, complete
	}
	return p.shared.get(ctx, pageKey{room, cursor, limit}, func(ctx context.Context) (RoomPage, bool) { return p.askRoom(ctx, q) })
}

func (p *Presence) askRoom(ctx context.Context, q roomQuestion) (page RoomPage, complete bool) {
	reports := []roomReport{p.roomHere(q)}
	complete = hub.Ask(ctx, p.nodes, topicRoomPage, q, func(r roomReport) { reports = append(reports, r) })
	for _, was := range p.leaving.inRoom(string(q.Room)) {
		was.Users = slices.DeleteFunc(was.Users, func(u app.RoomUser) bool { return userKey(u) <= string(q.After) })
		i := slices.IndexFunc(reports, func(r roomReport) bool { return r.Run == was.Run })
		if i < 0 {
			reports = append(reports, was)
		} else {
			reports[i].atLeast(was) // it still answers, and has not seen off everybody
		}
	}
	sum, end := reports[0], ""
	for i, r := range reports {
		if i > 0 {
			sum.merge(r)
		}
		// Behind the end of one node's page it has more, of which nothing is known yet.
		if r.Next != "" && (end == "" || r.Next < end) {
			end = r.Next
		}
	}
	sum.sort()
	page = RoomPage{Users: sum.Users, Nameless: sum.Nameless, Connections: sum.Connections}
	if end != "" {
		page.Users = slices.DeleteFunc(page.Users, func(u app.RoomUser) bool { return userKey(u) > end })
		page.Next = end
	}
	if len(page.Users) > q.Limit {
		page.Users = page.Users[:q.Limit:q.Limit]
		page.Next = userKey(page.Users[q.Limit-1])
	}
	return page, complete
}

// userKey is the place of a user in pages: by the id, and who has proved it before who has not.
func userKey(u app.RoomUser) string {
	if u.Verified {
		return string(u.UserID) + "+"
	}
	return string(u.UserID) + "-"
}

// roomQuestion asks a node for up to Limit of those in a room behind After, a [userKey]. Text goes byte for byte.
type roomQuestion struct {
	Room  []byte `json:"room"`
	After []byte `json:"after"`
	Limit int    `json:"limit"`
}

// roomReport is who is in a room at one process.
type roomReport struct {
	Run      string         `json:"run"`
	Users    []app.RoomUser `json:"users"`
	Nameless int            `json:"nameless"`
	// Connections are all in the room, whatever page was asked for.
	Connections int `json:"connections"`
	// Next is where the page ends; "": it has all that there are.
	Next string `json:"next,omitempty"`

	index map[roomUserKey]int // of Users; nil until it is needed
}

type roomUserKey struct {
	id       string
	verified bool
}

// roomHere returns a page of who is in a room at this process. That of a large room is made of who was there up to a second ago.
func (p *Presence) roomHere(q roomQuestion) roomReport {
	if q.Limit < 1 || q.Limit > MaxPage {
		q.Limit = MaxPage
	}
	all := p.shared.report(string(q.Room), p.everybodyIn)
	r := roomReport{Run: p.run, Nameless: all.Nameless, Connections: all.Connections, Users: []app.RoomUser{}}
	first, found := slices.BinarySearchFunc(all.Users, string(q.After), func(u app.RoomUser, after string) int {
		return strings.Compare(userKey(u), after)
	})
	if found {
		first++
	}
	size := 0
	for i, u := range all.Users[first:] {
		text, _ := rawjson.Marshal(u) // of texts and numbers
		size += len(text) + 1
		if i == q.Limit || i > 0 && size > pageBytes {
			r.Next = userKey(r.Users[i-1])
			break
		}
		r.Users = append(r.Users, u)
	}
	return r
}

// everybodyIn returns all who are in a room at this process.
func (p *Presence) everybodyIn(room string) roomReport {
	var r roomReport
	members := p.hub.Members(hub.Room{Kind: hub.KindRoom, Name: room})
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, m := range members {
		u := app.RoomUser{Connections: 1, Away: m.Away()}
		if c := p.people[m]; c != nil {
			if c.door == DoorEvents {
				continue
			}
			u.UserID, u.Name, u.Verified = c.userJSON, c.name, c.proven
		}
		r.add(u)
		r.Connections++
	}
	r.sort()
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
		r.Users[i].Away = r.Users[i].Away && u.Away
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
	r.Connections += o.Connections
}

func (r *roomReport) sort() {
	slices.SortFunc(r.Users, func(a, b app.RoomUser) int { return strings.Compare(userKey(a), userKey(b)) })
	r.index = nil
}

// atLeast adds what o has more of than r, of the same process.
func (r *roomReport) atLeast(o roomReport) {
	for _, u := range o.Users {
		if i, ok := r.find(u); ok {
			r.Users[i].Connections = max(r.Users[i].Connections, u.Connections)
			r.Users[i].Away = r.Users[i].Away && u.Away
		} else {
			r.add(u)
		}
	}
	r.Nameless, r.Connections = max(r.Nameless, o.Nameless), max(r.Connections, o.Connections)
}
