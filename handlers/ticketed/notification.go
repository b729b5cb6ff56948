package ticketed

import (
	"time"

	"signalbox/handlers/message"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// Notification serves the plain WebSocket /notification. It is a [app.TextHandler].
//
// Both ways go messages {"type":...,"data":{...}}. A client gets what is published on user:<id> and on broadcast. What
// it sends itself, with the type event or notification, goes to the other connections of the same user, at every door.
type Notification struct{ entrance *entrance }

// NewNotification returns the handler of /notification.
func NewNotification(o Options) *Notification { return &Notification{newEntrance(o)} }

// Ignored returns how many messages were not of the route's format. It may be called from any goroutine.
func (n *Notification) Ignored() uint64 { return n.entrance.ignored.Load() }

// Connect implements [app.TextHandler].
func (n *Notification) Connect(p app.TextPeer, v app.Visit) (app.TextSession, error) {
	c := new(notificationClient)
	if err := n.entrance.admit(&c.client, p, v, presence.DoorNotification); err != nil {
		return nil, err
	}
	return c, nil
}

// notificationClient is one client of /notification.
type notificationClient struct {
	client
	userID string // "" until it has proved who it is
}

// Text implements [app.TextSession].
func (c *notificationClient) Text(data []byte) {
	if c.userID == "" {
		id := c.prove(data, c.expiring)
		if id == nil {
			return
		}
		c.userID = id.UserID()
		c.entrance.Hub.Join(c.peer.Member(), message.Account(c.userID))
		c.entrance.Hub.Join(c.peer.Member(), message.Broadcast)
		return
	}
	if id, was := c.renew(data); was {
		if id == nil {
			c.tell("renewal_refused", nil)
			return
		}
		c.tell("renewed", message.AppendTime(nil, id.Expires()))
		return
	}
	m, ok := notificationMessage(data)
	if !ok {
		c.entrance.ignored.Add(1)
		return
	}
	c.entrance.Hub.Send(message.Account(c.userID), m, c.peer.Member())
}

// Close implements [app.TextSession].
func (c *notificationClient) Close(string) { c.leave() }

func (c *notificationClient) expiring(expires time.Time) {
	c.tell("token_expiring", message.AppendTime(nil, expires))
}

// tell sends something about the client's token, in the format of this route.
func (c *notificationClient) tell(what string, expires []byte) {
	b := append([]byte(`{"type":"event","data":{"type":"`), what...)
	b = append(b, '"')
	b = message.AppendMember(b, "expiresAt", expires)
	c.peer.Send(append(b, "}}"...))
}

// notificationMessage returns what a client sends in the forms of all doors, and whether it has the route's format.
func notificationMessage(data []byte) (*hub.Message, bool) {
	if rawjson.Check(data) != nil {
		return nil, false
	}
	f, ok := rawjson.Fields(data, "type", "data")
	if !ok || len(f[1]) == 0 || f[1][0] != '{' {
		return nil, false
	}
	if kind, _ := rawjson.Text(f[0]); kind != "event" && kind != "notification" {
		return nil, false
	}
	m, err := message.Typed(data)
	return m, err == nil
}
