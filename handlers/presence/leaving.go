package presence

import (
	"encoding/json"
	"slices"
	"sync"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// leaving knows the people whose nodes are leaving on purpose: they stay in lists until they have come back elsewhere,
// or it is clear that they do not. Its methods may be called from any goroutine.
type leaving struct {
	mu sync.RWMutex
	// mu guards the following.
	keys  map[string][]*leaver // by the key of their notices
	rooms map[string]map[*leaver]struct{}
	users map[string]map[string]int // connections by the id of users with a token, and by room
}

// TopicMembership is the topic of the notices that memberships of rooms leave behind.
const TopicMembership = "room"

// Membership is the body of such a notice: one connection in one room.
type Membership struct {
	// Run names the process the connection was at.
	Run string `json:"run"`
	// Room is the name of the room, byte for byte.
	Room     []byte          `json:"room"`
	UserID   json.RawMessage `json:"userId,omitempty"`
	UserName json.RawMessage `json:"userName,omitempty"`
	Verified bool            `json:"verified,omitempty"`
}

// leaver is one connection in one room, at a node that leaves.
type leaver struct {
	key, node, run, room string
	user                 app.RoomUser // without an id for who has not told it
}

func newLeaving() *leaving {
	return &leaving{
		keys: make(map[string][]*leaver), rooms: make(map[string]map[*leaver]struct{}), users: make(map[string]map[string]int),
	}
}

// add takes in the notices of a node, in place of those it had left before.
func (l *leaving) add(node string, notices []store.LeaveNotice) {
	list := make([]*leaver, 0, len(notices))
	for _, w := range notices {
		var body Membership
		if w.Topic != TopicMembership || json.Unmarshal(w.Body, &body) != nil {
			continue
		}
		list = append(list, &leaver{key: w.Key, node: node, run: body.Run, room: string(body.Room), user: app.RoomUser{
			UserID: body.UserID, Name: string(rawjson.AppendText(nil, body.UserName)), Connections: 1, Verified: body.Verified,
		}})
	}
	l.left(node)
	if len(list) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range list {
		l.keys[p.key] = append(l.keys[p.key], p)
		if l.rooms[p.room] == nil {
			l.rooms[p.room] = make(map[*leaver]struct{})
		}
		l.rooms[p.room][p] = struct{}{}
		if id, ok := p.userID(); ok {
			if l.users[id] == nil {
				l.users[id] = make(map[string]int)
			}
			l.users[id][p.room]++
		}
	}
}

// takenOver forgets one of those with a key: it is back.
func (l *leaving) takenOver(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if list := l.keys[key]; len(list) > 0 {
		l.removeLocked(list[0])
	}
}

// left forgets everybody who was at a node.
func (l *leaving) left(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, room := range l.rooms {
		for p := range room {
			if p.node == node {
				l.removeLocked(p)
			}
		}
	}
}

// removeLocked takes out somebody who is in.
func (l *leaving) removeLocked(p *leaver) {
	same := slices.DeleteFunc(l.keys[p.key], func(o *leaver) bool { return o == p })
	if len(same) == 0 {
		delete(l.keys, p.key)
	} else {
		l.keys[p.key] = same
	}
	delete(l.rooms[p.room], p)
	if len(l.rooms[p.room]) == 0 {
		delete(l.rooms, p.room)
	}
	if id, ok := p.userID(); ok {
		if l.users[id][p.room]--; l.users[id][p.room] == 0 {
			delete(l.users[id], p.room)
		}
		if len(l.users[id]) == 0 {
			delete(l.users, id)
		}
	}
}

// userID returns the id of a user with a token.
func (p *leaver) userID() (string, bool) {
	if !p.user.Verified {
		return "", false
	}
	return rawjson.Text(p.user.UserID)
}

// isOnline reports whether a user with a token is among them, in a room that the asker's token opens.
func (l *leaving) isOnline(userID string, asker *auth.Identity) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for room := range l.users[userID] {
		if asker.CanJoin(room) {
			return true
		}
	}
	return false
}

// inRoom returns who of them is in a room, by their processes.
func (l *leaving) inRoom(room string) []roomReport {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var reports []roomReport
	for p := range l.rooms[room] {
		i := slices.IndexFunc(reports, func(r roomReport) bool { return r.Run == p.run })
		if i < 0 {
			i = len(reports)
			reports = append(reports, roomReport{Run: p.run})
		}
		reports[i].add(p.user)
		reports[i].Connections++
	}
	return reports
}
