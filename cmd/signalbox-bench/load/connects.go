package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// runIdle connects clients that do nothing but answer heartbeats, and reads the server's memory before and after.
func runIdle(ctx context.Context, r *Runner, res *measure.Result) error {
	return r.idle(ctx, res, r.Opts.idleClients, client.Options{})
}

// runIdleDoor does the same at a door without Socket.IO.
func runIdleDoor(d client.Door) func(context.Context, *Runner, *measure.Result) error {
	return func(ctx context.Context, r *Runner, res *measure.Result) error {
		return r.idle(ctx, res, r.Opts.doorClients, client.Options{Door: d})
	}
}

// idle connects n clients and lets them rest.
func (r *Runner) idle(ctx context.Context, res *measure.Result, n int, opts client.Options) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d connections", n)
	if r.proc != nil {
		var err error
		if res.RSSBefore, err = r.proc.RSS(); err != nil {
			return err
		}
	}
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	clients := r.Connect(ctx, n, 64, opts, func(int) client.Callbacks { return client.Callbacks{} })
	defer clients.Close()
	if err := m.End(0); err != nil {
		return err
	}
	r.Progress.Phase("idle", fmt.Sprintf("%d connected, settling for %v", n-clients.failed, o.idleSettle))
	if err := measure.Pause(ctx, o.idleSettle); err != nil {
		return err
	}
	res.Disconnected = clients.gone.Load()
	connected := int64(n - clients.failed)
	res.Counts = measure.Counts{Expected: int64(n), Delivered: connected - res.Disconnected}
	res.Counts.Lost = res.Counts.Expected - res.Counts.Delivered
	res.Units = connected
	res.Latency = clients.latency.Latency()
	m.Fill(res)
	if clients.err != nil {
		res.Note(fmt.Sprintf("%d clients could not connect: %v", clients.failed, clients.err))
	}
	if r.proc != nil && connected > 0 {
		var err error
		if res.RSSAfter, err = r.proc.RSS(); err != nil {
			return err
		}
		res.RSSPerConn = float64(res.RSSAfter-res.RSSBefore) / float64(connected)
	}
	return nil
}

// runChurn lets clients come and go: every other one leaves with DISCONNECT and a close frame, the rest are cut.
func runChurn(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d visits, %d at a time", o.churnConnects, o.churnParallel)
	var before int
	if r.proc != nil {
		var err error
		if before, err = r.proc.Descriptors(); err != nil {
			return err
		}
		if res.RSSBefore, err = r.proc.RSS(); err != nil {
			return err
		}
	}
	var next, visits, failed atomic.Int64
	var latency measure.Histogram
	var firstErr error
	var once sync.Once
	r.Progress.watch("visits", &visits, int64(o.churnConnects))
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	var workers sync.WaitGroup
	for range min(o.churnParallel, o.churnConnects) {
		workers.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(o.churnConnects) || ctx.Err() != nil {
					return
				}
				begin := r.clock.Now()
				c, err := client.Dial(ctx, r.Target, r.clock, client.Options{}, client.Callbacks{})
				if err != nil {
					failed.Add(1)
					once.Do(func() { firstErr = err })
					continue
				}
				latency.Record(r.clock.Now() - begin)
				if i%2 == 0 {
					c.Leave()
				}
				c.Cut()
				visits.Add(1)
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	res.Units = visits.Load()
	res.Counts = measure.Counts{Expected: int64(o.churnConnects), Delivered: visits.Load(), Lost: failed.Load()}
	res.Latency = latency.Latency()
	if firstErr != nil {
		res.Note(fmt.Sprintf("%d clients could not connect: %v", failed.Load(), firstErr))
	}
	wall := time.Since(m.At)
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil { // the last disconnects are part of the work
		return err
	}
	if err := m.End(time.Since(m.At) - wall); err != nil {
		return err
	}
	m.Fill(res)
	if r.proc == nil {
		return nil
	}
	after, err := r.proc.Descriptors()
	if err != nil {
		return err
	}
	if res.Descriptors = after - before; res.Descriptors > 0 {
		res.Note(fmt.Sprintf("%d descriptors are still open on the server", res.Descriptors))
	}
	res.RSSAfter, err = r.proc.RSS()
	return err
}
