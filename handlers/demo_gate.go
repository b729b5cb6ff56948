package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/store"
)

// ticketTimeout bounds asking the store for a ticket.
const ticketTimeout = 2 * time.Second

// ticketGate lets clients in to /demo and /notification: by a ticket in the request, and then by a token in the first
// message, which has to be that of the ticket's user.
type ticketGate struct {
	gatekeeper
	tickets  store.Tickets
	presence *Presence
	deadline *beat // for the first message
}

func newTicketGate(g gatekeeper, tickets store.Tickets, p *Presence, patience time.Duration) *ticketGate {
	return &ticketGate{gatekeeper: g, tickets: tickets, presence: p, deadline: newBeat(patience)}
}

// admit lets a client in as far as its ticket goes, and gives it its time to prove who it is.
func (g *ticketGate) admit(c *ticketClient, p app.TextPeer, v app.Visit, door string) error {
	ctx, cancel := context.WithTimeout(context.Background(), ticketTimeout)
	defer cancel()
	userID, err := g.tickets.User(ctx, v.Token)
	switch {
	case errors.Is(err, store.ErrNoTicket):
		g.counters.unauthorized.Add(1)
		return errUnauthorized
	case err != nil:
		g.log.Error("ticket not read", "error", err)
		return &app.Refusal{Status: http.StatusServiceUnavailable}
	}
	c.gate, c.peer, c.door, c.ticketUser = g, p, door, userID
	p.Send([]byte("connection established"))
	g.deadline.add(&c.wait, c)
	return nil
}

// ticketClient is one client of /demo or /notification.
type ticketClient struct {
	// Static after construction.
	gate       *ticketGate
	peer       app.TextPeer
	door       string
	ticketUser string

	proved atomic.Bool
	wait   beatEntry // in gate.deadline, until it has proved who it is

	// Owned by the goroutine that reads.
	lease *auth.Lease
}

// beat cuts a client that has not proved who it is in time.
func (c *ticketClient) beat() bool {
	if !c.proved.Load() {
		c.gate.counters.unauthorized.Add(1)
		c.peer.Close(app.ClosePolicy, "not authenticated")
	}
	return false
}

// prove takes the first message, {"type":"jwt","token":...}, and returns the client's identity. Anything else ends the
// connection: then it returns nil.
func (c *ticketClient) prove(data []byte, soon func(time.Time)) *auth.Identity {
	id := c.identity(data)
	if id == nil {
		c.peer.Close(app.ClosePolicy, "authentication failed")
		return nil
	}
	c.proved.Store(true)
	c.gate.deadline.remove(&c.wait)
	c.gate.presence.enter(c.peer.Member(), c.door, id.UserID(), id.Name(), func() { c.peer.Close(app.ClosePolicy, "disconnected") })
	c.peer.Send([]byte("authentication successfull"))
	c.lease = c.gate.watch(id, soon, func() { c.peer.Close(app.ClosePolicy, "token expired") })
	return id
}

func (c *ticketClient) identity(data []byte) *auth.Identity {
	token, ok := tokenMessage(data, "jwt")
	if !ok {
		c.gate.counters.unauthorized.Add(1)
		return nil
	}
	id, err := c.gate.verify(token)
	if err != nil {
		return nil // counted there
	}
	if id.UserID() != c.ticketUser {
		c.gate.counters.unauthorized.Add(1)
		return nil
	}
	return id
}

// renew takes a message {"type":"renew","token":...} of a client that has proved who it is. It reports whether the
// message was one, and returns the newer identity, nil where the token was refused.
func (c *ticketClient) renew(data []byte) (id *auth.Identity, was bool) {
	if !bytes.Contains(data, []byte(`"renew"`)) {
		return nil, false // most messages end here, unparsed
	}
	token, ok := tokenMessage(data, "renew")
	if !ok {
		return nil, false
	}
	id, err := c.gate.gatekeeper.renew(c.lease, token)
	if err != nil {
		return nil, true
	}
	c.gate.presence.rename(c.peer.Member(), id.Name())
	return id, true
}

// leave ends what the client has started here.
func (c *ticketClient) leave() {
	c.gate.deadline.remove(&c.wait)
	stopLease(c.lease)
	c.gate.presence.leave(c.peer.Member())
}

// tokenMessage returns the token of a message {"type":<kind>,"token":<text>}, and whether it is one.
func tokenMessage(data []byte, kind string) (string, bool) {
	if !json.Valid(data) {
		return "", false
	}
	f, ok := fieldsOf(data, "type", "token")
	if !ok {
		return "", false
	}
	if got, _ := stringValue(f[0]); got != kind {
		return "", false
	}
	return stringValue(f[1])
}
