package handlers

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

// cloud joins hubs as a cluster does, in memory: what one node sends comes to each other later, in order, on one goroutine
// per node. It ends with the test.
type cloud struct {
	// Static after construction.
	t testing.TB
	// delay is how long everything takes from node to node. It is set before the first client comes.
	delay time.Duration

	mu sync.Mutex
	// mu guards the following.
	nodes []*cloudNode
}

func newCloud(t testing.TB) *cloud { return &cloud{t: t} }

// cloudNode is the [hub.Bus] and the [hub.Nodes] of one hub.
type cloudNode struct {
	// Static after construction.
	cloud *cloud
	hub   *hub.Hub
	tells map[string]func([]byte)
	asks  map[string]func(context.Context, []byte) []byte

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

// add makes a hub one of the cloud's.
func (c *cloud) add(h *hub.Hub) *cloudNode {
	n := &cloudNode{
		cloud:  c,
		hub:    h,
		tells:  make(map[string]func([]byte)),
		asks:   make(map[string]func(context.Context, []byte) []byte),
		wanted: make(map[hub.Room]int),
	}
	n.more = sync.NewCond(&n.mu)
	h.Bus = n
	c.mu.Lock()
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
func (c *cloud) member(o *DoorsOptions) { o.Nodes = c.add(o.Hub.(*hub.Hub)) }

func (n *cloudNode) run() {
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

func (n *cloudNode) push(f func()) {
	if d := n.cloud.delay; d > 0 {
		at, inner := time.Now().Add(d), f
		f = func() { time.Sleep(time.Until(at)); inner() }
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queue = append(n.queue, f)
	n.more.Broadcast()
}

// settle returns when everything that was on its way has arrived.
func (c *cloud) settle() {
	for _, n := range c.all() {
		n.mu.Lock()
		for len(n.queue) > 0 || n.busy {
			n.more.Wait()
		}
		n.mu.Unlock()
	}
}

func (c *cloud) all() []*cloudNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// others returns who can be reached.
func (n *cloudNode) others() []*cloudNode {
	if n.isAway() {
		return nil
	}
	return slices.DeleteFunc(n.cloud.all(), func(o *cloudNode) bool { return o == n || o.isAway() })
}

func (n *cloudNode) isAway() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.away
}

func (n *cloudNode) setAway(away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away = away
}

// takeForeign returns what was sent to servers of other kinds since the last look.
func (n *cloudNode) takeForeign() []string {
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

func (n *cloudNode) Want(r hub.Room) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted[r]++
}

func (n *cloudNode) Unwant(r hub.Room) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wanted[r]--; n.wanted[r] == 0 {
		delete(n.wanted, r)
	}
}

func (n *cloudNode) Send(r hub.Room, msg *hub.Message) {
	if msg.Foreign {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.foreign = append(n.foreign, fmt.Sprintf("%s %s: %s", r.Kind, r.Name, strings.TrimSpace(line(msg.Event, msg.Args))))
		return
	}
	n.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, nil)
}

func (n *cloudNode) SendCounted(r hub.Room, msg *hub.Message, counted func(int, bool)) {
	n.SendSelection(hub.Selection{Rooms: []hub.Room{r}}, msg, counted)
}

func (n *cloudNode) SendSelection(sel hub.Selection, msg *hub.Message, counted func(int, bool)) {
	if counted == nil {
		counted = func(int, bool) {}
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

func (n *cloudNode) Tell(topic string, body []byte) {
	body = bytes.Clone(body)
	for _, o := range n.others() {
		o.push(func() {
			if call := o.tells[topic]; call != nil {
				call(bytes.Clone(body))
			}
		})
	}
}

func (n *cloudNode) Ask(ctx context.Context, topic string, body []byte) (answers [][]byte, complete bool) {
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
			if call := o.asks[topic]; call != nil {
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

func (n *cloudNode) OnTell(topic string, call func([]byte)) { n.tells[topic] = call }

func (n *cloudNode) OnAsk(topic string, call func(context.Context, []byte) []byte) {
	n.asks[topic] = call
}

func (n *cloudNode) Up() bool { return !n.isAway() }
