package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/machine"
	"signalbox/cmd/signalbox-bench/measure"
)

// sleeperBuffer is the kernel receive buffer of a member that stops reading: small, so that what it does not read
// stays with the server, but large enough for it to catch up at speed.
const sleeperBuffer = 64 << 10

// runSlow sends to a room in which some members stop reading. The counts are those of the members that read; the notes
// say what became of the others.
func runSlow(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d members read, %d do not, %d messages of %d KiB at %g/s",
		o.slowFast, o.slowClients, o.slowMessages, (o.slowBytes+1023)>>10, o.slowRate)
	total := int64(o.slowMessages)
	fast := newArrivals(o.slowFast, total, o.slowBytes, func(int) int64 { return 1 })
	slow := newArrivals(o.slowClients, total, o.slowBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.slowFast, fast, res)
	defer members.Close()
	defer sender.Close()
	if err != nil {
		return err
	}

	gate := make(chan struct{})
	open := sync.OnceFunc(func() { close(gate) })
	sleepers := r.Connect(ctx, o.slowClients, 8, client.Options{RecvBytes: sleeperBuffer}, func(i int) client.Callbacks {
		on := slow.receiver(i)
		return client.Callbacks{Event: func(at int64, event []byte) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			on.Event(at, event)
		}}
	})
	defer sleepers.Close()
	defer open()
	if err := r.join(ctx, sleepers, res, func(int) string { return roomUser }); err != nil {
		return err
	}

	watch := watchMemory(r.proc)
	r.Progress.watch("deliveries", &fast.delivered, total*int64(o.slowFast))
	b, err := r.broadcast(ctx, sender.Clients[0], fast, res, o.slowRate, total, int64(o.slowFast))
	res.RSSBefore, res.RSSPeak, res.RSSAfter = watch.stop()
	if err != nil {
		return err
	}
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	if err := fast.finishMetered(ctx, res, b); err != nil {
		return err
	}

	open()
	r.Progress.Phase("slow", "the slow members read again")
	Await(ctx, &slow.delivered, b.sent*int64(o.slowClients), o.quiet/2)
	var late measure.Counts
	for _, in := range slow.inboxes {
		late.Add(in.Counts(b.sent))
	}
	res.Note(fmt.Sprintf("of %d members that stopped reading %d were disconnected; reading again they got %d of %d messages",
		o.slowClients, sleepers.gone.Load(), late.Delivered, late.Expected))
	if late.Doubled+late.Reordered+late.Stray+late.Corrupt > 0 {
		res.Note(fmt.Sprintf("among them %d doubled, %d reordered, %d stray, %d corrupt",
			late.Doubled, late.Reordered, late.Stray, late.Corrupt))
	}
	return nil
}

// memoryWatch samples the server's resident memory.
type memoryWatch struct {
	proc          *machine.Process
	ended         chan struct{}
	quit          chan struct{}
	first, latest int64
	peak          atomic.Int64
}

// watchMemory starts sampling; stop ends it. Without a process it does nothing.
func watchMemory(p *machine.Process) *memoryWatch {
	w := &memoryWatch{proc: p, ended: make(chan struct{}), quit: make(chan struct{})}
	if p == nil {
		close(w.ended)
		return w
	}
	w.first, _ = p.RSS() // 0, not measured, when the server is gone: the scenario will say so
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
			if rss, err := w.proc.RSS(); err == nil {
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
