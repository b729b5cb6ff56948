package load

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// joinAck numbers the callback of a join; scenarios use lower numbers.
const joinAck = 1 << 40

// crowd is a number of connected clients.
type crowd struct {
	Clients []client.Client // in the order of their numbers; those that could not connect are nil
	latency measure.Histogram
	failed  int
	err     error // why the first one could not connect

	gone    atomic.Int64 // clients whose connection ended before close
	joined  []atomic.Bool
	joins   atomic.Int64
	closing atomic.Bool
	release func() bool
}

// Connect opens n clients, parallel of them at a time, spread over the servers. on makes the callbacks of client i. Failed clients are
// counted; need turns them into an error. The crowd must be closed, also after an error; the end of ctx cuts all connections.
func (r *Runner) Connect(ctx context.Context, n, parallel int, opts client.Options, on func(i int) client.Callbacks) *crowd {
	return r.ConnectEach(ctx, n, parallel, func(i int) client.Options {
		each := opts
		each.Server = i % len(r.targets)
		return each
	}, on)
}

// ConnectEach is connect with options for each client.
func (r *Runner) ConnectEach(ctx context.Context, n, parallel int, opts func(i int) client.Options, on func(i int) client.Callbacks) *crowd {
	c := &crowd{Clients: make([]client.Client, n), joined: make([]atomic.Bool, n)}
	var connected, next atomic.Int64
	r.Progress.watch("clients connected", &connected, int64(n))
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range min(parallel, n) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				begin := r.clock.Now()
				o := opts(i)
				cl, err := client.Dial(ctx, r.targets[o.Server], r.clock, o, c.wrap(i, on(i)))
				if err != nil {
					mu.Lock()
					c.failed++
					if c.err == nil {
						c.err = err
					}
					mu.Unlock()
					continue
				}
				c.latency.Record(r.clock.Now() - begin)
				c.Clients[i] = cl
				cl.Start()
				connected.Add(1)
			}
		})
	}
	workers.Wait()
	c.release = context.AfterFunc(ctx, c.cut)
	return c
}

// wrap adds to a client's callbacks what the crowd itself wants to know.
func (c *crowd) wrap(i int, on client.Callbacks) client.Callbacks {
	ack, end := on.Ack, on.End
	on.Ack = func(at int64, id uint64, arg []byte) {
		switch {
		case id == joinAck:
			c.markJoined(i)
		case ack != nil:
			ack(at, id, arg)
		}
	}
	on.End = func(err error) {
		if !c.closing.Load() {
			c.gone.Add(1)
		}
		if end != nil {
			end(err)
		}
	}
	return on
}

// markJoined notes that the server has let client i join.
func (c *crowd) markJoined(i int) {
	if !c.joined[i].Swap(true) {
		c.joins.Add(1)
	}
}

// Need returns an error unless every client is connected.
func (c *crowd) Need() error {
	if c.failed > 0 || slices.Contains(c.Clients, nil) {
		return fmt.Errorf("%d of %d clients could not connect: %w", c.failed, len(c.Clients), c.err)
	}
	return nil
}

// join makes every client a socket of a user of the broker and waits for the server's callbacks. A join that is not
// answered within a second is sent again: some servers lose what comes right behind the connect.
func (r *Runner) join(ctx context.Context, c *crowd, res *measure.Result, user func(i int) string) error {
	if err := c.Need(); err != nil {
		return err
	}
	const attempts = 5
	total := int64(len(c.Clients))
	for attempt := range attempts {
		if missing := total - c.joins.Load(); attempt > 0 && missing > 0 {
			res.Note(fmt.Sprintf("%d joins were not answered and sent again", missing))
		}
		for i, cl := range c.Clients {
			if c.joined[i].Load() {
				continue
			}
			if err := cl.Send(client.AppendJoin(nil, joinAck, user(i))); err != nil {
				return fmt.Errorf("join: %w", err)
			}
		}
		if Await(ctx, &c.joins, total, max(time.Second, r.Opts.quiet/2)) == 0 {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%d of %d joins were never answered", total-c.joins.Load(), total)
}

// Close says goodbye for every client and waits until all have stopped reading. A server that no longer reads costs a
// few seconds at most.
func (c *crowd) Close() {
	c.closing.Store(true)
	if c.release != nil {
		c.release()
	}
	polite := time.Now().Add(5 * time.Second)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(c.Clients) {
					return
				}
				cl := c.Clients[i]
				if cl == nil {
					continue
				}
				select {
				case <-cl.Done():
				default:
					if time.Now().Before(polite) {
						cl.Leave()
					}
				}
				cl.Cut()
				<-cl.Done()
			}
		})
	}
	workers.Wait()
}

// cut cuts every connection at once.
func (c *crowd) cut() {
	for _, cl := range c.Clients {
		if cl != nil {
			cl.Cut()
		}
	}
}

// Await waits until count has reached total. It returns 0 then, else how long nothing had arrived when it gave up:
// after quiet without an arrival, or at the end of ctx.
func Await(ctx context.Context, count *atomic.Int64, total int64, quiet time.Duration) time.Duration {
	return awaitActive(ctx, count, total, count, quiet)
}

// awaitActive is await where another counter than the one that ends it tells that something still arrives.
func awaitActive(ctx context.Context, count *atomic.Int64, total int64, arrivals *atomic.Int64, quiet time.Duration) time.Duration {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	seen, since := arrivals.Load(), time.Now()
	for count.Load() < total {
		select {
		case <-ctx.Done():
			return max(time.Since(since), 1)
		case <-tick.C:
		}
		switch n := arrivals.Load(); {
		case n != seen:
			seen, since = n, time.Now()
		case time.Since(since) > quiet:
			return time.Since(since)
		}
	}
	return 0
}

// timerSlack is how coarse the generator's own timers are; a message that leaves that little behind its schedule counts
// as due when it leaves.
const timerSlack = int64(2 * time.Millisecond)

// pace calls send for the messages 0 to total-1 at rate per second and returns by how much it was late at most. due is
// when the message should go out, by the clock: above 1000 per second they are due in groups, one a millisecond. Where
// a send blocks, those behind it keep the time they should have gone out: a server that stalls cannot hide it.
func (r *Runner) pace(ctx context.Context, rate float64, total int64, send func(i, due int64)) (time.Duration, error) {
	const tick = int64(time.Millisecond)
	begin := r.clock.Now()
	var late int64
	for i := range total {
		offset := int64(math.Round(float64(i) / rate * float64(time.Second)))
		if rate > 1000 {
			offset = (offset + tick - 1) / tick * tick
		}
		due := begin + offset
		for {
			now := r.clock.Now()
			if now >= due {
				late = max(late, now-due)
				if now-due < timerSlack {
					due = now
				}
				break
			}
			if err := measure.Pause(ctx, time.Duration(due-now)); err != nil {
				return 0, err
			}
		}
		if i%64 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		send(i, due)
	}
	return time.Duration(late), nil
}
