package load

import (
	"cmp"
	"context"
	"errors"
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
	phones *phones
	joined chan struct{}
	over   chan struct{} // closed by close

	mu sync.Mutex
	// mu guards the following.
	session client.Return
	turn    int  // which of its connections it listens to
	hole    bool // the others are black holes

	// Owned by run.
	current client.Client
	silent  []client.Client
	back    bool // it was away and has come back
}

// phones are the members of a room, and what they note of their comebacks.
type phones struct {
	all       []*phone
	failed    atomic.Int64 // comebacks that came to nothing
	returned  atomic.Int64 // phones that have come back at least once
	comebacks atomic.Int64
	recovered atomic.Int64 // comebacks as who they were
	away      measure.Histogram
}

// phones connects n members of a room; each gets the messages that its part of a counts. They must be closed, also after an error.
func (r *Runner) phones(ctx context.Context, n int, a *arrivals) (*phones, error) {
	ps := &phones{all: make([]*phone, n)}
	for i := range ps.all {
		ps.all[i] = &phone{runner: r, on: a.receiver(i), phones: ps, joined: make(chan struct{}, 1), over: make(chan struct{})}
	}
	var connected, next atomic.Int64
	r.Progress.watch("members connected", &connected, int64(n))
	failed := make(chan error, 64)
	for range cap(failed) {
		go func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := ps.all[i].dial(ctx); err != nil {
					failed <- err
					return
				}
				connected.Add(1)
			}
			failed <- nil
		}()
	}
	var err error
	for range cap(failed) {
		err = cmp.Or(<-failed, err)
	}
	return ps, err
}

func (ps *phones) close() {
	for _, p := range ps.all {
		p.close()
	}
}

// fill writes what is known of the comebacks.
func (ps *phones) fill(res *measure.Result) {
	res.Comebacks, res.Recovered, res.Away = ps.comebacks.Load(), ps.recovered.Load(), ps.away.Latency()
	if k := ps.failed.Load(); k > 0 {
		res.Note(fmt.Sprintf("%d comebacks failed and were tried again", k))
	}
}

// comeBack dials for a phone whose connection was lost at a time by the clock.
func (p *phone) comeBack(ctx context.Context, lost int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // as long as socket.io-client waits
	defer cancel()
	recovered, err := p.connect(ctx)
	if err != nil {
		p.phones.failed.Add(1)
		return err
	}
	p.phones.away.Record(p.runner.clock.Now() - lost)
	p.phones.comebacks.Add(1)
	if recovered {
		p.phones.recovered.Add(1)
	}
	if !p.back {
		p.back = true
		p.phones.returned.Add(1)
	}
	return nil
}

// dial opens the first connection of a phone.
func (p *phone) dial(ctx context.Context) error {
	_, err := p.connect(ctx)
	return err
}

// connect opens the next connection of a phone, and joins unless it was recovered.
func (p *phone) connect(ctx context.Context) (recovered bool, err error) {
	p.mu.Lock()
	p.turn++
	turn, back := p.turn, p.session
	p.mu.Unlock()
	on := client.Callbacks{
		Event: func(at int64, event []byte) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if turn != p.turn {
				if p.hole { // nothing is read from here on, no ping is answered
					p.mu.Unlock()
					<-p.over
					p.mu.Lock()
				}
				return
			}
			if last := client.LastText(event); last != "" {
				p.session.Offset = last
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
		return false, err
	}
	p.mu.Lock()
	p.session.PID = back.PID
	p.mu.Unlock()
	p.current = cl
	cl.Start()
	if back.Recovered {
		return true, nil
	}
	if err := p.join(ctx); err != nil {
		cl.Cut()
		<-cl.Done()
		return false, err
	}
	return false, nil
}

// join makes the phone a member of the room.
func (p *phone) join(ctx context.Context) error {
	select {
	case <-p.joined: // of an earlier connection
	default:
	}
	if err := p.current.Send(client.AppendJoin(nil, joinAck, roomUser)); err != nil {
		return err
	}
	select {
	case <-p.joined:
		return nil
	case <-p.current.Done():
		return errors.New("the connection ended before a join was answered")
	case <-time.After(10 * time.Second):
		return errors.New("a join was not answered")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drop breaks the phone's connection.
func (p *phone) drop(how breakage) {
	p.mu.Lock()
	p.turn++
	p.hole = how == silentConnection
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
		lost := p.runner.clock.Now()
		p.drop(how)
		if measure.Pause(ctx, o.jitterAway) != nil {
			return
		}
		for p.comeBack(ctx, lost) != nil { // as the client: again, a second later
			if measure.Pause(ctx, time.Second) != nil {
				return
			}
		}
		wait = o.jitterEvery - o.jitterAway
	}
}

func (p *phone) close() {
	close(p.over)
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
		ps, err := r.phones(ctx, n, a)
		defer ps.close()
		if err != nil {
			return err
		}
		r.Progress.watch("deliveries", &a.delivered, total*int64(n))
		until, stop := context.WithCancel(ctx)
		defer stop()
		var running sync.WaitGroup
		for _, p := range ps.all {
			running.Go(func() { p.run(ctx, until, how) })
		}
		b, err := r.broadcast(ctx, sender.Clients[0], a, res, o.jitterRate, total, int64(n))
		stop()
		running.Wait()
		if err != nil {
			return err
		}
		Await(ctx, &a.delivered, b.sent*int64(n), o.quiet)
		ps.fill(res)
		err = a.finishMetered(ctx, res, b)
		return err
	}
}
