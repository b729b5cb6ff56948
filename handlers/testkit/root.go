package testkit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/broker"
	"signalbox/handlers/userlist"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/wire"
	"signalbox/store"
)

// Client is one client of a handler without a connection: what it gets lands in a list, in order, one line each:
//
//	event argument...      an event, with its attachments as <hex>
//	ack argument...        the answer to a callback
//	disconnect             the server ended the stay
type Client struct {
	id      string
	member  *hub.Member
	Session app.Session

	mu    sync.Mutex
	lines []string
	gone  bool

	Charged float64 // what the client's events cost beside the 1 of each
}

// Charge implements [app.Charger].
func (c *Client) Charge(weight float64) { c.Charged += weight }

func (c *Client) ID() string          { return c.id }
func (c *Client) Namespace() string   { return "/" }
func (c *Client) Member() *hub.Member { return c.member }

func (c *Client) Emit(event string, args ...any) error {
	return c.record(event, marshal(args), nil)
}

func (c *Client) Disconnect(bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, "disconnect")
	c.gone = true
}

func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// Deliver copies what it gets, as the slices may be used again.
func (c *Client) Deliver(m *hub.Message) bool {
	if m.Namespace != "/" {
		return c.record("wrong namespace "+m.Namespace, nil, nil) == nil
	}
	name := m.Event
	if m.RawEvent != nil {
		name = strings.Trim(string(m.RawEvent), `"`)
	}
	return c.record(name, m.Args, m.Attachments) == nil
}

func (c *Client) Answer(id string, args ...any) { c.record("ack", marshal(args), nil) }

func (c *Client) record(event string, args []json.RawMessage, attachments [][]byte) error {
	line := event
	for _, a := range args {
		line += " " + string(a)
	}
	for _, a := range attachments {
		line += fmt.Sprintf(" <%x>", a)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	return nil
}

func marshal(args []any) []json.RawMessage {
	raw := make([]json.RawMessage, len(args))
	for i, a := range args {
		if r, ok := a.(json.RawMessage); ok {
			raw[i] = r
			continue
		}
		b, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		raw[i] = b
	}
	return raw
}

// Take returns the lines since the last take.
func (c *Client) Take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines
	c.lines = nil
	return lines
}

// LastUsers returns the last list of users the client got, "" without one.
func (c *Client) LastUsers() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.lines) - 1; i >= 0; i-- {
		if list, ok := strings.CutPrefix(c.lines[i], "users "); ok {
			return list
		}
	}
	return ""
}

// Say delivers an event without a callback. Its arguments are in a buffer that is scribbled over afterwards, as the
// read buffer of a connection is.
func (c *Client) Say(event string, args ...string) { c.Event(false, nil, event, args...) }

// Ask delivers an event with a callback.
func (c *Client) Ask(event string, args ...string) { c.Event(true, nil, event, args...) }

// Hold and Release do nothing: "/" has no history.
func (c *Client) DeferDelivery()                   {}
func (c *Client) ResumeDelivery(func(string) bool) {}

func (c *Client) Event(callback bool, attachments [][]byte, event string, args ...string) {
	if c.Closed() {
		return // a door gives nothing to a handler that has disconnected its client
	}
	e := &app.Event{Name: event, RawName: json.RawMessage(strconv.Quote(event))}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	for _, a := range attachments {
		e.Attachments = append(e.Attachments, bytes.Clone(a))
	}
	if callback {
		e.Ack = app.NewAcker(c, "1")
	}
	c.Session.Event(e)
	for _, b := range e.Attachments {
		clear(b)
	}
	for _, a := range append(e.Args, e.RawName) {
		for i := range a {
			a[i] = '#'
		}
	}
}

// close ends the connection.
func (w *World) End(c *Client) {
	c.Session.Close("transport close")
	w.Hub.Remove(c.member)
}

// World is a hub, a store and the handler of "/".
type World struct {
	Hub    *hub.Hub
	Users  *store.Memory
	Broker *broker.Broker
	Chat   *userlist.Chat
	gate   func(app.Handler) app.Handler
}

// RootOptions changes a [World].
type RootOptions struct {
	// Users is where the users of the chat are; nil: in memory.
	Users     store.UserStore
	Nodes     hub.Nodes
	Clustered bool
	Log       *slog.Logger
	// Gate stands before the handler of "/"; nil: everybody may come in.
	Gate func(app.Handler) app.Handler
}

// Proven stands before "/" and takes each client for the user that its handshake names, as if by a token.
func Proven(t testing.TB) func(app.Handler) app.Handler {
	t.Helper()
	v, err := auth.New(auth.Config{Secret: HouseSecret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return func(h app.Handler) app.Handler { return proven{t, v, h} }
}

type proven struct {
	t        testing.TB
	verifier *auth.Verifier
	inner    app.Handler
}

func (p proven) Connect(peer app.Peer, hs app.Handshake) (app.Session, error) {
	var who struct {
		User, Name string
		Rooms      []string
	}
	if err := json.Unmarshal(hs.Auth, &who); err != nil {
		p.t.Fatal(err)
	}
	token, err := auth.Mint(HouseSecret, auth.Claims{UserID: who.User, Name: who.Name, Rooms: who.Rooms}, time.Hour)
	if err != nil {
		p.t.Fatal(err)
	}
	if hs.Identity, err = p.verifier.Verify(token); err != nil {
		p.t.Fatal(err)
	}
	return p.inner.Connect(peer, hs)
}

// NewWorld returns a world without clients.
func NewWorld(t testing.TB, o RootOptions) *World {
	w := &World{Hub: hub.New(), gate: o.Gate}
	w.open(t, o)
	return w
}

func (w *World) open(t testing.TB, o RootOptions) {
	if o.Users == nil {
		o.Users = store.NewMemory()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w.Users, _ = o.Users.(*store.Memory)
	w.Chat = userlist.New(userlist.Options{Hub: w.Hub, Users: o.Users, Nodes: o.Nodes, Clustered: o.Clustered, Log: o.Log})
	w.Broker = broker.New(w.Hub, func(p app.Peer, hs app.Handshake) broker.Second { return w.Chat.Open(p, hs) }, o.Log)
	t.Cleanup(w.Chat.Close)
}

// Connect returns a new client with an id.
func (w *World) Connect(t testing.TB, id string) *Client {
	t.Helper()
	c, err := w.TryConnect(id)
	if err != nil {
		t.Fatalf("Connect(%s) = %v, want nil", id, err)
	}
	return c
}

func (w *World) TryConnect(id string) (*Client, error) {
	return w.connectAs(id, `{"user":"`+id+`"}`)
}

// ConnectAs returns a new client whose CONNECT had this payload.
func (w *World) ConnectAs(t testing.TB, id, payload string) *Client {
	t.Helper()
	c, err := w.connectAs(id, payload)
	if err != nil {
		t.Fatalf("Connect(%s) = %v, want nil", payload, err)
	}
	return c
}

func (w *World) connectAs(id, payload string) (*Client, error) {
	c := &Client{id: id}
	c.member = hub.NewMember(id, c)
	var err error
	var root app.Handler = w.Broker
	if w.gate != nil {
		root = w.gate(root)
	}
	c.Session, err = root.Connect(c, app.Handshake{Auth: json.RawMessage(payload), RemoteAddr: "192.0.2.1"})
	return c, err
}

// Want fails unless the client got exactly these lines since the last look.
func (c *Client) Want(t testing.TB, lines ...string) {
	t.Helper()
	got := c.Take()
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("client %s got\n\t%s\nwant\n\t%s", c.id, strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// Login logs c in and forgets what it was sent.
func (c *Client) Login(name, room string) {
	c.Ask("login", `{"name":"`+name+`","room":"`+room+`"}`)
	c.Take()
}

// Crowd logs n clients in to a room, and lets the time pass in which lists may wait.
func (w *World) Crowd(t testing.TB, n int, room string) []*Client {
	clients := make([]*Client, n)
	for i := range clients {
		clients[i] = w.Connect(t, fmt.Sprint("c", i))
		clients[i].Login(fmt.Sprint("n", i), room)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	for _, c := range clients {
		c.Take()
	}
	return clients
}

// Site is one of the nodes of a cloud with its handler of "/". The users of the chat are in a store that all share.
type Site struct {
	*World
	Node *CloudNode
}

// NewSites returns as many nodes that share users; nil: a store in memory.
func NewSites(t testing.TB, c *Cloud, n int, users store.UserStore) []*Site {
	t.Helper()
	if users == nil {
		users = store.NewMemory()
	}
	sites := make([]*Site, n)
	for i := range sites {
		s := &Site{World: &World{Hub: hub.New()}}
		s.Node = c.Join(s.Hub)
		s.open(t, RootOptions{Users: users, Nodes: s.Node, Clustered: true})
		sites[i] = s
	}
	return sites
}

// WithDead has everybody see users of another node in their lists, and then takes them out of the store.
func (s *Site) WithDead(t *testing.T, sites []*Site, users []store.User) {
	t.Helper()
	for _, u := range users {
		if _, err := s.Users.SaveUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sites {
		for _, u := range users {
			s.Node.Tells["lobby"]([]byte(u.Room))
		}
	}
	time.Sleep(time.Second)
	synctest.Wait()
	for _, u := range users {
		if _, _, err := s.Users.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// CrowdOver logs n clients in to a room, spread over nodes, and lets the time pass in which lists may wait.
func CrowdOver(t testing.TB, sites []*Site, n int, room string) []*Client {
	clients := make([]*Client, n)
	for i := range clients {
		clients[i] = sites[i%len(sites)].Connect(t, fmt.Sprint("c", i))
		clients[i].Login(fmt.Sprint("n", i), room)
	}
	time.Sleep(time.Second)
	synctest.Wait()
	for _, c := range clients {
		c.Take()
	}
	return clients
}

func WantForeign(t *testing.T, s *Site, lines ...string) {
	t.Helper()
	if got := s.Node.TakeForeign(); strings.Join(got, "\n") != strings.Join(lines, "\n") {
		t.Errorf("servers of other kinds got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// Silent is a client that throws away what it gets, after it was encoded as a connection would.
type Silent struct {
	member *hub.Member
	id     string
}

func newSilent(id string) *Silent {
	s := &Silent{id: id}
	s.member = hub.NewMember(id, s)
	return s
}

func (s *Silent) ID() string { return s.id }

func (s *Silent) Namespace() string { return "/" }

func (s *Silent) Member() *hub.Member { return s.member }

func (s *Silent) Emit(string, ...any) error { return nil }

func (s *Silent) Disconnect(bool) {}

func (s *Silent) Closed() bool { return false }

func (s *Silent) DeferDelivery() {}

func (s *Silent) ResumeDelivery(func(string) bool) {}

func (s *Silent) Answer(string, ...any) {}

func (s *Silent) Deliver(m *hub.Message) bool {
	m.Encoded(hub.FormSocketIO, encode)
	return true
}

func encode(m *hub.Message) *wire.Message {
	b := wire.NewBuilder(len(m.Event) + len(m.Args[0]) + 8)
	b.Buf = append(b.Buf, `42["`...)
	b.Buf = append(b.Buf, m.Event...)
	b.Buf = append(b.Buf, `",`...)
	b.Buf = append(b.Buf, m.Args[0]...)
	b.Buf = append(b.Buf, ']')
	return b.Message(m.Attachments...)
}

func (w *World) Silent(b testing.TB, id string) (*Silent, app.Session) {
	s := newSilent(id)
	session, err := w.Broker.Connect(s, app.Handshake{})
	if err != nil {
		b.Fatal(err)
	}
	return s, session
}

func Event(name string, args ...string) *app.Event {
	e := &app.Event{Name: name}
	for _, a := range args {
		e.Args = append(e.Args, json.RawMessage(a))
	}
	return e
}
