package testkit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"signalbox/handlers/publish"
	"signalbox/server/app"
	"signalbox/store"
)

// Town is a cluster of houses with one history and one place for notices.
type Town struct {
	*Cloud
	Notary *Notary
	Houses []*House
}

func NewTown(t testing.TB, houses int, change ...func(*Options)) *Town {
	t.Helper()
	w := &Town{Cloud: NewCloud(t), Notary: newNotary()}
	for i := range houses {
		own := func(o *Options) {
			w.member(o)
			o.Notices = w.Notary.of(i)
			o.Run = fmt.Sprint("node", i)
			if i > 0 {
				o.History = w.Houses[0].History
			}
		}
		w.Houses = append(w.Houses, New(t, append([]func(*Options){own}, change...)...))
	}
	return w
}

// Leave has a node leave on purpose: its clients are cut, and nobody is told.
func (w *Town) Leave(node int, clients ...interface{ LeaveWith(string) }) {
	notices := w.Notary.leave(node)
	for i, h := range w.Houses {
		if i != node {
			h.Presence.Leaving(fmt.Sprint("node", node), notices)
		}
	}
	for _, c := range clients {
		c.LeaveWith(app.ReasonShutdown)
	}
}

// Die has one node carry out what is left of another.
func (w *Town) Die(node, heir int) {
	name := fmt.Sprint("node", node)
	for i, h := range w.Houses {
		if i != node {
			h.Presence.Left(name)
		}
	}
	w.Houses[heir].CarryOut(name, w.Notary.Take(node))
	w.Settle()
}

// Notary keeps the notices of nodes.
type Notary struct {
	mu sync.Mutex
	// mu guards the following.
	notices map[int][]store.LeaveNotice
	leaving map[int]bool
	Claims  int
}

func newNotary() *Notary {
	return &Notary{notices: make(map[int][]store.LeaveNotice), leaving: make(map[int]bool)}
}

func (n *Notary) of(node int) store.LeaveNotices { return &notaryNode{n, node} }

func (n *Notary) leave(node int) []store.LeaveNotice {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leaving[node] = true
	return slices.Clone(n.notices[node])
}

func (n *Notary) Take(node int) []store.LeaveNotice {
	n.mu.Lock()
	defer n.mu.Unlock()
	notices := n.notices[node]
	delete(n.notices, node)
	delete(n.leaving, node)
	return notices
}

// list returns the notices of a node that are about rooms, one line each.
func (n *Notary) list(node int) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, w := range n.notices[node] {
		body := string(w.Body)
		list = append(list, w.Topic+" "+w.Key+" "+body[strings.Index(body, `"room"`):])
	}
	slices.Sort(list)
	return list
}

type notaryNode struct {
	*Notary
	node int
}

func (n *notaryNode) AddNotice(w store.LeaveNotice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notices[n.node] = append(n.notices[n.node], w)
}

func (n *notaryNode) WithdrawNotice(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.removeLocked(n.node, key)
}

func (n *Notary) removeLocked(node int, key string) bool {
	i := slices.IndexFunc(n.notices[node], func(w store.LeaveNotice) bool { return w.Key == key })
	if i < 0 {
		return false
	}
	n.notices[node] = slices.Delete(slices.Clone(n.notices[node]), i, i+1)
	return true
}

func (n *notaryNode) TakeOver(ctx context.Context, key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		panic("a claim without a deadline")
	}
	for node := range n.leaving {
		if node != n.node && n.removeLocked(node, key) {
			n.Claims++
			return true
		}
	}
	return false
}

// WantNotices fails unless a node has left these notices.
func (w *Town) WantNotices(node int, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.Notary.list(node); !slices.Equal(got, want) {
		w.t.Errorf("node %d has the notices\n\t%s\nwant\n\t%s", node, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// Channels is the pub/sub of Redis for one node of a cloud: it takes a payload to all other nodes, and to any program.
type Channels struct {
	node   *CloudNode
	others func() []*House // those of the other nodes
	Heard  []string        // by the other programs
}

func (c *Channels) Publish(channel string, payload []byte) bool {
	if c.node.isAway() {
		return false
	}
	c.Heard = append(c.Heard, channel+" "+string(payload))
	for _, h := range c.others() {
		if o := h.Hub.Bus.(*CloudNode); !o.isAway() {
			o.push(func() { _ = publish.Receive(h.Hub, channel, payload) })
		}
	}
	return true
}

// NewHouses returns the handlers of the doors on n nodes of a cloud, joined by channels.
func NewHouses(t *testing.T, c *Cloud, n int, change ...func(*Options)) ([]*House, []*Channels) {
	houses, pipes := make([]*House, n), make([]*Channels, n)
	for i := range houses {
		pipes[i] = &Channels{others: func() (others []*House) {
			for j, h := range houses {
				if j != i {
					others = append(others, h)
				}
			}
			return others
		}}
		houses[i] = New(t, append(change, c.member, func(o *Options) {
			pipes[i].node = o.Hub.Bus.(*CloudNode)
			o.Channels = pipes[i]
		})...)
	}
	return houses, pipes
}
