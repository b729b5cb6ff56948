package load

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// PairUser names user i of the scenarios from user to user.
func PairUser(i int) string { return "bench-" + strconv.Itoa(i) }

// runPairs sends from user to user over websocket.
func runPairs(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d clients, %g messages/s for %v", o.pairsClients, o.pairsRate, o.pairsTime)
	return r.userToUser(ctx, res, client.Options{BufBytes: 4 << 10}, o.pairsClients, o.pairsRate, o.pairsTime)
}

// runPolling sends from user to user over HTTP long polling.
func runPolling(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d clients, %g messages/s each for %v", o.pollingClients, o.pollingRate, o.pollingTime)
	rate := o.pollingRate * float64(o.pollingClients)
	return r.userToUser(ctx, res, client.Options{Polling: true}, o.pollingClients, rate, o.pollingTime)
}

// userToUser makes every client send to the next one in turn, rate messages per second all together.
func (r *Runner) userToUser(ctx context.Context, res *measure.Result, opts client.Options, n int, rate float64, length time.Duration) error {
	total := max(int64(rate*length.Seconds()), 1)
	perSender := total/int64(n) + 1
	previous := func(i int) int { return (i + n - 1) % n }
	a := newArrivals(n, perSender, r.Opts.PadBytes, func(i int) int64 { return int64(previous(i)) })
	users := r.Connect(ctx, n, 64, opts, a.receiver)
	defer users.Close()
	if err := r.join(ctx, users, res, PairUser); err != nil {
		return err
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.Progress.watch("messages", &a.delivered, total)
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	var packet []byte
	sent := make([]int64, n) // per sender
	unsent := 0
	late, err := r.pace(ctx, rate, total, func(i, due int64) {
		from := int(i % int64(n))
		s := client.Stamp{Sender: int64(from), Seq: sent[from] + 1, Due: due}
		packet = client.AppendAddressed(packet[:0], PairUser((from+1)%n), s, a.padding)
		if users.Clients[from].Send(packet) != nil {
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
		res.Note(fmt.Sprintf("%d messages could not be sent: the connection had ended", unsent))
	}
	if err := m.End(Await(ctx, &a.delivered, total-int64(unsent), r.Opts.quiet)); err != nil {
		return err
	}
	err = a.finish(ctx, res, func(i int) int64 { return sent[previous(i)] })
	res.Disconnected = users.gone.Load()
	m.Fill(res)
	return err
}
