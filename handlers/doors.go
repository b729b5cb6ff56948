package handlers

import (
	"context"
	"log/slog"
	"time"

	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// RoomHub is what the handlers of the doors need of the hub; [hub.Hub] is one.
type RoomHub interface {
	Hub
	Members(r hub.Room) []*hub.Member
	Count(r hub.Room) int
	Rooms(kind hub.Kind) []hub.Room
}

// Verifier says whom a token speaks for; [auth.Verifier] is one.
type Verifier interface {
	Verify(token string) (*auth.Identity, error)
}

// DefaultPingInterval is how often clients of /demo and /notification are pinged.
const DefaultPingInterval = 5 * time.Second

// Channels are the publish channels of Redis, on which any program may listen.
type Channels interface {
	// Publish takes payload, which it keeps, to everybody who listens to channel, and reports false where it could not.
	// It never waits.
	Publish(channel string, payload []byte) bool
}

// DoorsOptions are what the handlers of the doors stand on. All but RequireAuth, PingInterval and what a cluster brings are
// needed.
type DoorsOptions struct {
	Hub      RoomHub
	History  store.History
	Tickets  store.Tickets
	Verifier Verifier
	// RequireAuth asks for a token on /ws, and for one with the scope tap on /tap and /events.
	RequireAuth bool
	// PingInterval is how long a client of /demo or /notification has to prove who it is; the door pings at the same
	// interval. 0: [DefaultPingInterval].
	PingInterval time.Duration
	Log          *slog.Logger

	// Nodes are the other nodes of a cluster; nil: there are none.
	Nodes hub.Nodes
	// Wills keeps what the others are to tell when this node dies; nil: nobody does.
	Wills store.Wills
	// Channels takes what is published to other programs; nil: there are none.
	Channels Channels
}

// Doors are the handlers behind every door but "/": they share the hub, so what comes in at one is seen at the others.
type Doors struct {
	// Rooms serves the namespace /chat, the plain WebSocket /ws and the streams of rooms.
	Rooms *Rooms
	// Tap serves the plain WebSocket /tap.
	Tap *Tap
	// Events serves the streams /events and those of users.
	Events *Events
	// Demo and Notification serve the plain WebSockets of these names.
	Demo         *Demo
	Notification *Notification
	// Publisher takes what backends publish.
	Publisher *Publisher
	// Presence answers who is where.
	Presence *Presence

	hub   RoomHub
	nodes hub.Nodes
	gate  gatekeeper
}

// NewDoors returns the handlers of the doors. They own no goroutine: what they have started ends with their clients, and what
// they remember of nodes that leave within a minute. They register with Nodes what they answer and are told.
func NewDoors(o DoorsOptions) *Doors {
	if o.PingInterval == 0 {
		o.PingInterval = DefaultPingInterval
	}
	if o.Nodes == nil {
		o.Nodes = hub.Alone
	}
	c := new(doorCounters)
	gate := gatekeeper{verifier: o.Verifier, required: o.RequireAuth, counters: c, log: o.Log}
	presence := NewPresence(o.Hub, o.Nodes)
	wills := roomWills{wills: o.Wills, run: presence.run}
	tap := newTap(o.Hub, o.Nodes, o.Wills, gate)
	lobby := newTicketGate(gate, o.Tickets, presence, o.PingInterval)
	d := &Doors{
		Rooms:        newRooms(o.Hub, o.History, presence, wills, o.Nodes, gate),
		Tap:          tap,
		Events:       newEvents(o.Hub, tap, presence, gate),
		Demo:         newDemo(o.Hub, lobby),
		Notification: newNotification(o.Hub, lobby),
		Publisher:    NewPublisher(o.Hub, o.Nodes, o.Channels),
		Presence:     presence,
		hub:          o.Hub,
		nodes:        o.Nodes,
		gate:         gate,
	}
	o.Nodes.OnAsk(topicRooms, func(_ context.Context, body []byte) []byte {
		return answerTo(body, func(q roomsQuestion) any { return d.roomsHere(q) })
	})
	return d
}

// Stats returns what was done so far. It may be called from any goroutine.
func (d *Doors) Stats() DoorStats { return d.gate.counters.stats() }
