package workers_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/handlers/workers"
	"signalbox/server/hub"
)

// TestOrderOverManySockets: each socket's events come one at a time, in order and without a gap, also while its worker
// changes.
func TestOrderOverManySockets(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience})
	const sockets, events = 20, 40
	var mu sync.Mutex
	seen, by := make(map[string]int), make(map[string]map[int]bool)
	answer := func(number int) func(envelope) string {
		return func(e envelope) string {
			mu.Lock()
			defer mu.Unlock()
			if e.Type == "event" {
				if seen[e.Socket]++; e.Seq != seen[e.Socket] || string(e.Args[0]) != strconv.Itoa(e.Seq) {
					t.Errorf("%s: seq %d with %s, want %d", e.Socket, e.Seq, e.Args[0], seen[e.Socket])
				}
				if by[e.Socket] == nil {
					by[e.Socket] = make(map[int]bool)
				}
				by[e.Socket][number] = true
			}
			return welcome(e)
		}
	}
	start(t, n, answer(1), "/game:*")
	start(t, n, answer(2), "/game:*")
	clients := make([]*testkit.Wire, sockets)
	for i := range clients {
		clients[i] = testkit.Dial(t, n.url)
		clients[i].Join("/game", "")
	}
	var done sync.WaitGroup
	half := make(chan struct{})
	for i, c := range clients {
		done.Go(func() {
			for e := 1; e <= events; e++ {
				if e == events/2 && i == 0 {
					close(half)
				}
				c.Send(fmt.Sprintf(`42/game,%d["x",%d]`, e, e))
			}
			for e := 1; e <= events; e++ {
				c.Want(fmt.Sprintf(`43/game,%d[%d]`, e, e))
			}
		})
	}
	<-half
	start(t, n, answer(3), "/game:*")
	done.Wait()
	mu.Lock()
	defer mu.Unlock()
	used := make(map[int]bool)
	for _, workers := range by {
		for number := range workers {
			used[number] = true
		}
	}
	if len(used) != 3 {
		t.Errorf("workers %v were used, want three", used)
	}
	changed := 0
	for _, workers := range by {
		if len(workers) > 2 {
			t.Errorf("a socket had %d workers, want two at most", len(workers))
		} else if len(workers) == 2 {
			changed++
		}
	}
	if changed == sockets {
		t.Error("every socket changed its worker when one came")
	}
}

// TestSoMuchIsOutAtOnce: the rest waits, and comes when there is room.
func TestSoMuchIsOutAtOnce(t *testing.T) {
	for name, tc := range map[string]struct{ maxOutBytes, sockets, eventBytes, out int }{
		"events":              {0, 1030, 0, 1024},
		"4 MiB":               {0, 5, 900 << 10, 4},
		"what a worker takes": {100 << 10, 20, 10 << 10, 9},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t, router.OutsideOptions{Timeout: patience}, nil, hub.New(), func(o *workers.Options) { o.MaxOutBytes = tc.maxOutBytes })
			w := connect(t, n)
			claim(t, w, "/shop-*:*")
			var out []string // ids of what is with the worker
			read := func() {
				id, _, isEvent := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
				if !isEvent {
					t.Fatalf("the worker reads %s", id)
				}
				out = append(out, id)
			}
			answer := func() {
				w.Send("43/backend," + out[0] + `[{"results":[{"ack":[7]}]}]`)
				out = out[1:]
			}
			const each = 50 // sockets of one connection
			var clients []*testkit.Wire
			for i := range tc.sockets {
				if i%each == 0 {
					clients = append(clients, testkit.Dial(t, n.url))
				}
				clients[i/each].Send(fmt.Sprintf("40/shop-%d,", i))
				read()
				answer()
				clients[i/each].Read()
			}
			for i := range tc.sockets {
				clients[i/each].Send(fmt.Sprintf(`42/shop-%d,1["x","%s"]`, i, strings.Repeat("x", tc.eventBytes)))
			}
			for range tc.out {
				read()
			}
			w.Send(`42/backend,9["rooms"]`) // what comes before its answer would be too much
			if got := w.Read(); !strings.HasPrefix(got, "43/backend,9[") {
				t.Fatalf("with %d events out there is %.60s", tc.out, got)
			}
			for range tc.sockets - tc.out {
				answer()
				read()
			}
			for len(out) > 0 {
				answer()
			}
			for i := range tc.sockets {
				if got := clients[i/each].Read(); !strings.HasSuffix(got, ",1[7]") {
					t.Fatalf("a client reads %s", got)
				}
			}
		})
	}
}

// TestFloodIsNotTheWorkers: of a client that sends faster than the worker answers the worker has one event at a time.
func TestFloodIsNotTheWorkers(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience})
	w := connect(t, n)
	claim(t, w, "/game:*")
	read := func() string {
		id, _, _ := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
		return id
	}
	c := testkit.Dial(t, n.url)
	c.Send("40/game,")
	w.Send("43/backend," + read() + `[{"results":[{}]}]`)
	c.Read()
	const events = 300
	for range events {
		c.Send(`42/game,["flood"]`)
	}
	c.Send(`42/game,9["last"]`)
	for i := range events + 1 {
		id := read()
		w.Send(`42/backend,8["rooms"]`)
		if got := w.Read(); !strings.HasPrefix(got, "43/backend,8[") {
			t.Fatalf("beside event %d there is %s", i, got)
		}
		w.Send("43/backend," + id + `[{"results":[{"ack":[7]}]}]`)
	}
	c.Want(`43/game,9[7]`)
}
