package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// sleeperBuffer is the kernel receive buffer of a member that stops reading: small, so that what it does not read
// stays with the server, but large enough for it to catch up at speed.
const sleeperBuffer = 64 << 10

// runSlow sends to a room in which some members stop reading. The counts are those of the members that read; the notes
// say what became of the others.
func runSlow(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d members read, %d do not, %d messages of %d KiB at %g/s",
		o.slowFast, o.slowClients, o.slowMessages, (o.slowBytes+1023)>>10, o.slowRate)
	total := int64(o.slowMessages)
	fast := newArrivals(o.slowFast, total, o.slowBytes, func(int) int64 { return 1 })
	slow := newArrivals(o.slowClients, total, o.slowBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.slowFast, fast, res)
	defer members.close()
	defer sender.close()
	if err != nil {
		return err
	}

	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	sleepers := r.connect(ctx, o.slowClients, 8, dialOptions{recvBytes: sleeperBuffer}, func(i int) callbacks {
		on := slow.receiver(i)
		return callbacks{event: func(at int64, event []byte) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			on.event(at, event)
		}}
	})
	defer sleepers.close()
	defer open()
	if err := r.join(ctx, sleepers, res, func(int) string { return roomUser }); err != nil {
		return err
	}

	watch := watchMemory(r.proc)
	r.progress.watch("deliveries", &fast.delivered, total*int64(o.slowFast))
	b, err := r.broadcast(ctx, sender.clients[0], fast, res, o.slowRate, total, int64(o.slowFast))
	res.RSSBefore, res.RSSPeak, res.RSSAfter = watch.stop()
	if err != nil {
		return err
	}
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	if err := fast.finishMetered(ctx, res, b); err != nil {
		return err
	}

	open()
	r.progress.phase("slow", "the slow members read again")
	await(ctx, &slow.delivered, b.sent*int64(o.slowClients), o.quiet/2)
	var late Counts
	for _, in := range slow.inboxes {
		late.add(in.counts(b.sent))
	}
	res.note(fmt.Sprintf("of %d members that stopped reading %d were disconnected; reading again they got %d of %d messages",
		o.slowClients, sleepers.gone.Load(), late.Delivered, late.Expected))
	if late.Doubled+late.Reordered+late.Stray+late.Corrupt > 0 {
		res.note(fmt.Sprintf("among them %d doubled, %d reordered, %d stray, %d corrupt",
			late.Doubled, late.Reordered, late.Stray, late.Corrupt))
	}
	return nil
}

// memoryWatch samples the server's resident memory.
type memoryWatch struct {
	proc          *process
	ended         chan struct{}
	quit          chan struct{}
	first, latest int64
	peak          atomic.Int64
}

// watchMemory starts sampling; stop ends it. Without a process it does nothing.
func watchMemory(p *process) *memoryWatch {
	w := &memoryWatch{proc: p, ended: make(chan struct{}), quit: make(chan struct{})}
	if p == nil {
		close(w.ended)
		return w
	}
	w.first, _ = p.rss() // 0, not measured, when the server is gone: the scenario will say so
	w.peak.Store(w.first)
	go w.loop()
	return w
}

func (w *memoryWatch) loop() {
	defer close(w.ended)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
			if rss, err := w.proc.rss(); err == nil {
				w.latest = rss
				w.peak.Store(max(rss, w.peak.Load()))
			}
		}
	}
}

// stop ends sampling and returns the first, the highest and the last sample.
func (w *memoryWatch) stop() (first, peak, last int64) {
	close(w.quit)
	<-w.ended
	return w.first, w.peak.Load(), w.latest
}
