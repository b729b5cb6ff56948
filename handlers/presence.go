package handlers

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"signalbox/server/hub"
)

// Doors as [Place] names them.
const (
	DoorBroker       = "broker"       // Socket.IO, "/": who joined with this id
	DoorChat         = "chat"         // Socket.IO, /chat
	DoorText         = "ws"           // plain WebSocket, /ws
	DoorDemo         = "demo"         // plain WebSocket, /demo
	DoorNotification = "notification" // plain WebSocket, /notification
	DoorEvents       = "events"       // a stream: /events/user/:userId or /events/room/:room
)

// Presence knows who is connected to this process, whichever door they came through. A client of /ws that has not said
// who it is is not among them. Its methods may be called from any goroutine.
type Presence struct {
	// Static after construction.
	hub RoomHub

	mu sync.RWMutex
	// mu guards the following.
	people map[*hub.Member]*person
	users  map[string][]*person // by user id: those whose token says so
}

// person is one connection of somebody.
type person struct {
	// Static after construction.
	member *hub.Member
	door   string
	since  time.Time
	end    func() // ends the connection; nil where nothing proves whose it is
	proven bool   // a token says who it is

	// Guarded by Presence.mu.
	userID   string
	userJSON json.RawMessage // the id in its own JSON type; nil: not told yet
	name     string
	index    int // in users[userID]
}

// NewPresence returns a presence in which nobody is.
func NewPresence(h RoomHub) *Presence {
	return &Presence{hub: h, people: make(map[*hub.Member]*person), users: make(map[string][]*person)}
}

// enter adds a connection whose token names a user.
func (p *Presence) enter(m *hub.Member, door, userID, name string, end func()) {
	c := &person{member: m, door: door, since: time.Now(), end: end, proven: true,
		userID: userID, userJSON: jsonText(userID), name: name}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people[m] = c
	c.index = len(p.users[userID])
	p.users[userID] = append(p.users[userID], c)
}

// guest adds or renames a connection that only says who it is; a nil id is not even that.
func (p *Presence) guest(m *hub.Member, door string, userJSON json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.people[m]
	if c == nil {
		c = &person{member: m, door: door, since: time.Now()}
		p.people[m] = c
	}
	c.userJSON = userJSON
	c.userID = string(appendJSString(nil, userJSON))
	c.name = c.userID
}

// rename changes what a user is called, after a renewal.
func (p *Presence) rename(m *hub.Member, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.people[m]; c != nil {
		c.name = name
	}
}

// leave takes a connection out. One that is not there is no error.
func (p *Presence) leave(m *hub.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.people[m]
	if c == nil {
		return
	}
	delete(p.people, m)
	if !c.proven {
		return
	}
	list := p.users[c.userID]
	last := len(list) - 1
	list[c.index] = list[last]
	list[c.index].index = c.index
	list[last] = nil
	if last == 0 {
		delete(p.users, c.userID)
		return
	}
	p.users[c.userID] = list[:last]
}

// Place is one connection of a user.
type Place struct {
	// Door is one of the constants above.
	Door string `json:"door"`
	// ClientID is the Socket.IO socket id, or the id that the door made up.
	ClientID string `json:"clientId"`
	// Since is when it came; nil for the broker, which does not keep it.
	Since *time.Time `json:"since,omitempty"`
	// Rooms are the names of the rooms of /chat and /ws it is in.
	Rooms []string `json:"rooms"`
	// Verified tells that a token names the user. On an open server the broker takes everybody's word.
	Verified bool `json:"verified"`
}

// Online returns the connections of a user; none: the user is not online. Those who only say that they are the user,
// without a token, are listed for the broker alone, where nothing else is asked of them on an open server.
func (p *Presence) Online(userID string) []Place {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	places := make([]Place, 0, len(list))
	for _, c := range list {
		since := c.since
		places = append(places, Place{Door: c.door, ClientID: c.member.ID(), Since: &since, Rooms: roomNames(c.member), Verified: true})
	}
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		places = append(places, Place{Door: DoorBroker, ClientID: m.ID(), Rooms: []string{}})
	}
	slices.SortFunc(places, func(a, b Place) int {
		return strings.Compare(a.Door+a.ClientID, b.Door+b.ClientID)
	})
	return places
}

// IsOnline reports whether a user has a connection. It costs less than Online.
func (p *Presence) IsOnline(userID string) bool {
	p.mu.RLock()
	_, ok := p.users[userID]
	p.mu.RUnlock()
	return ok || p.hub.Count(hub.Room{Kind: hub.KindUser, Name: userID}) > 0
}

func roomNames(m *hub.Member) []string {
	names := []string{}
	for _, r := range m.Rooms() {
		if r.Kind == hub.KindRoom {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}

// RoomUser is somebody in a room of /chat and /ws.
type RoomUser struct {
	// UserID has the JSON type that the client gave it: a token's is text.
	UserID json.RawMessage `json:"userId"`
	Name   string          `json:"userName"`
	// Connections is how many sockets of the user are in the room.
	Connections int `json:"connections"`
	// Verified tells that a token names the user; a /ws client without one may call itself anything.
	Verified bool `json:"verified"`
}

// RoomUsers returns who is in a room, each once, in the order of their ids, and how many are there without having said
// who they are. Watchers of the room's stream are not in it.
func (p *Presence) RoomUsers(room string) (users []RoomUser, nameless int) {
	members := p.hub.Members(hub.Room{Kind: hub.KindRoom, Name: room})
	type key struct {
		id       string
		verified bool
	}
	index := make(map[key]int)
	users = []RoomUser{}
	p.mu.RLock()
	for _, m := range members {
		c := p.people[m]
		switch {
		case c == nil || c.userJSON == nil:
			nameless++
			continue
		case c.door == DoorEvents:
			continue
		}
		k := key{string(c.userJSON), c.proven}
		i, ok := index[k]
		if !ok {
			i = len(users)
			index[k] = i
			users = append(users, RoomUser{UserID: c.userJSON, Name: c.name, Verified: c.proven})
		}
		users[i].Connections++
	}
	p.mu.RUnlock()
	slices.SortFunc(users, func(a, b RoomUser) int { return strings.Compare(string(a.UserID), string(b.UserID)) })
	return users, nameless
}

// Disconnect ends every connection of a user, those of the broker among them, and returns how many it were. Without
// closeConnection a Socket.IO client only leaves the namespace in which it is that user, and keeps its others.
func (p *Presence) Disconnect(userID string, closeConnection bool) int {
	p.mu.RLock()
	list := slices.Clone(p.users[userID])
	p.mu.RUnlock()
	for _, c := range list {
		if !disconnect(c.member, closeConnection) {
			c.end()
		}
	}
	n := len(list)
	for _, m := range p.hub.Members(hub.Room{Kind: hub.KindUser, Name: userID}) {
		if disconnect(m, closeConnection) {
			n++
		}
	}
	return n
}

// disconnect tells a Socket.IO client to go, and reports whether the member is one.
func disconnect(m *hub.Member, closeConnection bool) bool {
	d, ok := m.Sink().(interface{ Disconnect(closeConnection bool) })
	if ok {
		d.Disconnect(closeConnection)
	}
	return ok
}
