package handlers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"signalbox/store"
)

// town is a cluster of houses with one history and one place for wills.
type town struct {
	*cloud
	notary *notary
	houses []*house
}

func newTown(t testing.TB, houses int, change ...func(*DoorsOptions)) *town {
	t.Helper()
	w := &town{cloud: newCloud(t), notary: newNotary()}
	for i := range houses {
		own := func(o *DoorsOptions) {
			w.member(o)
			o.Wills = w.notary.of(i)
			if i > 0 {
				o.History = w.houses[0].history
			}
		}
		w.houses = append(w.houses, newHouse(t, append([]func(*DoorsOptions){own}, change...)...))
	}
	return w
}

// leave has a node leave on purpose: its clients are cut, and nobody is told.
func (w *town) leave(node int, clients ...interface{ leaveWith(string) }) {
	wills := w.notary.leave(node)
	for i, h := range w.houses {
		if i != node {
			h.doors.Leaving(fmt.Sprint("node", node), wills)
		}
	}
	for _, c := range clients {
		c.leaveWith(reasonShutdown)
	}
}

// die has one node carry out what is left of another.
func (w *town) die(node, heir int) {
	w.houses[heir].doors.Execute(w.notary.take(node))
	w.settle()
}

// notary keeps the wills of nodes.
type notary struct {
	mu sync.Mutex
	// mu guards the following.
	wills   map[int][]store.Will
	leaving map[int]bool
	claims  int
}

func newNotary() *notary {
	return &notary{wills: make(map[int][]store.Will), leaving: make(map[int]bool)}
}

func (n *notary) of(node int) store.Wills { return &notaryNode{n, node} }

func (n *notary) leave(node int) []store.Will {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leaving[node] = true
	return slices.Clone(n.wills[node])
}

func (n *notary) take(node int) []store.Will {
	n.mu.Lock()
	defer n.mu.Unlock()
	wills := n.wills[node]
	delete(n.wills, node)
	delete(n.leaving, node)
	return wills
}

// list returns the wills of a node that are about rooms, one line each.
func (n *notary) list(node int) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []string
	for _, w := range n.wills[node] {
		body := string(w.Body)
		list = append(list, w.Topic+" "+w.Key+" "+body[strings.Index(body, `"room"`):])
	}
	slices.Sort(list)
	return list
}

type notaryNode struct {
	*notary
	node int
}

func (n *notaryNode) Will(w store.Will) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wills[n.node] = append(n.wills[n.node], w)
}

func (n *notaryNode) Unwill(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.removeLocked(n.node, key)
}

func (n *notary) removeLocked(node int, key string) bool {
	i := slices.IndexFunc(n.wills[node], func(w store.Will) bool { return w.Key == key })
	if i < 0 {
		return false
	}
	n.wills[node] = slices.Delete(slices.Clone(n.wills[node]), i, i+1)
	return true
}

func (n *notaryNode) Claim(ctx context.Context, key string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		panic("a claim without a deadline")
	}
	for node := range n.leaving {
		if node != n.node && n.removeLocked(node, key) {
			n.claims++
			return true
		}
	}
	return false
}
