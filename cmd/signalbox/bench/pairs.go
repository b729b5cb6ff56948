package bench

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// pairUser names user i of the scenarios from user to user.
func pairUser(i int) string { return "bench-" + strconv.Itoa(i) }

// runPairs sends from user to user over websocket.
func runPairs(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d clients, %g messages/s for %v", o.pairsClients, o.pairsRate, o.pairsTime)
	return r.userToUser(ctx, res, dialOptions{bufBytes: 4 << 10}, o.pairsClients, o.pairsRate, o.pairsTime)
}

// runPolling sends from user to user over HTTP long polling.
func runPolling(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d clients, %g messages/s each for %v", o.pollingClients, o.pollingRate, o.pollingTime)
	rate := o.pollingRate * float64(o.pollingClients)
	return r.userToUser(ctx, res, dialOptions{polling: true}, o.pollingClients, rate, o.pollingTime)
}

// userToUser makes every client send to the next one in turn, rate messages per second all together.
func (r *runner) userToUser(ctx context.Context, res *Result, opts dialOptions, n int, rate float64, length time.Duration) error {
	total := max(int64(rate*length.Seconds()), 1)
	perSender := total/int64(n) + 1
	previous := func(i int) int { return (i + n - 1) % n }
	a := newArrivals(n, perSender, r.opts.padBytes, func(i int) int64 { return int64(previous(i)) })
	users := r.connect(ctx, n, 64, opts, a.receiver)
	defer users.close()
	if err := r.join(ctx, users, res, pairUser); err != nil {
		return err
	}
	if err := calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.progress.watch("messages", &a.delivered, total)
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
		return err
	}
	var packet []byte
	sent := make([]int64, n) // per sender
	unsent := 0
	late, err := r.pace(ctx, rate, total, func(i, due int64) {
		from := int(i % int64(n))
		s := stamp{sender: int64(from), seq: sent[from] + 1, due: due}
		packet = appendAddressed(packet[:0], pairUser((from+1)%n), s, a.padding)
		if users.clients[from].send(packet) != nil {
			unsent++
			return
		}
		sent[from]++
	})
	if err != nil {
		return err
	}
	noteLate(res, late)
	if unsent > 0 {
		res.note(fmt.Sprintf("%d messages could not be sent: the connection had ended", unsent))
	}
	if err := m.end(await(ctx, &a.delivered, total-int64(unsent), r.opts.quiet)); err != nil {
		return err
	}
	err = a.finish(ctx, res, func(i int) int64 { return sent[previous(i)] })
	res.Disconnected = users.gone.Load()
	m.fill(res)
	return err
}
