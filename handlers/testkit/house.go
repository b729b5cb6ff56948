// Package testkit stands in for doors, other nodes and Redis in tests of handlers: clients without connections, and nodes
// without a network.
package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"signalbox/handlers/gate"
	"signalbox/handlers/message"
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

// Guest is a client without a connection. What it gets lands in a list, one line each.
type Guest struct {
	house  *House
	id     string
	member *hub.Member

	mu    sync.Mutex
	Lines []string
	gone  bool

	Charged float64 // what the client's messages cost beside the 1 of each
}

// Charge implements [app.Charger].
func (g *Guest) Charge(weight float64) { g.Charged += weight }

func (h *House) Guest(sink func(*Guest) hub.Sink) *Guest {
	h.clients++
	g := &Guest{house: h, id: fmt.Sprintf("client-%d", h.clients)}
	g.member = hub.NewMember(g.id, sink(g))
	return g
}

func (g *Guest) ID() string          { return g.id }
func (g *Guest) Member() *hub.Member { return g.member }

func (g *Guest) Closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

func (g *Guest) add(line string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return false
	}
	g.Lines = append(g.Lines, line)
	return true
}

func (g *Guest) end(line string) {
	if g.add(line) {
		g.mu.Lock()
		g.gone = true
		g.mu.Unlock()
	}
}

// Take returns the lines since the last take.
func (g *Guest) Take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := g.Lines
	g.Lines = nil
	return lines
}

var (
	UuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	isoPattern  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	MsPattern   = regexp.MustCompile(`\b1[5-9]\d{11}\b|\b[2-4]\d{12}\b|\b946684\d{6,7}\b`)
	idPattern   = regexp.MustCompile(`id: [0-9a-z]+-`)
)

// Want fails unless the client got exactly these lines since the last look. UUIDs, ISO times, milliseconds and the run in
// a record's id are written UUID, ISO, MS and RUN.
func (g *Guest) Want(lines ...string) {
	g.house.t.Helper()
	got := g.Take()
	for i := range got {
		got[i] = UuidPattern.ReplaceAllString(got[i], "UUID")
		got[i] = isoPattern.ReplaceAllString(got[i], "ISO")
		got[i] = MsPattern.ReplaceAllString(got[i], "MS")
		got[i] = idPattern.ReplaceAllString(got[i], "id: RUN-")
	}
	if !slices.Equal(got, lines) {
		g.house.t.Errorf("%s got\n\t%s\nwant\n\t%s", g.id, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// WantNothing fails if one of the clients got anything.
func WantNothing(clients ...interface{ Want(...string) }) {
	for _, c := range clients {
		c.Want()
	}
}

// Chatter is a client of /chat.
type Chatter struct {
	*Guest
	*chatSink
	Session app.Session
}

// chatSink gets what is delivered to a chatter, and can keep it back.
type chatSink struct {
	guest *Guest

	mu sync.Mutex
	// mu guards the following.
	holding bool
	held    []*hub.Message
	skip    func(id string) bool
	until   time.Time // when skip is forgotten
}

func (s *chatSink) Deliver(m *hub.Message) bool {
	if m.Namespace != message.ChatNamespace || m.Event == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		s.held = append(s.held, copied(m))
		return true
	}
	return s.deliverLocked(m)
}

func (s *chatSink) deliverLocked(m *hub.Message) bool {
	if m.ID != "" && s.skip != nil && time.Now().Before(s.until) && s.skip(m.ID) {
		return true
	}
	return s.guest.add(line(m.Event, m.Args))
}

func (s *chatSink) DeferDelivery() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		panic("held twice")
	}
	s.holding = true
}

func (s *chatSink) ResumeDelivery(skip func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holding {
		panic("released without a hold")
	}
	s.holding, s.skip, s.until = false, skip, time.Now().Add(app.DeferGrace)
	for _, m := range s.held {
		s.deliverLocked(m)
	}
	s.held = nil
}

func line(event string, args []json.RawMessage) string {
	for _, a := range args {
		event += " " + string(a)
	}
	return event
}

func (c *Chatter) Namespace() string { return message.ChatNamespace }
func (c *Chatter) Emit(event string, args ...any) error {
	if !c.add(line(event, marshal(args))) {
		return errors.New("gone")
	}
	return nil
}
func (c *Chatter) Disconnect(closeConnection bool) {
	c.end(fmt.Sprintf("disconnect %v", closeConnection))
}
func (c *Chatter) Answer(_ string, args ...any) { c.add(line("ack", marshal(args))) }

func (h *House) TryChat(auth string, header ...string) (*Chatter, error) {
	c := &Chatter{chatSink: new(chatSink)}
	c.Guest = h.Guest(func(g *Guest) hub.Sink { c.chatSink.guest = g; return c.chatSink })
	var err error
	c.Session, err = h.Rooms.Chat().Connect(c, app.Handshake{
		Auth:   json.RawMessage(auth),
		Query:  func(string) string { return "" },
		Header: func(name string) string { return strings.Join(header, "") },
	})
	return c, err
}

func (h *House) Chat(token string) *Chatter {
	h.t.Helper()
	c, err := h.TryChat(`{"token":"` + token + `"}`)
	if err != nil {
		h.t.Fatalf("Connect to /chat = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// Say delivers an event without a callback, ask one with. The buffers of the arguments are used again afterwards.
func (c *Chatter) Say(event string, args ...string) { c.event(app.Acker{}, event, args) }
func (c *Chatter) Ask(event string, args ...string) { c.event(app.NewAcker(c, "1"), event, args) }

func (c *Chatter) event(ack app.Acker, event string, args []string) {
	e := &app.Event{Name: event, Ack: ack}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	c.Session.Event(e)
	for _, a := range e.Args {
		Scribble(a)
	}
}

func Scribble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// Leave ends the connection; again it does nothing.
func (c *Chatter) Leave() { c.LeaveWith("transport close") }
func (c *Chatter) LeaveWith(reason string) {
	if c.Session != nil {
		c.Session.Close(reason)
		c.Session = nil
		c.house.Hub.Remove(c.member)
	}
}

// Texter is a client of a plain WebSocket.
type Texter struct {
	*Guest
	Session app.TextSession
}

type textSink struct{ *Guest }

func (s textSink) Deliver(m *hub.Message) bool { return m.Text != nil && s.add(string(m.Text)) }

func (c *Texter) Send(text []byte) bool { return c.add(string(text)) }
func (c *Texter) Close(code app.CloseCode, reason string) {
	c.end(fmt.Sprintf("close %d %s", code, reason))
}

func Visit(token string, params map[string]string, header map[string]string) app.Visit {
	return app.Visit{
		Handshake: app.Handshake{
			Auth: json.RawMessage("{}"),
			Query: func(name string) string {
				if name == "token" {
					return token
				}
				return ""
			},
			Header: func(name string) string { return header[name] },
		},
		Param: func(name string) string { return params[name] },
		Token: token,
	}
}

func (h *House) TryText(d app.TextHandler, token string) (*Texter, error) {
	c := new(Texter)
	c.Guest = h.Guest(func(g *Guest) hub.Sink { return textSink{g} })
	var err error
	c.Session, err = d.Connect(c, Visit(token, nil, nil))
	return c, err
}

func (h *House) Text(d app.TextHandler, token string) *Texter {
	h.t.Helper()
	c, err := h.TryText(d, token)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// WS returns a client of /ws that has read its greeting.
func (h *House) WS(token string) *Texter {
	h.t.Helper()
	c := h.Text(h.Rooms.Text(), token)
	c.Want(`{"type":"connected","clientId":"` + c.id + `"}`)
	return c
}

func (c *Texter) Say(text string) {
	if c.Closed() {
		return // a door gives nothing to a handler that has closed its client
	}
	b := []byte(text)
	c.Session.Text(b)
	Scribble(b)
}

func (c *Texter) Leave() { c.LeaveWith("transport close") }
func (c *Texter) LeaveWith(reason string) {
	if c.Session != nil {
		c.Session.Close(reason)
		c.Session = nil
		c.house.Hub.Remove(c.member)
	}
}

// Listener is a client of a stream. Records are written with " | " for line breaks.
type Listener struct {
	*Guest
	session app.StreamSession
}

type streamSink struct{ *Guest }

func (s streamSink) Deliver(m *hub.Message) bool { return m.SSE != nil && s.records(m.SSE) }

func (g *Guest) records(b []byte) bool {
	ok := true
	for _, r := range strings.SplitAfter(string(b), "\n\n") {
		if r != "" {
			ok = g.add(strings.ReplaceAll(strings.TrimSuffix(r, "\n\n"), "\n", " | ")) && ok
		}
	}
	return ok
}

func (c *Listener) Send(records []byte) bool { return c.records(records) }
func (c *Listener) Close()                   { c.end("close") }

func (h *House) TryStream(d app.StreamHandler, v app.Visit) (*Listener, error) {
	c := new(Listener)
	c.Guest = h.Guest(func(g *Guest) hub.Sink { return streamSink{g} })
	var err error
	c.session, err = d.Connect(c, v)
	return c, err
}

func (h *House) Stream(d app.StreamHandler, v app.Visit) *Listener {
	h.t.Helper()
	c, err := h.TryStream(d, v)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.Leave)
	return c
}

// Events returns a client of /events that has read its greeting.
func (h *House) Events() *Listener {
	h.t.Helper()
	c := h.Stream(h.Tap.Stream(), Visit("", nil, nil))
	c.Want(`event: connected | data: {"time":MS}`)
	return c
}

func (c *Listener) Leave() {
	if c.session != nil {
		c.session.Close("transport close")
		c.session = nil
		c.house.Hub.Remove(c.member)
	}
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
