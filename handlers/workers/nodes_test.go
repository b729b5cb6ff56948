package workers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/handlers/workers"
	"signalbox/server/hub"
)

// town is some nodes of a cluster with workers.
func town(t testing.TB, o router.OutsideOptions, size int, adjust ...func(*workers.Options)) (nodes []*node, cloud *testkit.Cloud) {
	cloud = testkit.NewCloud(t)
	for range size {
		h := hub.New()
		nodes = append(nodes, serve(t, o, cloud.Join(h), h, adjust...))
	}
	return nodes, cloud
}

// TestWorkersOfOtherNodes serve the sockets of all, in order, and another one takes over when they die.
func TestWorkersOfOtherNodes(t *testing.T) {
	nodes, _ := town(t, router.OutsideOptions{Timeout: patience, Retry: []string{"x"}}, 3)
	var mu sync.Mutex
	last := make(map[string]int)
	used := make(map[int]bool)
	answer := func(number int) func(envelope) string {
		return func(e envelope) string {
			mu.Lock()
			defer mu.Unlock()
			if e.Type == "event" {
				used[number] = true
				if e.Seq != last[e.Socket]+1 && e.Seq != last[e.Socket] { // the same when it comes again
					t.Errorf("%s: seq %d after %d", e.Socket, e.Seq, last[e.Socket])
				}
				last[e.Socket] = e.Seq
			}
			return welcome(e)
		}
	}
	dies := start(t, nodes[0], answer(0), "/game:*")
	start(t, nodes[1], answer(1), "/game:*")
	knows(t, nodes[0], 1)
	knows(t, nodes[1], 1)
	knows(t, nodes[2], 2)
	const events = 30
	var clients []*testkit.Wire
	for i := range 12 {
		c := testkit.Dial(t, nodes[i%3].url)
		c.Join("/game", "")
		clients = append(clients, c)
	}
	run := func(from int) {
		var done sync.WaitGroup
		for i, c := range clients {
			done.Go(func() {
				for e := from; e < from+events; e++ {
					c.Send(fmt.Sprintf(`42/game,%d["x"]`, e))
					if e == from+events/2 && from > 1 && i == 0 {
						dies.Cut()
					}
				}
				for e := from; e < from+events; e++ {
					c.Want(fmt.Sprintf(`43/game,%d[%d]`, e, e))
				}
			})
		}
		done.Wait()
	}
	run(1)
	if len(used) != 2 {
		t.Errorf("workers %v were used, want both", used)
	}
	run(1 + events)
	knows(t, nodes[2], 1)
}

// TestWorkerThatStops claims nothing any more, and answers what it has: nothing is lost.
func TestWorkerThatStops(t *testing.T) {
	nodes, _ := town(t, router.OutsideOptions{Timeout: patience}, 2)
	release, has := make(chan struct{}), make(chan struct{})
	w := start(t, nodes[0], func(e envelope) string {
		if e.Type == "event" {
			close(has)
			<-release
		}
		return welcome(e)
	}, "/game:*")
	knows(t, nodes[1], 1)
	c := testkit.Dial(t, nodes[1].url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	<-has
	if !w.TrySend(`42/backend,["handle",{"events":[]}]`) {
		t.Fatal("handle could not be sent")
	}
	knows(t, nodes[1], 0)
	close(release)
	c.Want(`43/game,1[1]`)
}

// TestWorkerThatHasStopped, which another node does not know yet: what it did not get goes to the next one.
func TestWorkerThatHasStopped(t *testing.T) {
	nodes, cloud := town(t, router.OutsideOptions{Timeout: patience}, 2)
	cloud.Delay = 30 * time.Millisecond
	stops := start(t, nodes[0], welcome, "/game:*")
	start(t, nodes[0], welcome, "/game:*")
	knows(t, nodes[1], 2)
	var clients []*testkit.Wire
	for range 8 {
		c := testkit.Dial(t, nodes[1].url)
		c.Join("/game", "")
		clients = append(clients, c)
	}
	stops.TrySend(`42/backend,["handle",{"events":[]}]`)
	for _, c := range clients {
		c.Send(`42/game,1["x"]`)
	}
	for _, c := range clients {
		c.Want(`43/game,1[1]`)
	}
}

// TestNodeThatIsSilent: its workers are nobody's after a while, and those who waited for them hear so.
func TestNodeThatIsSilent(t *testing.T) {
	nodes, cloud := town(t, router.OutsideOptions{Timeout: patience}, 2, func(o *workers.Options) { o.Beat = 100 * time.Millisecond })
	got := make(chan envelope, 1)
	start(t, nodes[0], func(e envelope) string {
		if e.Type == "event" {
			got <- e
			return ""
		}
		return welcome(e)
	}, "/game:*")
	knows(t, nodes[1], 1)
	c := testkit.Dial(t, nodes[1].url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	<-got
	for _, n := range cloud.All() {
		n.SetAway(true)
	}
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	if s := nodes[1].workers.Stats(); s.Elsewhere != 0 || s.Died != 1 {
		t.Errorf("stats %+v, want nobody elsewhere and 1 died", s)
	}
}
