package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// backoff is how long socket.io-client waits before an attempt to come back, with reconnectionDelay 500 and else its defaults.
func backoff(attempt int) time.Duration {
	const least, most = 500 * time.Millisecond, 5 * time.Second
	wait := min(least<<min(attempt, 4), most)
	return min(wait/2+rand.N(wait), most)
}

// stay has a phone come back until ctx is over, whenever its connection ends.
func (p *phone) stay(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.current.Done():
		}
		lost := p.runner.clock.Now()
		for attempt := 0; ; attempt++ {
			if measure.Pause(ctx, backoff(attempt)) != nil {
				return
			}
			if p.comeBack(ctx, lost) == nil {
				break
			}
		}
	}
}

// endServer sends a signal to the server.
func (r *Runner) endServer(how syscall.Signal) error {
	if len(r.Opts.pids) == 0 {
		return errors.New("this scenario ends the server: name it with --pid, and start it again when it has ended")
	}
	server, err := os.FindProcess(r.Opts.pids[0])
	if err != nil {
		return err
	}
	return server.Signal(how)
}

// homecoming connects n phones, has them come back whenever their connection ends, calls during, which ends the server, and waits until
// all of them are back.
func (r *Runner) homecoming(ctx context.Context, n int, a *arrivals, res *measure.Result, during func(ctx context.Context) error) error {
	ps, err := r.phones(ctx, n, a)
	defer ps.close()
	if err != nil {
		return err
	}
	staying, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, p := range ps.all {
		running.Go(func() { p.stay(staying) })
	}
	defer running.Wait()
	defer stop()
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.Progress.watch("members back", &ps.returned, int64(n))
	if err := during(ctx); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, r.Opts.comeBack)
	defer cancel()
	Await(wait, &ps.returned, int64(n), r.Opts.comeBack)
	if err := ctx.Err(); err != nil {
		return err
	}
	res.Never = int64(n) - ps.returned.Load()
	ps.fill(res)
	return nil
}

// runAvalanche has all members lose the server at once.
func runAvalanche(ctx context.Context, r *Runner, res *measure.Result) error {
	n := r.Opts.avalancheClients
	res.About = fmt.Sprintf("%d members, the server is killed and started again at once", n)
	err := r.homecoming(ctx, n, newArrivals(n, 1, r.Opts.PadBytes, func(int) int64 { return 1 }), res, func(context.Context) error {
		return r.endServer(syscall.SIGKILL)
	})
	res.Units = int64(n) - res.Never
	res.Counts = measure.Counts{Expected: int64(n), Delivered: res.Units, Lost: res.Never}
	return err
}

// runDeploy sends to a room while the server is told to end and another takes its place.
func runDeploy(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	n, total := o.jitterClients, int64(o.jitterMessages)
	res.About = fmt.Sprintf("%d members, %d messages at %g/s, after a third of them the server is told to end and started again when it has", n, total, o.jitterRate)
	a := newArrivals(n, total, o.PadBytes, func(int) int64 { return 1 })
	err := r.homecoming(ctx, n, a, res, func(ctx context.Context) error {
		r.Progress.watch("deliveries", &a.delivered, total*int64(n))
		if err := r.persist(ctx, a, total, func(seq int64) error {
			if seq != total/3+1 {
				return nil
			}
			return r.endServer(syscall.SIGTERM)
		}); err != nil {
			return err
		}
		Await(ctx, &a.delivered, total*int64(n), o.quiet)
		return nil
	})
	if err != nil {
		return err
	}
	return a.finish(ctx, res, func(int) int64 { return total })
}

// persist sends messages to the room, each until the server has answered it, over as many connections as that takes, as
// socket.io-client does with its option retries.
func (r *Runner) persist(ctx context.Context, a *arrivals, total int64, before func(seq int64) error) error {
	var sender client.Client
	defer func() {
		if sender != nil {
			sender.Cut()
			<-sender.Done()
		}
	}()
	answers := make(chan uint64, 16)
	on := client.Callbacks{Ack: func(_ int64, id uint64, _ []byte) { answers <- id }}
	begin, failures := r.clock.Now(), 0
	for seq := int64(1); seq <= total; seq++ {
		due := begin + int64(float64(seq-1)/r.Opts.jitterRate*float64(time.Second))
		if err := measure.Pause(ctx, time.Duration(due-r.clock.Now())); err != nil {
			return err
		}
		if err := before(seq); err != nil {
			return err
		}
		for answered := false; !answered; {
			if sender == nil {
				var err error
				if sender, err = client.Dial(ctx, r.Target, r.clock, client.Options{}, on); err != nil {
					sender = nil // not a client that is nil
					if err := measure.Pause(ctx, backoff(failures)); err != nil {
						return err
					}
					failures++
					continue
				}
				sender.Start()
				failures = 0
			}
			packet := fmt.Appendf(nil, "42%d", seq)
			packet = client.AppendAddressedEvent(packet, roomUser, client.Stamp{Sender: 1, Seq: seq, Due: due}, a.padding)
			if sender.Send(packet) == nil {
				answered = await(ctx, sender, answers, uint64(seq))
			}
			if !answered {
				sender.Cut()
				<-sender.Done()
				sender = nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// await reports whether the server has answered a message before the connection ended.
func await(ctx context.Context, sender client.Client, answers <-chan uint64, id uint64) bool {
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	for {
		select {
		case answer := <-answers:
			if answer == id {
				return true
			}
		case <-sender.Done():
			return false
		case <-patience.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
