package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// Clients come, talk and go on three nodes at once, while namespaces open and close: who is in a room gets what is sent to it
// from then on, and every count is told once.
func TestEverythingAtOnce(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		nodes := []*node{startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)}
		for _, n := range nodes {
			n.OnAsk("any", func(_ context.Context, body []byte) []byte { return body })
			t.Cleanup(drainNode(n))
		}
		meet(t, nodes...)
		var asked, told atomic.Int64
		var all sync.WaitGroup
		for worker := range 12 {
			all.Go(func() {
				here, there := nodes[worker%3], nodes[(worker+1)%3]
				for i := range 60 {
					// A room of its own, and one that it shares with others.
					rooms := []hub.Room{
						{Kind: hub.KindUser, Name: fmt.Sprintf("%d-%d", worker, i)}, {Kind: hub.KindLobby, Name: fmt.Sprint(i % 5)},
					}
					c := here.join(fmt.Sprint("c", worker), rooms...)
					there.hub.Send(rooms[0], event("/", "a"))
					asked.Add(1)
					there.hub.SendCounted(rooms[0], event("/", "b"), func(n int, complete bool) {
						told.Add(1)
						if n != 1 || !complete {
							t.Errorf("counted %d, complete %v, want 1 and true", n, complete)
						}
					})
					c.want(t, "a", "b")
					namespace := fmt.Sprint("/ns", worker) // opened and closed in turns, as package socketio does
					here.Open(namespace)
					in := here.join(fmt.Sprint("n", worker), hub.NamespaceRoom(namespace, "r"))
					there.hub.Send(hub.NamespaceRoom(namespace, "r"), event(namespace, "c"))
					in.want(t, "c")
					here.hub.Remove(in.Member)
					here.Close(namespace)
					here.hub.Remove(c.Member)
					if i%10 == 0 {
						if answers, complete := here.Ask(t.Context(), "any", []byte("x")); len(answers) != 2 || !complete {
							t.Errorf("answers %q, complete %v, want 2 and true", answers, complete)
						}
					}
				}
			})
		}
		all.Wait()
		eventually(t, "every count is told", func() bool { return told.Load() == asked.Load() })
		for i, n := range nodes {
			if !n.questions.none() || !n.gatherings.none() {
				t.Errorf("node %d: questions are open", i)
			}
			n.rooms.sweep(time.Now().Add(2 * linger))
			n.rooms.mu.Lock()
			if len(n.rooms.rooms)+len(n.rooms.idle) > 0 {
				t.Errorf("node %d: %d rooms are subscribed to, %d are idle", i, len(n.rooms.rooms), len(n.rooms.idle))
			}
			n.rooms.mu.Unlock()
		}
	})
}

// Redis goes and comes back again and again under load: every call ends, every count is told once, and in the end all is well.
func TestRedisGoesUnderLoad(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		for _, n := range []*node{a, b} {
			n.OnAsk("any", func(_ context.Context, body []byte) []byte { return body })
			t.Cleanup(drainNode(n))
		}
		meet(t, a, b)
		stop := make(chan struct{})
		var asked, told atomic.Int64
		var all sync.WaitGroup
		for worker := range 6 {
			all.Go(func() {
				n := []*node{a, b}[worker%2]
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					r := hub.Room{Kind: hub.KindUser, Name: fmt.Sprint(worker, "-", i%10)}
					c := n.join(fmt.Sprint("c", worker), r)
					asked.Add(1)
					n.hub.SendCounted(r, event("/", "x"), func(int, bool) { told.Add(1) })
					n.Ask(ctx, "any", nil)
					switch worker {
					case 0:
						_, _ = n.FetchSockets(ctx, "/", hub.Selection{}) // may fail
					case 1:
						n.AskClients(ctx, single(r), event("/", "q"), time.Second, func(string, []json.RawMessage, [][]byte) {})
					}
					n.hub.Remove(c.Member)
					cancel()
				}
			})
		}
		for range 3 {
			s.Stop()
			eventually(t, "it is noticed", func() bool { return !a.link.Up() && !b.link.Up() })
			s.Start()
			eventually(t, "it is back", func() bool { return a.link.Up() && b.link.Up() })
		}
		close(stop)
		all.Wait()
		eventually(t, "every count is told", func() bool { return told.Load() == asked.Load() })
		meet(t, a, b)
		c := b.join("c", user42)
		if n, complete := sum(t, a, user42, event("/", "end")); n != 1 || !complete {
			t.Errorf("delivered to %d, complete %v, want 1 and true", n, complete)
		}
		c.want(t, "end")
	})
}
