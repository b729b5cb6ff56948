package handlers

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

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/store"
)

// house is a hub with the handlers of all doors, and no network.
type house struct {
	t        testing.TB
	hub      *hub.Hub
	doors    *Doors
	history  store.History
	tickets  *store.MemoryTickets
	verifier *auth.Verifier
	clients  int
	unheld   bool // clients of /chat cannot keep back what is delivered
}

const houseSecret = "a secret that only the tests know"

func newHouse(t testing.TB, change ...func(*DoorsOptions)) *house {
	t.Helper()
	history, err := store.NewMemoryHistory(store.HistoryLimits{})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.New(auth.Config{Secret: houseSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	h := &house{t: t, hub: hub.New(), history: history, tickets: store.NewMemoryTickets(0, 0), verifier: verifier}
	o := DoorsOptions{
		Hub: h.hub, History: history, Tickets: h.tickets, Verifier: verifier,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	h.doors = NewDoors(o)
	return h
}

func requireAuth(o *DoorsOptions) { o.RequireAuth = true }

// token returns a token of a user for an hour, with a name like Name-<user>.
func (h *house) token(user string, change ...func(*auth.Claims)) string {
	return h.tokenFor(time.Hour, user, change...)
}

func (h *house) tokenFor(ttl time.Duration, user string, change ...func(*auth.Claims)) string {
	h.t.Helper()
	c := auth.Claims{UserID: user, Name: "Name-" + user}
	for _, f := range change {
		f(&c)
	}
	token, err := auth.Mint(houseSecret, c, ttl)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func rooms(names ...string) func(*auth.Claims) {
	return func(c *auth.Claims) { c.Rooms = append([]string{}, names...) }
}
func scope(words string) func(*auth.Claims) { return func(c *auth.Claims) { c.Scope = words } }

// ticket returns a ticket of a user.
func (h *house) ticket(user string) string {
	h.t.Helper()
	ticket, err := h.tickets.Issue(context.Background(), user)
	if err != nil {
		h.t.Fatal(err)
	}
	return ticket
}

// guest is a client without a connection. What it gets lands in a list, one line each.
type guest struct {
	house  *house
	id     string
	member *hub.Member

	mu    sync.Mutex
	lines []string
	gone  bool
}

func (h *house) guest(sink func(*guest) hub.Sink) *guest {
	h.clients++
	g := &guest{house: h, id: fmt.Sprintf("client-%d", h.clients)}
	g.member = hub.NewMember(g.id, sink(g))
	return g
}

func (g *guest) ID() string          { return g.id }
func (g *guest) Member() *hub.Member { return g.member }

func (g *guest) Closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gone
}

func (g *guest) add(line string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return false
	}
	g.lines = append(g.lines, line)
	return true
}

func (g *guest) end(line string) {
	if g.add(line) {
		g.mu.Lock()
		g.gone = true
		g.mu.Unlock()
	}
}

// take returns the lines since the last take.
func (g *guest) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := g.lines
	g.lines = nil
	return lines
}

var (
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	isoPattern  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	msPattern   = regexp.MustCompile(`\b1[5-9]\d{11}\b|\b[2-4]\d{12}\b|\b946684\d{6,7}\b`)
	idPattern   = regexp.MustCompile(`id: [0-9a-z]+-`)
)

// want fails unless the client got exactly these lines since the last look. UUIDs, ISO times, milliseconds and the run in
// a record's id are written UUID, ISO, MS and RUN.
func (g *guest) want(lines ...string) {
	g.house.t.Helper()
	got := g.take()
	for i := range got {
		got[i] = uuidPattern.ReplaceAllString(got[i], "UUID")
		got[i] = isoPattern.ReplaceAllString(got[i], "ISO")
		got[i] = msPattern.ReplaceAllString(got[i], "MS")
		got[i] = idPattern.ReplaceAllString(got[i], "id: RUN-")
	}
	if !slices.Equal(got, lines) {
		g.house.t.Errorf("%s got\n\t%s\nwant\n\t%s", g.id, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// wantNothing fails if one of the clients got anything.
func wantNothing(clients ...interface{ want(...string) }) {
	for _, c := range clients {
		c.want()
	}
}

// chatter is a client of /chat.
type chatter struct {
	*guest
	*chatSink
	session app.Session
}

// chatSink gets what is delivered to a chatter, and can keep it back.
type chatSink struct {
	guest *guest

	mu sync.Mutex
	// mu guards the following.
	holding bool
	held    []*hub.Message
	skip    func(id string) bool
	until   time.Time // when skip is forgotten
}

func (s *chatSink) Deliver(m *hub.Message) bool {
	if m.Namespace != chatNamespace || m.Event == "" {
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

func (s *chatSink) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holding {
		panic("held twice")
	}
	s.holding = true
}

func (s *chatSink) Release(skip func(id string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holding {
		panic("released without a hold")
	}
	s.holding, s.skip, s.until = false, skip, time.Now().Add(app.HoldGrace)
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

func (c *chatter) Namespace() string { return chatNamespace }
func (c *chatter) Emit(event string, args ...any) error {
	if !c.add(line(event, marshal(args))) {
		return errors.New("gone")
	}
	return nil
}
func (c *chatter) Disconnect(closeConnection bool) {
	c.end(fmt.Sprintf("disconnect %v", closeConnection))
}
func (c *chatter) Answer(_ string, args ...any) { c.add(line("ack", marshal(args))) }

func (h *house) tryChat(auth string, header ...string) (*chatter, error) {
	c := &chatter{chatSink: new(chatSink)}
	c.guest = h.guest(func(g *guest) hub.Sink { c.chatSink.guest = g; return c.chatSink })
	var peer app.Peer = c
	if h.unheld {
		peer = struct{ app.Peer }{c}
	}
	var err error
	c.session, err = h.doors.Rooms.Chat().Connect(peer, app.Handshake{
		Auth:   json.RawMessage(auth),
		Query:  func(string) string { return "" },
		Header: func(name string) string { return strings.Join(header, "") },
	})
	return c, err
}

func (h *house) chat(token string) *chatter {
	h.t.Helper()
	c, err := h.tryChat(`{"token":"` + token + `"}`)
	if err != nil {
		h.t.Fatalf("Connect to /chat = %v, want nil", err)
	}
	h.t.Cleanup(c.leave)
	return c
}

// send delivers an event without a callback, ask one with. The buffers of the arguments are used again afterwards.
func (c *chatter) send(event string, args ...string) { c.event(app.Acker{}, event, args) }
func (c *chatter) ask(event string, args ...string)  { c.event(app.NewAcker(c, "1"), event, args) }

func (c *chatter) event(ack app.Acker, event string, args []string) {
	e := &app.Event{Name: event, Ack: ack}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	c.session.Event(e)
	for _, a := range e.Args {
		scribble(a)
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '#'
	}
}

// leave ends the connection; again it does nothing.
func (c *chatter) leave() { c.leaveWith("transport close") }
func (c *chatter) leaveWith(reason string) {
	if c.session != nil {
		c.session.Close(reason)
		c.session = nil
		c.house.hub.Remove(c.member)
	}
}

// texter is a client of a plain WebSocket.
type texter struct {
	*guest
	session app.TextSession
}

type textSink struct{ *guest }

func (s textSink) Deliver(m *hub.Message) bool { return m.Text != nil && s.add(string(m.Text)) }

func (c *texter) Send(text []byte) bool { return c.add(string(text)) }
func (c *texter) Close(code app.CloseCode, reason string) {
	c.end(fmt.Sprintf("close %d %s", code, reason))
}

func visit(token string, params map[string]string, header map[string]string) app.Visit {
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

func (h *house) tryText(d app.TextHandler, token string) (*texter, error) {
	c := new(texter)
	c.guest = h.guest(func(g *guest) hub.Sink { return textSink{g} })
	var err error
	c.session, err = d.Connect(c, visit(token, nil, nil))
	return c, err
}

func (h *house) text(d app.TextHandler, token string) *texter {
	h.t.Helper()
	c, err := h.tryText(d, token)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.leave)
	return c
}

// ws returns a client of /ws that has read its greeting.
func (h *house) ws(token string) *texter {
	h.t.Helper()
	c := h.text(h.doors.Rooms.Text(), token)
	c.want(`{"type":"connected","clientId":"` + c.id + `"}`)
	return c
}

func (c *texter) send(text string) {
	if c.Closed() {
		return // a door gives nothing to a handler that has closed its client
	}
	b := []byte(text)
	c.session.Text(b)
	scribble(b)
}

func (c *texter) leave() { c.leaveWith("transport close") }
func (c *texter) leaveWith(reason string) {
	if c.session != nil {
		c.session.Close(reason)
		c.session = nil
		c.house.hub.Remove(c.member)
	}
}

// listener is a client of a stream. Records are written with " | " for line breaks.
type listener struct {
	*guest
	session app.StreamSession
}

type streamSink struct{ *guest }

func (s streamSink) Deliver(m *hub.Message) bool { return m.SSE != nil && s.records(m.SSE) }

func (g *guest) records(b []byte) bool {
	ok := true
	for _, r := range strings.SplitAfter(string(b), "\n\n") {
		if r != "" {
			ok = g.add(strings.ReplaceAll(strings.TrimSuffix(r, "\n\n"), "\n", " | ")) && ok
		}
	}
	return ok
}

func (c *listener) Send(records []byte) bool { return c.records(records) }
func (c *listener) Close()                   { c.end("close") }

func (h *house) tryStream(d app.StreamHandler, v app.Visit) (*listener, error) {
	c := new(listener)
	c.guest = h.guest(func(g *guest) hub.Sink { return streamSink{g} })
	var err error
	c.session, err = d.Connect(c, v)
	return c, err
}

func (h *house) stream(d app.StreamHandler, v app.Visit) *listener {
	h.t.Helper()
	c, err := h.tryStream(d, v)
	if err != nil {
		h.t.Fatalf("Connect = %v, want nil", err)
	}
	h.t.Cleanup(c.leave)
	return c
}

// events returns a client of /events that has read its greeting.
func (h *house) events() *listener {
	h.t.Helper()
	c := h.stream(h.doors.Events.All(), visit("", nil, nil))
	c.want(`event: connected | data: {"time":MS}`)
	return c
}

func (c *listener) leave() {
	if c.session != nil {
		c.session.Close("transport close")
		c.session = nil
		c.house.hub.Remove(c.member)
	}
}

// status returns the HTTP status of a refusal, 0 for another error or none.
func status(err error) int {
	var r *app.Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}
