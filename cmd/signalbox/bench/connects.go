package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// runIdle connects clients that do nothing but answer heartbeats, and reads the server's memory before and after.
func runIdle(ctx context.Context, r *runner, res *Result) error {
	return r.idle(ctx, res, r.opts.idleClients, dialOptions{})
}

// runIdleDoor does the same at a door without Socket.IO.
func runIdleDoor(d door) func(context.Context, *runner, *Result) error {
	return func(ctx context.Context, r *runner, res *Result) error {
		return r.idle(ctx, res, r.opts.doorClients, dialOptions{door: d})
	}
}

// idle connects n clients and lets them rest.
func (r *runner) idle(ctx context.Context, res *Result, n int, opts dialOptions) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d connections", n)
	if r.proc != nil {
		var err error
		if res.RSSBefore, err = r.proc.rss(); err != nil {
			return err
		}
	}
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
		return err
	}
	clients := r.connect(ctx, n, 64, opts, func(int) callbacks { return callbacks{} })
	defer clients.close()
	if err := m.end(0); err != nil {
		return err
	}
	r.progress.phase("idle", fmt.Sprintf("%d connected, settling for %v", n-clients.failed, o.idleSettle))
	if err := pause(ctx, o.idleSettle); err != nil {
		return err
	}
	res.Disconnected = clients.gone.Load()
	connected := int64(n - clients.failed)
	res.Counts = Counts{Expected: int64(n), Delivered: connected - res.Disconnected}
	res.Counts.Lost = res.Counts.Expected - res.Counts.Delivered
	res.Units = connected
	res.Latency = clients.latency.latency()
	m.fill(res)
	if clients.err != nil {
		res.note(fmt.Sprintf("%d clients could not connect: %v", clients.failed, clients.err))
	}
	if r.proc != nil && connected > 0 {
		var err error
		if res.RSSAfter, err = r.proc.rss(); err != nil {
			return err
		}
		res.RSSPerConn = float64(res.RSSAfter-res.RSSBefore) / float64(connected)
	}
	return nil
}

// runChurn lets clients come and go: every other one leaves with DISCONNECT and a close frame, the rest are cut.
func runChurn(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d visits, %d at a time", o.churnConnects, o.churnParallel)
	var before int
	if r.proc != nil {
		var err error
		if before, err = r.proc.descriptors(); err != nil {
			return err
		}
		if res.RSSBefore, err = r.proc.rss(); err != nil {
			return err
		}
	}
	var next, visits, failed atomic.Int64
	var latency histogram
	var firstErr error
	var once sync.Once
	r.progress.watch("visits", &visits, int64(o.churnConnects))
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
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
				begin := r.clock.now()
				c, err := dial(ctx, r.target, r.clock, dialOptions{}, callbacks{})
				if err != nil {
					failed.Add(1)
					once.Do(func() { firstErr = err })
					continue
				}
				latency.record(r.clock.now() - begin)
				if i%2 == 0 {
					c.leave()
				}
				c.cut()
				visits.Add(1)
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	res.Units = visits.Load()
	res.Counts = Counts{Expected: int64(o.churnConnects), Delivered: visits.Load(), Lost: failed.Load()}
	res.Latency = latency.latency()
	if firstErr != nil {
		res.note(fmt.Sprintf("%d clients could not connect: %v", failed.Load(), firstErr))
	}
	wall := time.Since(m.at)
	if err := calm(ctx, r.procs, 5*time.Second); err != nil { // the last disconnects are part of the work
		return err
	}
	if err := m.end(time.Since(m.at) - wall); err != nil {
		return err
	}
	m.fill(res)
	if r.proc == nil {
		return nil
	}
	after, err := r.proc.descriptors()
	if err != nil {
		return err
	}
	if res.Descriptors = after - before; res.Descriptors > 0 {
		res.note(fmt.Sprintf("%d descriptors are still open on the server", res.Descriptors))
	}
	res.RSSAfter, err = r.proc.rss()
	return err
}
