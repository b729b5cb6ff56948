// Package testkit stands in for doors, other nodes and Redis in tests of handlers: clients without connections, and nodes
// without a network.
package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"signalbox/handlers/gate"
	"signalbox/handlers/presence"
	"signalbox/handlers/publish"
	"signalbox/handlers/rooms"
	"signalbox/handlers/tap"
	"signalbox/handlers/ticketed"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// House is a hub with the handlers of all doors, and no network.
type House struct {
	t        testing.TB
	Hub      *hub.Hub
	History  store.History
	Tickets  *store.MemoryTickets
	Verifier *auth.Verifier
	clients  int

	Gate         *gate.Gate
	Presence     *presence.Presence
	Rooms        *rooms.Rooms
	Tap          *tap.Tap
	Demo         *ticketed.Demo
	Notification *ticketed.Notification
	UserStreams  publish.UserStreams
	Publisher    *publish.Publisher
}

const HouseSecret = "a secret that only the tests know"

// Options changes a [House] before its handlers are made.
type Options struct {
	Hub          *hub.Hub
	History      store.History
	Limits       store.HistoryLimits // by which a sender's share is bounded
	Tickets      store.Tickets
	RequireAuth  bool
	PingInterval time.Duration
	Nodes        hub.Nodes
	Run          string
	Notices      store.LeaveNotices
	Channels     publish.Channels
	Log          *slog.Logger
}

// New returns a house of which nobody else knows.
func New(t testing.TB, change ...func(*Options)) *House {
	t.Helper()
	history, err := store.NewMemoryHistory(store.HistoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(auth.Config{Secret: HouseSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	h := &House{t: t, Hub: hub.New(), History: history, Tickets: store.NewMemoryTickets(0, 0), Verifier: verifier}
	o := Options{
		Hub: h.Hub, History: history, Tickets: h.Tickets, Nodes: hub.Alone,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	h.Gate = gate.New(verifier, o.RequireAuth, o.Log)
	h.Presence = presence.New(o.Hub, o.Nodes, o.Run)
	h.Rooms = rooms.New(rooms.Options{
		Hub: o.Hub, History: o.History, Limits: o.Limits, Presence: h.Presence, Gate: h.Gate, Nodes: o.Nodes, Notices: o.Notices, Log: o.Log,
	})
	h.Tap = tap.New(tap.Options{Hub: o.Hub, Gate: h.Gate, Nodes: o.Nodes, Notices: o.Notices, Log: o.Log})
	tickets := ticketed.Options{
		Hub: o.Hub, Gate: h.Gate, Tickets: o.Tickets, Presence: h.Presence, PingInterval: o.PingInterval, Log: o.Log,
	}
	h.Demo, h.Notification = ticketed.NewDemo(tickets), ticketed.NewNotification(tickets)
	h.UserStreams = publish.UserStreams{Hub: o.Hub, Gate: h.Gate, Presence: h.Presence}
	h.Publisher = publish.New(o.Hub, o.Nodes, o.Channels)
	return h
}

// CarryOut does what a node has left behind, and returns how much of it could not be read.
func (h *House) CarryOut(node string, notices []store.LeaveNotice) int {
	return h.Presence.CarryOut(context.Background(), node, notices, map[string]func(body []byte) bool{
		presence.TopicMembership: h.Rooms.CarryOut, tap.TopicNotice: h.Tap.CarryOut,
	})
}

func RequireAuth(o *Options) { o.RequireAuth = true }

// Token returns a token of a user for an hour, with a name like Name-<user>.
func (h *House) Token(user string, change ...func(*auth.Claims)) string {
	return h.TokenFor(time.Hour, user, change...)
}

func (h *House) TokenFor(ttl time.Duration, user string, change ...func(*auth.Claims)) string {
	h.t.Helper()
	c := auth.Claims{UserID: user, Name: "Name-" + user}
	for _, f := range change {
		f(&c)
	}
	token, err := auth.Mint(HouseSecret, c, ttl)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func OnlyRooms(names ...string) func(*auth.Claims) {
	return func(c *auth.Claims) { c.Rooms = append([]string{}, names...) }
}
func Scope(words string) func(*auth.Claims) { return func(c *auth.Claims) { c.Scope = words } }

// Ticket returns a ticket of a user.
func (h *House) Ticket(user string) string {
	h.t.Helper()
	ticket, err := h.Tickets.Issue(context.Background(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	return ticket
}

// Status returns the HTTP status of a refusal, 0 for another error or none.
func Status(err error) int {
	var r *app.Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}

// Proved returns a client of /demo or /notification that has proved who it is.
func (h *House) Proved(d app.TextHandler, user string) *Texter {
	h.t.Helper()
	c := h.Text(d, h.Ticket(user))
	c.Say(`{"type":"jwt","token":"` + h.Token(user) + `"}`)
	c.Want("connection established", "authentication successfull")
	return c
}

func (h *House) Watch(room, token string) *Listener {
	h.t.Helper()
	return h.Stream(h.Rooms.Watch(), Visit(token, map[string]string{"room": room}, nil))
}

func (h *House) UserStream(user, token string) (*Listener, error) {
	return h.TryStream(h.UserStreams, Visit(token, map[string]string{"userId": user}, nil))
}

func (h *House) UserEvents(user string) *Listener {
	h.t.Helper()
	c, err := h.UserStream(user, h.Token(user))
	if err != nil {
		h.t.Fatalf("stream of %s: %v", user, err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// Online returns the connections of a user, of which nothing may be missing.
func (h *House) Online(userID string) []app.Place {
	h.t.Helper()
	places, complete := h.Presence.Online(context.Background(), userID)
	if !complete {
		h.t.Errorf("Online(%q) is not complete", userID)
	}
	return places
}

// Back returns a stream that comes with the id of the last record it got, and what it gets at once.
func (h *House) Back(lastID string) (*Listener, []string) {
	c := h.Stream(h.Tap.Stream(), Visit("", nil, map[string]string{"Last-Event-ID": lastID}))
	return c, c.Take()[1:]
}

// Leased returns a client of a namespace that asks for a token.
func (h *House) Leased(inner app.Handler, auth string) (*Chatter, error) {
	c := new(Chatter)
	c.chatSink = new(chatSink)
	c.Guest = h.Guest(func(g *Guest) hub.Sink { c.chatSink.guest = g; return c.chatSink })
	var err error
	c.Session, err = h.Gate.Require(inner).Connect(c, app.Handshake{
		Auth: json.RawMessage(auth), Header: func(string) string { return "" },
	})
	return c, err
}

// Expired returns a token of ann's that was good in 1970.
func Expired() string {
	claims := jwt.MapClaims{"sub": "ann", "exp": 1}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(HouseSecret))
	if err != nil {
		panic(err)
	}
	return token
}
