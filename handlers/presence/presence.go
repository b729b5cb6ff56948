// Package presence knows who is connected, whichever door they came through, and which rooms there are: at this node by
// itself, at the others by asking them.
package presence

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// Doors as [app.Place] names them.
const (
	DoorBroker       = "broker"       // Socket.IO, "/": who joined with this id
	DoorChat         = "chat"         // Socket.IO, /chat
	DoorText         = "ws"           // plain WebSocket, /ws
	DoorDemo         = "demo"         // plain WebSocket, /demo
	DoorNotification = "notification" // plain WebSocket, /notification
	DoorEvents       = "events"       // a stream: /events/user/:userId or /events/room/:room
)

// Presence knows who is connected, whichever door they came through: to this process by itself, and to the other nodes of
// a cluster by asking them. A client of /ws that has not said who it is is not among them. Its methods may be called from
// any goroutine.
type Presence struct {
	// Static after construction.
	hub     *hub.Hub
	nodes   hub.Nodes
	run     string // names this process among the nodes
	leaving *leaving
	shared  shared

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
	end    func(closeConnection bool) // ends the connection; nil where nothing proves whose it is
	proven bool                       // a token says who it is

	// Guarded by Presence.mu.
	userID   string
	userJSON json.RawMessage // the id in its own JSON type; nil: not told yet
	name     string
	index    int // in users[userID]
	offline  bool
}

// New returns a presence in which nobody is. It answers the other nodes: each has one. run names this process among them.
func New(h *hub.Hub, nodes hub.Nodes, run string) *Presence {
	p := &Presence{
		hub: h, nodes: nodes, run: run, leaving: newLeaving(),
		people: make(map[*hub.Member]*person), users: make(map[string][]*person),
	}
	p.answer()
	return p
}

// Enter adds a connection whose token names a user. end has it go: a Socket.IO client whose connection is not to be closed leaves
// its namespace only.
func (p *Presence) Enter(m *hub.Member, door, userID, name string, end func(closeConnection bool)) {
	c := &person{member: m, door: door, since: time.Now(), end: end, proven: true,
		userID: userID, userJSON: rawjson.String(userID), name: name}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.people[m] = c
	c.index = len(p.users[userID])
	p.users[userID] = append(p.users[userID], c)
}

// Guest adds or renames a connection that only says who it is; a nil id is not even that.
func (p *Presence) Guest(m *hub.Member, door string, userJSON json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.people[m]
	if c == nil {
		c = &person{member: m, door: door, since: time.Now()}
		p.people[m] = c
	}
	c.userJSON = userJSON
	c.userID = string(rawjson.AppendText(nil, userJSON))
	c.name = c.userID
}

// Rename changes what a user is called, after a renewal.
func (p *Presence) Rename(m *hub.Member, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.people[m]; c != nil {
		c.name = name
	}
}

// Leave takes a connection out. One that is not there is no error.
func (p *Presence) Leave(m *hub.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goOfflineLocked(p.people[m])
	delete(p.people, m)
}

// GoOffline has a connection not counted as one of its user's any more. In its rooms it is known until it leaves.
func (p *Presence) GoOffline(m *hub.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.goOfflineLocked(p.people[m])
}

func (p *Presence) goOfflineLocked(c *person) {
	if c == nil || !c.proven || c.offline {
		return
	}
	c.offline = true
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

// disconnect tells a Socket.IO client to go, and reports whether the member is one.
func disconnect(m *hub.Member, closeConnection bool) bool {
	p, ok := m.Sink().(app.Peer)
	if ok {
		p.Disconnect(closeConnection)
	}
	return ok
}

// Run names this process among the nodes, in what it leaves behind.
func (p *Presence) Run() string { return p.run }

// RoomNames returns the names of the rooms of /chat and /ws that a member is in, in their order.
func RoomNames(m *hub.Member) []string {
	names := []string{}
	for _, r := range m.Rooms() {
		if r.Kind == hub.KindRoom {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names
}
