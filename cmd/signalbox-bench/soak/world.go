package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
)

// world is a run: the servers, the clients, and what is known of both.
type world struct {
	options   options
	town      *town
	clock     client.Clock
	actors    []*actor
	places    map[kind][]string
	plant     *plant
	log       io.Writer
	paused    atomic.Bool
	recovered atomic.Int64
	moved     atomic.Int64   // of these, at another server
	waiting   sync.WaitGroup // for answers
	large     sync.Mutex     // held while something is done to servers or Redis: one at a time

	// Owned by the goroutine of the run.
	round                                  int
	messages, deliveries, partial, refused int

	// mu guards the following.
	mu       sync.Mutex
	stops    map[int]bool // servers that stop
	troubles []trouble
	wrong    int
	evidence []string
}

// crowd is how many clients of a kind there are, and in how many places.
var crowd = []struct {
	kind    kind
	clients int
	places  int
}{{broker, 10, 5}, {lobby, 8, 2}, {room, 6, 2}, {text, 4, 2}, {watch, 2, 2}, {tap, 2, 0}, {events, 2, 0}}

// populate makes the clients; they connect when they are run.
func (w *world) populate() error {
	w.places = make(map[kind][]string)
	for _, c := range crowd {
		for i := range c.clients {
			place := ""
			if c.places > 0 {
				// What a room is called says nothing of its kind, for kinds that share rooms.
				name := map[kind]string{broker: "b", lobby: "l", room: "r", text: "r", watch: "r"}[c.kind]
				place = fmt.Sprintf("%s%d", name, i%c.places)
			} else if c.kind == tap {
				place = fmt.Sprintf("t%d", i)
			}
			if !slices.Contains(w.places[c.kind], place) {
				w.places[c.kind] = append(w.places[c.kind], place)
			}
			a := &actor{world: w, number: len(w.actors), kind: c.kind, place: place, polling: c.kind <= lobby && i%3 == 2}
			a.r = rand.New(rand.NewPCG(w.options.seed, uint64(a.number)+1<<32))
			p := w.plant
			if a.polling || c.kind == watch || c.kind == events {
				p = nil // it knows WebSockets
			}
			if w.options.recovery && !a.polling && c.kind <= room {
				a.back = &client.Return{}
			}
			var err error
			if a.link, err = newLink("", p); err != nil {
				return err
			}
			w.actors = append(w.actors, a)
		}
	}
	return nil
}

// stopping reports whether a server is about to stop.
func (w *world) stopping(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stops[n]
}

// carryOut does what the plan says, and returns when all of it is over.
func (w *world) carryOut(ctx context.Context, plan []step, length time.Duration) {
	begun := time.Now()
	var under sync.WaitGroup
	slices.SortStableFunc(plan, func(a, b step) int { return int(a.at - b.at) })
	for _, s := range plan {
		pause(ctx, time.Until(begun.Add(s.at)))
		if ctx.Err() != nil {
			break
		}
		under.Go(func() { w.do(ctx, s) })
	}
	pause(ctx, time.Until(begun.Add(length)))
	under.Wait()
}

// do carries out one step.
func (w *world) do(ctx context.Context, s step) {
	if w.options.verbose {
		fmt.Fprintf(w.log, "soak: %s round %d: %v\n", clock(time.Now()), w.round, s)
	}
	switch s.what {
	case cutClient, holeClient, stallClient:
		w.doClient(ctx, s)
		return
	}
	w.large.Lock()
	defer w.large.Unlock()
	if err := w.doServer(ctx, s); err != nil && ctx.Err() == nil {
		w.blame("%v: %v", s, err)
	}
}

// doClient does something to a client's connection.
func (w *world) doClient(ctx context.Context, s step) {
	a := w.actors[s.who]
	if s.what == stallClient {
		a.link.stall(ctx, s.wait)
		return
	}
	a.hit(s.what, true)
	if s.what == cutClient {
		a.link.cut()
	} else {
		a.link.hole(ctx, s.wait)
	}
}

// doServer does something to a server, or to its way to Redis.
func (w *world) doServer(ctx context.Context, s step) error {
	switch s.what {
	case killNode:
		w.hitNode(s.who, s.what, true)
		w.town.nodes[s.who].kill()
		pause(ctx, s.wait)
		return w.town.nodes[s.who].start(ctx)
	case stopNode:
		return w.stopNode(ctx, s)
	case cutRedis:
		end := w.trouble(s.who)
		w.town.nodes[s.who].redis.cut()
		end()
	case stallRedis:
		var all sync.WaitGroup
		for _, n := range w.town.nodes {
			all.Go(func() { n.redis.stall(ctx, s.wait) })
		}
		all.Wait()
	case awayRedis:
		for i, n := range w.town.nodes {
			defer w.trouble(i)()
			n.redis.refuse(true)
		}
		pause(ctx, s.wait)
		for _, n := range w.town.nodes {
			n.redis.refuse(false)
		}
	}
	return nil
}

// stopNode ends a server by SIGTERM, and starts it again.
func (w *world) stopNode(ctx context.Context, s step) error {
	n := w.town.nodes[s.who]
	w.mu.Lock()
	w.stops[s.who] = true
	w.mu.Unlock()
	w.hitNode(s.who, s.what, false)
	begun := time.Now()
	srv := n.server()
	srv.Stop(stopGrace)
	if took := time.Since(begun); took > 12*time.Second {
		w.blame("server %d took %v to stop:\n%s", s.who, took, srv.Output)
	}
	if line := complaint(srv.Output.String()); line != "" {
		w.blame("server %d says: %s", s.who, line)
	}
	pause(ctx, s.wait)
	w.mu.Lock()
	w.stops[s.who] = false
	w.mu.Unlock()
	return n.start(ctx)
}

// hit notes what is done to a client.
func (a *actor) hit(why string, lossy bool) {
	if s := a.current(); s != nil {
		s.hit(why, lossy)
	}
}

// hitNode notes what is done to all clients of a server.
func (w *world) hitNode(n int, why string, lossy bool) {
	for _, a := range w.actors {
		if s := a.current(); s != nil && s.at() == n {
			s.hit(why, lossy)
		}
	}
}

// trouble notes that Redis is away from a server until the function is called that it returns.
func (w *world) trouble(n int) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := len(w.troubles)
	w.troubles = append(w.troubles, trouble{node: n, from: time.Now()})
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.troubles[i].to = time.Now()
	}
}

// run has the clients talk for as many rounds as there is time for, then sends them away.
func (w *world) run(ctx context.Context) {
	living, leave := context.WithCancel(ctx)
	var crowd sync.WaitGroup
	for _, a := range w.actors {
		crowd.Go(func() { a.run(living) })
	}
	w.paused.Store(true)
	w.settle(ctx)
	for left := w.options.length; left > 0 && ctx.Err() == nil; left -= w.options.round {
		w.round++
		length := min(left, w.options.round)
		plan := planRound(w.options.seed, w.round, len(w.actors), len(w.town.nodes), w.town.redis != nil, length)
		before := w.wrong
		w.paused.Store(false)
		w.carryOut(ctx, plan, length)
		w.paused.Store(true)
		pause(ctx, flight)
		w.settle(ctx)
		w.judge()
		if w.wrong > before {
			w.blame("the schedule of that round was %v", plan)
		}
	}
	leave()
	crowd.Wait()
	w.waiting.Wait()
	for _, a := range w.actors {
		a.link.close() // black holes end: nothing tells a server that a stream is one
	}
	if ctx.Err() == nil {
		if w.options.plant == plantKey && w.town.store != nil {
			w.town.store.Set(ctx, prefix+"-signalbox:planted", 1, time.Hour)
		}
		w.leftovers(ctx)
		for _, n := range w.town.nodes {
			if line := complaint(n.server().Output.String()); line != "" {
				w.blame("server %d says: %s", n.number, line)
			}
		}
	}

}
