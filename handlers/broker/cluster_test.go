package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
)

func TestRelayOverNodes(t *testing.T) {
	c := testkit.NewCloud(t)
	sites := testkit.NewSites(t, c, 3, nil)
	one, two, three := sites[0], sites[1], sites[2]
	a, b := one.Connect(t, "a"), one.Connect(t, "b")
	phone, laptop := two.Connect(t, "phone"), three.Connect(t, "laptop")
	for _, s := range []*testkit.Client{b, phone, laptop} {
		s.Say("join", `{"senderUserId":42}`)
	}
	a.Ask("hello", `{"recipientUserId":"42","n":1.0}`)
	a.Say("hello", `{"recipientUserId":42}`)
	a.Ask("hello", `{"recipientUserId":"nobody"}`)
	c.Settle()
	for _, s := range []*testkit.Client{b, phone, laptop} {
		s.Want(t, `hello {"recipientUserId":"42","n":1.0}`, `hello {"recipientUserId":42}`)
	}
	got := a.Take()
	if len(got) != 2 || got[0] != `ack {"ok":true,"delivered":3}` && got[1] != `ack {"ok":true,"delivered":3}` {
		t.Errorf("the sender got %q, want answers of 3 and 0 deliveries", got)
	}
	// Without an answer only this node counts.
	if stats := one.Broker.Stats(); stats.Relayed.Load() != 3 || stats.Delivered.Load() != 4 {
		t.Errorf("Stats = %d relayed, %d delivered, want 3, 4", stats.Relayed.Load(), stats.Delivered.Load())
	}
	if stats := two.Broker.Stats(); stats.Relayed.Load() != 0 || stats.Delivered.Load() != 0 {
		t.Errorf("Stats of the receiver's node = %d relayed, %d delivered, want 0, 0", stats.Relayed.Load(), stats.Delivered.Load())
	}
}

func TestRelayWhileTheOtherNodesAreAway(t *testing.T) {
	c := testkit.NewCloud(t)
	sites := testkit.NewSites(t, c, 2, nil)
	a, b, far := sites[0].Connect(t, "a"), sites[0].Connect(t, "b"), sites[1].Connect(t, "far")
	b.Say("join", `{"senderUserId":1}`)
	far.Say("join", `{"senderUserId":1}`)
	sites[0].Node.SetAway(true)
	a.Ask("e", `{"recipientUserId":1}`)
	a.Want(t, `ack {"ok":true,"delivered":1,"partial":true}`)
	b.Want(t, `e {"recipientUserId":1}`)
	c.Settle()
	far.Want(t)
	sites[0].Node.SetAway(false)
	a.Ask("e", `{"recipientUserId":1}`)
	c.Settle()
	a.Want(t, `ack {"ok":true,"delivered":2}`)
	far.Want(t, `e {"recipientUserId":1}`)
}

// A counted event must not overtake, or be overtaken by, one that nobody counts.
func TestRelayKeepsTheOrderWithAndWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		c.Delay = 5 * time.Millisecond
		sites := testkit.NewSites(t, c, 2, nil)
		a, near, far := sites[0].Connect(t, "a"), sites[0].Connect(t, "near"), sites[1].Connect(t, "far")
		near.Say("join", `{"senderUserId":1}`)
		far.Say("join", `{"senderUserId":1}`)
		var want []string
		answers := 0
		for i := range 300 {
			data := fmt.Sprintf(`{"recipientUserId":1,"n":%d}`, i)
			if i%3 == 0 {
				a.Ask("e", data)
				answers++
			} else {
				a.Say("e", data)
			}
			want = append(want, "e "+data)
		}
		near.Want(t, want...) // here at once
		a.Want(t)             // and the answer when all nodes have told
		time.Sleep(c.Delay)
		synctest.Wait()
		far.Want(t, want...)
		got := a.Take()
		for _, line := range got {
			if line != `ack {"ok":true,"delivered":2}` {
				t.Fatalf("answer %q, want 2 deliveries", line)
			}
		}
		if len(got) != answers {
			t.Errorf("%d answers, want %d", len(got), answers)
		}
		if stats := sites[0].Broker.Stats(); stats.Delivered.Load() != 300+100 {
			t.Errorf("Delivered = %d, want 400", stats.Delivered.Load())
		}
	})
}
