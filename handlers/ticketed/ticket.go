// Package ticketed owns the plain WebSockets /demo and /notification, which let in who has a ticket and then a token.
package ticketed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"signalbox/handlers/gate"
	"signalbox/handlers/presence"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/store"
)

// ticketTimeout bounds asking the store for a ticket.
const ticketTimeout = 2 * time.Second

// Options are what the routes stand on. All but PingInterval are needed.
type Options struct {
	Hub      *hub.Hub
	Gate     *gate.Gate
	Tickets  store.Tickets
	Presence *presence.Presence
	Log      *slog.Logger
	// PingInterval is how long a client has to prove who it is; the door pings at the same interval. 0:
	// [DefaultPingInterval].
	PingInterval time.Duration
}

// DefaultPingInterval is how often clients are pinged.
const DefaultPingInterval = 5 * time.Second

// entrance lets clients in: by a ticket in the request, and then by a token in the first message, which has to be that of the
// ticket's user.
type entrance struct {
	Options
	ignored atomic.Uint64
}

func newEntrance(o Options) *entrance {
	if o.PingInterval == 0 {
		o.PingInterval = DefaultPingInterval
	}
	return &entrance{Options: o}
}

// admit lets a client in as far as its ticket goes, and gives it its time to prove who it is.
func (en *entrance) admit(c *client, p app.TextPeer, v app.Visit, door string) error {
	ctx, cancel := context.WithTimeout(context.Background(), ticketTimeout)
	defer cancel()
	userID, err := en.Tickets.User(ctx, v.Token)
	switch {
	case errors.Is(err, store.ErrNoTicket):
		en.Gate.CountRefused()
		return gate.ErrUnauthorized
	case err != nil:
		en.Log.Error("ticket not read", "error", err)
		return &app.Refusal{Status: http.StatusServiceUnavailable}
	}
	c.entrance, c.peer, c.door, c.ticketUser, c.addr = en, p, door, userID, v.RemoteAddr
	p.Send([]byte("connection established"))
	c.deadline = time.AfterFunc(en.PingInterval, c.late)
	return nil
}

// client is one client of /demo or /notification.
type client struct {
	// Static after construction.
	entrance   *entrance
	peer       app.TextPeer
	door       string
	ticketUser string
	addr       string
	deadline   *time.Timer // for proving who it is

	proved atomic.Bool

	// Owned by the goroutine that reads.
	lease *auth.Lease
}

// late cuts a client that has not proved who it is in time.
func (c *client) late() {
	if !c.proved.Load() {
		c.entrance.Gate.CountRefused()
		c.cut("not authenticated")
	}
}

// cut ends the connection. The log has the reason as well.
func (c *client) cut(reason string) {
	c.entrance.Gate.Cut(gate.Client{ID: c.peer.ID(), User: c.ticketUser, Addr: c.addr}, reason)
	c.peer.Close(app.ClosePolicy, reason)
}

// prove takes a message of a client that has not proved who it is, and returns its identity with {"type":"jwt","token":...}. A
// wrong token ends the connection. Any other message is ignored, as the program that is followed does: then there is none.
func (c *client) prove(data []byte, soon func(time.Time)) *auth.Identity {
	kind, raw := tokenMessage(data)
	if kind != "jwt" {
		return nil
	}
	token, _ := rawjson.Text(raw) // what is no text is no token
	id := c.identity(token)
	if id == nil {
		c.cut("authentication failed")
		return nil
	}
	c.proved.Store(true)
	c.deadline.Stop()
	c.entrance.Presence.Enter(c.peer.Member(), c.door, id.UserID(), id.Name(), func(bool) { c.cut("disconnected") })
	c.peer.Send([]byte("authentication successfull"))
	who := gate.Client{ID: c.peer.ID(), User: c.ticketUser, Addr: c.addr}
	c.lease = c.entrance.Gate.Watch(who, id, soon, func() { c.peer.Close(app.ClosePolicy, "token expired") })
	return id
}

func (c *client) identity(token string) *auth.Identity {
	id, err := c.entrance.Gate.Verify(token)
	if err != nil {
		return nil // counted there
	}
	if id.UserID() != c.ticketUser {
		c.entrance.Gate.CountRefused()
		return nil
	}
	return id
}

// renew takes a message {"type":"renew","token":...} of a client that has proved who it is. It reports whether the
// message was one, and returns the newer identity, nil where the token was refused.
func (c *client) renew(data []byte) (id *auth.Identity, was bool) {
	if !bytes.Contains(data, []byte(`"renew"`)) {
		return nil, false // most messages end here, unparsed
	}
	kind, raw := tokenMessage(data)
	token, ok := rawjson.Text(raw)
	if kind != "renew" || !ok {
		return nil, false
	}
	app.Charge(c.peer, app.WeightCostly)
	id, err := c.entrance.Gate.Renew(c.lease, token)
	if err != nil {
		return nil, true
	}
	c.entrance.Presence.Rename(c.peer.Member(), id.Name())
	return id, true
}

// leave ends what the client has started here.
func (c *client) leave() {
	c.deadline.Stop()
	gate.Stop(c.lease)
	c.entrance.Presence.Leave(c.peer.Member())
}

// tokenMessage reads {"type":<kind>,"token":...}; the kind is "" for any other message.
func tokenMessage(data []byte) (kind string, token json.RawMessage) {
	if rawjson.Check(data) != nil {
		return "", nil
	}
	f, ok := rawjson.Fields(data, "type", "token")
	if !ok {
		return "", nil
	}
	kind, _ = rawjson.Text(f[0])
	return kind, f[1]
}
