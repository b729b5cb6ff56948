package handlers

import (
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// Notification serves the plain WebSocket /notification. It is a [app.TextHandler].
//
// Both ways go messages {"type":...,"data":{...}}. A client gets what is published on user:<id> and on broadcast. What
// it sends itself, with the type event or notification, goes to the other connections of the same user, at every door.
type Notification struct {
	hub  RoomHub
	gate *ticketGate
}

func newNotification(h RoomHub, gate *ticketGate) *Notification {
	return &Notification{hub: h, gate: gate}
}

// Connect implements [app.TextHandler].
func (n *Notification) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	c := &notificationClient{notification: n}
	if err := n.gate.admit(&c.ticketClient, p, v, DoorNotification); err != nil {
		return nil, err
	}
	return c, nil
}

// notificationClient is one client of /notification.
type notificationClient struct {
	ticketClient
	notification *Notification
	userID       string // "" until it has proved who it is
}

// Text implements [app.TextSession].
func (c *notificationClient) Text(data []byte) {
	if c.userID == "" {
		id := c.prove(data, c.expiring)
		if id == nil {
			return
		}
		c.userID = id.UserID()
		c.notification.hub.Join(c.peer.Member(), accountRoom(c.userID))
		c.notification.hub.Join(c.peer.Member(), topicBroadcast)
		return
	}
	if id, was := c.renew(data); was {
		if id == nil {
			c.tell("renewal_refused", nil)
			return
		}
		c.tell("renewed", appendTime(nil, id.Expires()))
		return
	}
	m, ok := notificationMessage(data)
	if !ok {
		c.gate.counters.textIgnored.Add(1)
		return
	}
	c.notification.hub.Send(accountRoom(c.userID), m, c.peer.Member())
}

// Close implements [app.TextSession].
func (c *notificationClient) Close(string) { c.leave() }

func (c *notificationClient) expiring(expires time.Time) {
	c.tell("token_expiring", appendTime(nil, expires))
}

// tell sends something about the client's token, in the format of this route.
func (c *notificationClient) tell(what string, expires []byte) {
	b := append([]byte(`{"type":"event","data":{"type":"`), what...)
	b = append(b, '"')
	b = appendMember(b, "expiresAt", expires)
	c.peer.Send(append(b, "}}"...))
}

// notificationMessage returns what a client sends in the forms of all doors, and whether it has the route's format.
func notificationMessage(data []byte) (*hub.Message, bool) {
	if !json.Valid(data) {
		return nil, false
	}
	f, ok := fieldsOf(data, "type", "data")
	if !ok || len(f[1]) == 0 || f[1][0] != '{' {
		return nil, false
	}
	if kind, _ := stringValue(f[0]); kind != "event" && kind != "notification" {
		return nil, false
	}
	m, err := typedMessage(data)
	return m, err == nil
}
