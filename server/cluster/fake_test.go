package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// client is a member that remembers what it got, one line for each message.
type client struct {
	*hub.Member
	namespace string
	got       chan string
	away      atomic.Bool
}

func (c *client) Deliver(m *hub.Message) bool {
	if m.Event != "" && c.namespace != "" && m.Namespace != c.namespace {
		return false
	}
	if c.away.Load() {
		m.Hold()
		return false
	}
	line := string(m.Event)
	for _, arg := range m.Args {
		line += " " + string(arg)
	}
	for _, a := range m.Attachments {
		line += fmt.Sprintf(" %x", a)
	}
	if m.Text != nil {
		line += " text:" + string(m.Text)
	}
	if m.SSE != nil {
		line += " sse:" + strings.ReplaceAll(string(m.SSE), "\n", "|")
	}
	if m.ID != "" {
		line += " id:" + m.ID
	}
	c.got <- line
	return true
}

func (c *client) want(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		select {
		case got := <-c.got:
			if got != line {
				t.Fatalf("%s got %q, want %q", c.ID(), got, line)
			}
		case <-time.After(patience):
			t.Fatalf("%s did not get %q", c.ID(), line)
		}
	}
}

// wantNothing is called when what could have come has: behind a message that was sent later.
func (c *client) wantNothing(t *testing.T) {
	t.Helper()
	select {
	case got := <-c.got:
		t.Errorf("%s got %q, want nothing", c.ID(), got)
	default:
	}
}

// node is one signalbox node of a test: its clients are fake, its Redis is not.
type node struct {
	*Cluster
	t    *testing.T
	hub  *hub.Hub
	link *redislink.Link

	mu      sync.Mutex
	clients map[string]*client // by id
	plain   chan string
	asks    map[string]string // what clients answer, by id
	heard   chan string       // of ServerSideHere
	over    chan struct{}     // closed when the test is: nobody reads plain and heard any more
}

// told keeps for the test what a handler was given. A node that stops waits for its handlers, and none may wait for
// a reader who has gone.
func (n *node) told(to chan<- string, what string) {
	select {
	case to <- what:
	case <-n.over:
	}
}

type nodeOption func(*Options)

func sharded(o *Options) { o.Sharded = true }
func streams(o *Options) { o.Streams, o.StreamMaxLen = true, 10_000 }

func startNode(t *testing.T, s interface{ URL() string }, options ...nodeOption) *node {
	t.Helper()
	n := newNode(t, s, options...)
	n.Start(n)
	eventually(t, "the link is up", n.link.Up)
	return n
}

// newNode makes a node that is not started, with the namespaces "/" and "/chat".
func newNode(t *testing.T, s interface{ URL() string }, options ...nodeOption) *node {
	t.Helper()
	l, err := redislink.Open(redislink.Options{URL: s.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, hub: hub.New(), link: l, clients: make(map[string]*client), plain: make(chan string, 100),
		asks: make(map[string]string), heard: make(chan string, 100), over: make(chan struct{})}
	o := Options{Link: l, Hub: n.hub, Prefix: "test", NodeID: NewNodeID(), Log: slog.New(slog.DiscardHandler),
		OnPlain: func(channel string, payload []byte) error {
			n.told(n.plain, channel+" "+string(payload))
			return nil
		},
		Translate: func(room hub.Room, m *hub.Message) { m.Text = []byte("adopted in " + room.Name) },
	}
	for _, option := range options {
		option(&o)
	}
	n.Cluster = New(o)
	if n.stream != nil {
		n.stream.patience = 200 * time.Millisecond
	}
	n.Open("/")
	n.Open("/chat")
	t.Cleanup(func() {
		close(n.over)
		n.Stop()
		l.Close()
	})
	return n
}

// meet waits until nodes know each other.
func meet(t *testing.T, nodes ...*node) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, "the nodes know each other", func() bool { return n.Stats().Nodes == len(nodes)-1 && n.Up() })
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// join makes a client of "/" or, for rooms of /chat, of that namespace.
func (n *node) join(id string, rooms ...hub.Room) *client {
	n.t.Helper()
	c := &client{namespace: "/", got: make(chan string, 10_000)}
	c.Member = hub.NewMember(id, c)
	for _, r := range rooms {
		if namespace, _ := r.Place(); namespace != "" {
			c.namespace = namespace
		}
	}
	n.hub.Enter(c.Member, hub.SocketRoom(c.namespace, id), hub.EverybodyRoom(c.namespace))
	for _, r := range rooms {
		if !n.hub.Join(c.Member, r) {
			n.t.Fatalf("%s could not join %v", id, r)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.clients[id] = c
	return c
}

func event(namespace, name string, args ...string) *hub.Message {
	m := &hub.Message{Namespace: namespace, Event: name}
	for _, a := range args {
		m.Args = append(m.Args, json.RawMessage(a))
	}
	return m
}

// selected returns the clients that sel names.
func (n *node) selected(namespace string, sel hub.Selection) []*client {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []*client
	for _, m := range n.hub.Select(namespace, sel) {
		if c := n.clients[m.ID()]; c != nil && c.namespace == namespace {
			list = append(list, c)
		}
	}
	return list
}

func (n *node) AskHere(_ context.Context, sel hub.Selection, msg *hub.Message, asked func(int),
	answer func(string, []json.RawMessage, [][]byte)) {
	clients := n.selected(msg.Namespace, sel)
	asked(len(clients))
	for _, c := range clients {
		c.Deliver(msg)
		if a := n.asks[c.ID()]; a != "" {
			answer(c.ID(), []json.RawMessage{json.RawMessage(a)}, nil)
		}
	}
}

func (n *node) SocketsHere(namespace string, sel hub.Selection) []format.Socket {
	var sockets []format.Socket
	for _, c := range n.selected(namespace, sel) {
		sockets = append(sockets, format.Socket{ID: c.ID(), Rooms: []string{c.ID()}})
	}
	return sockets
}

func (n *node) RoomsHere(namespace string) []string {
	var names []string
	for _, kind := range []hub.Kind{hub.KindUser, hub.KindLobby, hub.KindRoom, hub.KindNamespace} {
		for _, r := range n.hub.Rooms(kind) {
			if ns, name := n.names.Of(r); ns == namespace {
				names = append(names, name)
			}
		}
	}
	return names
}

func (n *node) JoinHere(namespace string, sel hub.Selection, rooms []string) {
	for _, c := range n.selected(namespace, sel) {
		for _, room := range rooms {
			n.hub.Join(c.Member, hub.NamespaceRoom(namespace, room))
		}
	}
}

func (n *node) LeaveHere(namespace string, sel hub.Selection, rooms []string) {
	for _, c := range n.selected(namespace, sel) {
		for _, room := range rooms {
			n.hub.Leave(c.Member, hub.NamespaceRoom(namespace, room))
		}
	}
}

func (n *node) DisconnectHere(namespace string, sel hub.Selection, closeConnection bool) {
	for _, c := range n.selected(namespace, sel) {
		c.got <- fmt.Sprint("disconnect ", closeConnection)
	}
}

func (n *node) ServerSideHere(namespace string, args []json.RawMessage, _ [][]byte, ack func(json.RawMessage, [][]byte)) {
	n.told(n.heard, namespace+" "+string(args[0]))
	if ack != nil {
		ack(json.RawMessage(`{"from":"`+n.id+`"}`), nil)
	}
}
