package handlers

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
	"signalbox/store"
)

// site is one of the nodes of a cloud with its handler of "/". The users of the chat are in a store that all share.
type site struct {
	*world
	node *cloudNode
}

// newSites returns as many nodes that share users; nil: a store in memory.
func newSites(t testing.TB, c *cloud, n int, users store.UserStore) []*site {
	t.Helper()
	if users == nil {
		users = store.NewMemory()
	}
	sites := make([]*site, n)
	for i := range sites {
		s := &site{world: &world{hub: hub.New()}}
		s.users, _ = users.(*store.Memory)
		s.node = c.add(s.hub)
		s.root = NewRoot(s.hub, users, RootOptions{Nodes: s.node, Clustered: true}, slog.New(slog.DiscardHandler))
		t.Cleanup(s.root.Close)
		sites[i] = s
	}
	return sites
}

func TestRelayOverNodes(t *testing.T) {
	c := newCloud(t)
	sites := newSites(t, c, 3, nil)
	one, two, three := sites[0], sites[1], sites[2]
	a, b := one.connect(t, "a"), one.connect(t, "b")
	phone, laptop := two.connect(t, "phone"), three.connect(t, "laptop")
	for _, s := range []*client{b, phone, laptop} {
		s.send("join", `{"senderUserId":42}`)
	}
	a.ask("hello", `{"recipientUserId":"42","n":1.0}`)
	a.send("hello", `{"recipientUserId":42}`)
	a.ask("hello", `{"recipientUserId":"nobody"}`)
	c.settle()
	for _, s := range []*client{b, phone, laptop} {
		s.want(t, `hello {"recipientUserId":"42","n":1.0}`, `hello {"recipientUserId":42}`)
	}
	got := a.take()
	if len(got) != 2 || got[0] != `ack {"ok":true,"delivered":3}` && got[1] != `ack {"ok":true,"delivered":3}` {
		t.Errorf("the sender got %q, want answers of 3 and 0 deliveries", got)
	}
	// Without an answer only this node counts.
	if stats := one.root.Stats(); stats.Relayed != 3 || stats.Delivered != 4 {
		t.Errorf("Stats = %d relayed, %d delivered, want 3, 4", stats.Relayed, stats.Delivered)
	}
	if stats := two.root.Stats(); stats.Relayed != 0 || stats.Delivered != 0 {
		t.Errorf("Stats of the receiver's node = %d relayed, %d delivered, want 0, 0", stats.Relayed, stats.Delivered)
	}
}

func TestRelayWhileTheOtherNodesAreAway(t *testing.T) {
	c := newCloud(t)
	sites := newSites(t, c, 2, nil)
	a, b, far := sites[0].connect(t, "a"), sites[0].connect(t, "b"), sites[1].connect(t, "far")
	b.send("join", `{"senderUserId":1}`)
	far.send("join", `{"senderUserId":1}`)
	sites[0].node.setAway(true)
	a.ask("e", `{"recipientUserId":1}`)
	a.want(t, `ack {"ok":true,"delivered":1,"partial":true}`)
	b.want(t, `e {"recipientUserId":1}`)
	c.settle()
	far.want(t)
	sites[0].node.setAway(false)
	a.ask("e", `{"recipientUserId":1}`)
	c.settle()
	a.want(t, `ack {"ok":true,"delivered":2}`)
	far.want(t, `e {"recipientUserId":1}`)
}

// A counted event must not overtake, or be overtaken by, one that nobody counts.
func TestRelayKeepsTheOrderWithAndWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.delay = 5 * time.Millisecond
		sites := newSites(t, c, 2, nil)
		a, near, far := sites[0].connect(t, "a"), sites[0].connect(t, "near"), sites[1].connect(t, "far")
		near.send("join", `{"senderUserId":1}`)
		far.send("join", `{"senderUserId":1}`)
		var want []string
		answers := 0
		for i := range 300 {
			data := fmt.Sprintf(`{"recipientUserId":1,"n":%d}`, i)
			if i%3 == 0 {
				a.ask("e", data)
				answers++
			} else {
				a.send("e", data)
			}
			want = append(want, "e "+data)
		}
		near.want(t, want...) // here at once
		a.want(t)             // and the answer when all nodes have told
		time.Sleep(c.delay)
		synctest.Wait()
		far.want(t, want...)
		got := a.take()
		for _, line := range got {
			if line != `ack {"ok":true,"delivered":2}` {
				t.Fatalf("answer %q, want 2 deliveries", line)
			}
		}
		if len(got) != answers {
			t.Errorf("%d answers, want %d", len(got), answers)
		}
		if stats := sites[0].root.Stats(); stats.Delivered != 300+100 {
			t.Errorf("Delivered = %d, want 400", stats.Delivered)
		}
	})
}
