package cluster

import (
	"fmt"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// A node that lags behind does not know of joins, and must not keep what its clients send.
func TestANodeThatIsBehindKeepsNothing(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		for i := range 3 {
			r := hub.Room{Kind: hub.KindUser, Name: fmt.Sprint("u", i)}
			func() {
				a.receiving.Lock() // as if the process was stopped
				defer a.receiving.Unlock()
				c := b.join("c", r)
				a.hub.Send(r, event("/", "x"))
				c.want(t, "x")
			}()
			eventually(t, "it has caught up", a.sure)
		}
	})
}

func TestAttention(t *testing.T) {
	a := attention{epoch: time.Now().Add(-time.Minute)}
	at := func(ago time.Duration) uint64 { return a.stamp() - uint64(ago) }
	if a.isPaid() {
		t.Error("nothing has come back, and attention is paid")
	}
	a.saw(at(knowledgeLife / 2))
	if !a.isPaid() {
		t.Error("what has just come back does not count")
	}
	a.saw(at(knowledgeLife * 2)) // late
	if !a.isPaid() {
		t.Error("what came back late takes attention away")
	}
	a.lose()
	a.saw(at(knowledgeLife + time.Millisecond))
	if a.isPaid() {
		t.Error("what is old counts")
	}
	a.saw(at(-time.Hour))
	if a.isPaid() {
		t.Error("what comes from the future counts")
	}
}

// Whoever is not known may want anything; nodes that are not in a namespace, or that drain, hide nobody.
func TestCountOfASpace(t *testing.T) {
	for name, tc := range map[string]struct {
		sharded bool
		known   int
		n       []int64 // request, marker, everybody
		foreign int64
		unknown bool
	}{
		"alone":                             {false, 0, []int64{1, 1, 1}, 0, false},
		"alone, sharded":                    {true, 0, []int64{1, 1}, 0, false},
		"two who know each other":           {false, 1, []int64{2, 2, 2}, 0, false},
		"a stranger":                        {false, 1, []int64{3, 3, 3}, 0, true},
		"a stranger, sharded":               {true, 1, []int64{3, 3}, 0, true},
		"a stranger and one in other rooms": {false, 1, []int64{2, 2, 3}, 0, true},
		"a stranger that drains":            {false, 0, []int64{1, 1, 2}, 0, true},
		"one that drains and is known":      {false, 1, []int64{1, 1, 2}, 0, false},
		"a Node server":                     {false, 1, []int64{3, 2, 2}, 1, true},
		"a Node server, sharded":            {true, 1, []int64{3, 2}, 1, true},
		"numbers that cannot be":            {false, 0, []int64{0, 1, 1}, 0, false},
		"an answer that cannot be read":     {false, 0, []int64{1}, 0, true},
	} {
		c := New(Options{Hub: hub.New(), Prefix: "p", NodeID: NewNodeID(), Sharded: tc.sharded})
		c.members.known.Store(int32(tc.known))
		c.Open("/")
		s := c.space("/")
		c.unmet.Store(0)
		if got := s.count(tc.n); got != tc.unknown || s.foreign.Load() != tc.foreign {
			t.Errorf("%s: count(%v) = %v with %d foreign, want %v and %d", name, tc.n, got, s.foreign.Load(), tc.unknown, tc.foreign)
		}
		if got := s.foreign.Load() > 0 || c.unmet.Load() > 0; got != (tc.unknown && len(tc.n) > 1) {
			t.Errorf("%s: after count(%v) messages are published at once: %v", name, tc.n, got)
		}
	}
}

// A node that has come is known to the others when Start returns, also where one has gone without a word that they still
// take to be there.
func TestANewNodeMissesNothing(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, dead := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, dead)
		dead.voice.Lock()
		dead.silent = true // says no good-bye
		dead.voice.Unlock()
		dead.link.Close()
		for i := range 5 {
			b := startNode(t, s, o...)
			r := hub.Room{Kind: hub.KindUser, Name: fmt.Sprint("u", i)}
			c := b.join("c", r)
			a.hub.Send(r, event("/", "x"))
			c.want(t, "x")
		}
	})
}
