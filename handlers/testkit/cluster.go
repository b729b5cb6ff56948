package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/server/hub"
)

// Cloud joins hubs as a cluster does, in memory: what one node sends comes to each other later, in order, on one goroutine
// per node. It ends with the test.
type Cloud struct {
	// Static after construction.
	t testing.TB
	// delay is how long everything takes from node to node. It is set before the first client comes.
	Delay time.Duration

	mu sync.Mutex
	// mu guards the following.
	nodes []*CloudNode
}

func NewCloud(t testing.TB) *Cloud { return &Cloud{t: t} }

// CloudNode is the [hub.Bus] and the [hub.Nodes] of one hub.
type CloudNode struct {
	// Static after construction.
	cloud *Cloud
	hub   *hub.Hub
	id    string
	Tells map[string]func([]byte)
	Asks  map[string]func(context.Context, []byte) []byte

	// ForeignSockets are how many members servers of other kinds have in every room.
	ForeignSockets int

	mu sync.Mutex
	// mu guards the following.
	more    *sync.Cond
	queue   []func()
	busy    bool
	over    bool
	away    bool     // it can reach nobody, and nobody it
	foreign []string // what it sent to servers of other kinds, one line each
	wanted  map[hub.Room]int
}

// Join makes a hub one of the cloud's.
func (c *Cloud) Join(h *hub.Hub) *CloudNode {
	n := &CloudNode{
		cloud:  c,
		hub:    h,
		Tells:  make(map[string]func([]byte)),
		Asks:   make(map[string]func(context.Context, []byte) []byte),
		wanted: make(map[hub.Room]int),
	}
	n.more = sync.NewCond(&n.mu)
	h.Bus = n
	c.mu.Lock()
	n.id = fmt.Sprintf("%016x", len(c.nodes))
	c.nodes = append(c.nodes, n)
	c.mu.Unlock()
	var done sync.WaitGroup
	done.Go(n.run) // the test waits
	c.t.Cleanup(func() {
		n.mu.Lock()
		n.over = true
		n.more.Broadcast()
		n.mu.Unlock()
		done.Wait()
	})
	return n
}

// member is an option of [newHouse]: the house is a node of the cloud.
func (c *Cloud) member(o *Options) { o.Nodes = c.Join(o.Hub) }

// Await implements [hub.Bus].
func (n *CloudNode) Await(hub.Room) {}

// Heard implements [hub.Bus].
func (n *CloudNode) Heard(hub.Room) bool { return !n.isAway() }

func (n *CloudNode) run() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		for len(n.queue) == 0 && !n.over {
			n.busy = false
			n.more.Broadcast()
			n.more.Wait()
		}
		if n.over {
			return
		}
		next := n.queue[0]
		n.queue = n.queue[1:]
		n.busy = true
		n.mu.Unlock()
		next()
		n.mu.Lock()
	}
}

func (n *CloudNode) push(f func()) {
	if d := n.cloud.Delay; d > 0 {
		at, inner := time.Now().Add(d), f
		f = func() { time.Sleep(time.Until(at)); inner() }
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, f)
	n.more.Broadcast()
}

// Settle returns when everything that was on its way has arrived.
func (c *Cloud) Settle() {
	for _, n := range c.All() {
		n.mu.Lock()
		for len(n.queue) > 0 || n.busy {
			n.more.Wait()
		}
		n.mu.Unlock()
	}
}

func (c *Cloud) All() []*CloudNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// others returns who can be reached.
func (n *CloudNode) others() []*CloudNode {
	if n.isAway() {
		return nil
	}
	return slices.DeleteFunc(n.cloud.All(), func(o *CloudNode) bool { return o == n || o.isAway() })
}

func (n *CloudNode) isAway() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.away
}

func (n *CloudNode) SetAway(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

// TakeForeign returns what was sent to servers of other kinds since the last look.
func (n *CloudNode) TakeForeign() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := n.foreign
	n.foreign = nil
	return lines
}

// copied returns a message that shares no memory with m.
func copied(m *hub.Message) *hub.Message {
	c := &hub.Message{
		Namespace: m.Namespace, Event: m.Event, RawEvent: bytes.Clone(m.RawEvent), Text: bytes.Clone(m.Text), SSE: bytes.Clone(m.SSE),
		ID: m.ID, Volatile: m.Volatile,
	}
	for _, a := range m.Args {
		c.Args = append(c.Args, json.RawMessage(bytes.Clone(a)))
	}
	for _, a := range m.Attachments {
		c.Attachments = append(c.Attachments, bytes.Clone(a))
	}
	return c
}

func (n *CloudNode) Want(r hub.Room) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted[r]++
}

func (n *CloudNode) Unwant(r hub.Room) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wanted[r]--; n.wanted[r] == 0 {
		delete(n.wanted, r)
	}
}

func (n *CloudNode) Send(r hub.Room, msg *hub.Message) {
	n.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, nil)
}

func (n *CloudNode) SendCounted(r hub.Room, msg *hub.Message, counted func(int, bool)) {
	n.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, counted)
}

func (n *CloudNode) SendSelection(sel hub.Selection, msg *hub.Message, counted func(int, bool)) {
	if counted == nil {
		counted = func(int, bool) {}
	}
	if msg.Foreign {
		to := "everybody"
		if len(sel.Rooms) > 0 {
			to = fmt.Sprintf("%s %s", sel.Rooms[0].Kind, sel.Rooms[0].Name)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		n.foreign = append(n.foreign, fmt.Sprintf("%s: %s", to, strings.TrimSpace(line(msg.Event, msg.Args))))
		counted(n.ForeignSockets, true)
		return
	}
	msg = copied(msg)
	others := n.others()
	left, sum := len(others), 0
	if left == 0 {
		counted(0, !n.isAway())
		return
	}
	var mu sync.Mutex
	for _, o := range others {
		o.push(func() {
			delivered := o.hub.SendSelectionHere(sel, msg)
			mu.Lock()
			sum += delivered
			left--
			last, all := left == 0, sum
			mu.Unlock()
			if last {
				counted(all, true)
			}
		})
	}
}

func (n *CloudNode) Tell(topic string, body []byte) {
	body = bytes.Clone(body)
	for _, o := range n.others() {
		o.push(func() {
			if call := o.Tells[topic]; call != nil {
				call(bytes.Clone(body))
			}
		})
	}
}

func (n *CloudNode) TellNode(node, topic string, body []byte) {
	body = bytes.Clone(body)
	for _, o := range n.others() {
		if o.id == node {
			o.push(func() {
				if call := o.Tells[topic]; call != nil {
					call(body)
				}
			})
		}
	}
}

func (n *CloudNode) ID() string { return n.id }

func (n *CloudNode) Ask(ctx context.Context, topic string, body []byte) (answers [][]byte, complete bool) {
	if n.isAway() {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	others := n.others()
	came := make(chan []byte, len(others))
	for _, o := range others {
		question := bytes.Clone(body)
		o.push(func() {
			if call := o.Asks[topic]; call != nil {
				go func() { came <- call(ctx, question) }() // the channel has room
			}
		})
	}
	for range others {
		select {
		case a := <-came:
			answers = append(answers, a)
		case <-ctx.Done():
			return answers, false
		}
	}
	return answers, true
}

func (n *CloudNode) OnTell(topic string, call func([]byte)) { n.Tells[topic] = call }

func (n *CloudNode) OnAsk(topic string, call func(context.Context, []byte) []byte) {
	n.Asks[topic] = call
}

func (n *CloudNode) DisconnectForeign(context.Context, hub.Room, bool) (int, bool) {
	return n.ForeignSockets, true
}

func (n *CloudNode) Up() bool { return !n.isAway() }
