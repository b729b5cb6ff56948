package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// breakage is how a connection of jitter breaks.
type breakage bool

const (
	cutConnection    breakage = false
	silentConnection breakage = true // the server sees it open
)

// phone is a member of a room whose connections break. It comes back as socket.io-client does: with the id of its session and
// the last text at the end of an event, and it joins anew where the server has forgotten it.
type phone struct {
	runner *Runner
	on     client.Callbacks
	lost   *atomic.Int64 // comebacks that came to nothing
	joined chan struct{}

	mu sync.Mutex
	// mu guards the following.
	back client.Return
	turn int // which of its connections it listens to

	// Owned by run.
	current client.Client
	silent  []client.Client
}

// dial opens the next connection of a phone.
func (p *phone) dial(ctx context.Context) error {
	p.mu.Lock()
	p.turn++
	turn, back := p.turn, p.back
	p.mu.Unlock()
	on := client.Callbacks{
		Event: func(at int64, event []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if turn != p.turn {
				return
			}
			if last := client.LastText(event); last != "" {
				p.back.Offset = last
			}
			p.on.Event(at, event)
		},
		Ack: func(int64, uint64, []byte) {
			select {
			case p.joined <- struct{}{}:
			default:
			}
		},
	}
	cl, err := client.Dial(ctx, p.runner.targets[0], p.runner.clock, client.Options{Return: &back}, on)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.back.PID = back.PID
	p.mu.Unlock()
	p.current = cl
	cl.Start()
	if back.Recovered {
		return nil
	}
	select {
	case <-p.joined: // of an earlier connection
	default:
	}
	if err := cl.Send(client.AppendJoin(nil, joinAck, roomUser)); err != nil {
		return err
	}
	select {
	case <-p.joined:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("a join was not answered")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drop breaks the phone's connection.
func (p *phone) drop(how breakage) {
	p.mu.Lock()
	p.turn++
	p.mu.Unlock()
	if how == silentConnection {
		p.silent = append(p.silent, p.current)
	} else {
		p.current.Cut()
	}
}

// run breaks the connection again and again until ctx is over, and leaves it open then.
func (p *phone) run(ctx, until context.Context, how breakage) {
	o := &p.runner.Opts
	wait := time.Duration(rand.Int64N(int64(o.jitterEvery)))
	for {
		if measure.Pause(until, wait) != nil {
			return
		}
		p.drop(how)
		if measure.Pause(ctx, o.jitterAway) != nil {
			return
		}
		for p.dial(ctx) != nil { // as the client: again, a second later
			p.lost.Add(1)
			if measure.Pause(ctx, time.Second) != nil {
				return
			}
		}
		wait = o.jitterEvery - o.jitterAway
	}
}

func (p *phone) close() {
	for _, cl := range append(p.silent, p.current) {
		if cl != nil {
			cl.Cut()
			<-cl.Done()
		}
	}
}

// runJitter sends to a room whose members lose their connections at times of their own.
func runJitter(how breakage) func(ctx context.Context, r *Runner, res *measure.Result) error {
	return func(ctx context.Context, r *Runner, res *measure.Result) error {
		o := &r.Opts
		n, total := o.jitterClients, int64(o.jitterMessages)
		res.About = fmt.Sprintf("%d members, each away for %v every %v, %d messages at %g/s", n, o.jitterAway, o.jitterEvery, total, o.jitterRate)
		if o.jitterEvery <= o.jitterAway {
			return fmt.Errorf("--jitter-every %v is not longer than --jitter-away %v", o.jitterEvery, o.jitterAway)
		}
		a := newArrivals(n, total, o.PadBytes, func(int) int64 { return 1 })
		sender := r.Connect(ctx, 1, 1, client.Options{}, func(int) client.Callbacks { return client.Callbacks{} })
		defer sender.Close()
		if err := sender.Need(); err != nil {
			return err
		}
		var lost, connected atomic.Int64
		phones := make([]*phone, n)
		defer func() {
			for _, p := range phones {
				p.close()
			}
		}()
		for i := range phones {
			phones[i] = &phone{runner: r, on: a.receiver(i), lost: &lost, joined: make(chan struct{}, 1)}
		}
		r.Progress.watch("members connected", &connected, int64(n))
		for _, p := range phones {
			if err := p.dial(ctx); err != nil {
				return err
			}
			connected.Add(1)
		}
		r.Progress.watch("deliveries", &a.delivered, total*int64(n))
		until, stop := context.WithCancel(ctx)
		defer stop()
		var running sync.WaitGroup
		for _, p := range phones {
			running.Go(func() { p.run(ctx, until, how) })
		}
		b, err := r.broadcast(ctx, sender.Clients[0], a, res, o.jitterRate, total, int64(n))
		stop()
		running.Wait()
		if err != nil {
			return err
		}
		Await(ctx, &a.delivered, b.sent*int64(n), o.quiet)
		if k := lost.Load(); k > 0 {
			res.Note(fmt.Sprintf("%d comebacks failed and were tried again", k))
		}
		err = a.finishMetered(ctx, res, b)
		res.Note(fmt.Sprintf("%.3f %% arrived", 100*float64(res.Counts.Delivered)/float64(max(res.Counts.Expected, 1))))
		return err
	}
}
