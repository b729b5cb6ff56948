package load

import (
	"context"
	"fmt"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// roomUser is the user whose sockets are the members of a room: an addressed event goes to all of them.
const roomUser = "bench-room"

// room connects members and one sender that is not among them.
func (r *Runner) room(ctx context.Context, n int, a *arrivals, res *measure.Result) (members, sender *crowd, err error) {
	members = r.Connect(ctx, n, 64, client.Options{BufBytes: roomBuffer}, a.receiver)
	sender = r.Connect(ctx, 1, 1, client.Options{}, func(int) client.Callbacks { return client.Callbacks{} })
	if err = sender.Need(); err == nil {
		err = r.join(ctx, members, res, func(int) string { return roomUser })
	}
	if err == nil {
		err = measure.Calm(ctx, r.procs, 5*time.Second)
	}
	return members, sender, err
}

// runBurst sends to a room as fast as the server reads, in rounds.
func runBurst(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d members, %d messages, %d rounds", o.burstMembers, o.burstMessages, o.burstRounds)
	all := int64(o.burstMessages * o.burstRounds)
	a := newArrivals(o.burstMembers, all, o.PadBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.burstMembers, a, res)
	defer members.Close()
	defer sender.Close()
	if err != nil {
		return err
	}
	r.Progress.watch("deliveries", &a.delivered, all*int64(o.burstMembers))
	m := measure.Meter{Procs: r.procs}
	var packet []byte
	seq, lost := int64(0), int64(0)
	for range o.burstRounds {
		if err := m.Begin(); err != nil {
			return err
		}
		for range o.burstMessages {
			seq++
			packet = client.AppendAddressed(packet[:0], roomUser, client.Stamp{Sender: 1, Seq: seq, Due: r.clock.Now()}, a.padding)
			if err := sender.Clients[0].Send(packet); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		want := seq*int64(o.burstMembers) - lost
		if err := m.End(Await(ctx, &a.delivered, want, o.quiet)); err != nil {
			return err
		}
		lost += want - a.delivered.Load()
		if err := measure.Pause(ctx, Lingering); err != nil {
			return err
		}
	}
	err = a.finish(ctx, res, func(int) int64 { return seq })
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	m.Fill(res)
	return err
}

// runSteady sends to a room at a steady rate.
func runSteady(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	res.About = fmt.Sprintf("%d members, %g messages/s for %v", o.steadyMembers, o.steadyRate, o.steadyTime)
	total := max(int64(o.steadyRate*o.steadyTime.Seconds()), 1)
	a := newArrivals(o.steadyMembers, total, o.PadBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.steadyMembers, a, res)
	defer members.Close()
	defer sender.Close()
	if err != nil {
		return err
	}
	r.Progress.watch("deliveries", &a.delivered, total*int64(o.steadyMembers))
	sent, err := r.broadcast(ctx, sender.Clients[0], a, res, o.steadyRate, total, int64(o.steadyMembers))
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	if err != nil {
		return err
	}
	return a.finishMetered(ctx, res, sent)
}

// broadcastResult is what a paced stretch of messages to a room came to.
type broadcastResult struct {
	sent  int64
	meter measure.Meter
}

// broadcast sends total messages to the room at a rate and waits for the deliveries.
func (r *Runner) broadcast(ctx context.Context, sender client.Client, a *arrivals, res *measure.Result, rate float64, total, members int64) (broadcastResult, error) {
	b := broadcastResult{meter: measure.Meter{Procs: r.procs}}
	if err := b.meter.Begin(); err != nil {
		return b, err
	}
	var packet []byte
	var failed error
	late, err := r.pace(ctx, rate, total, func(i, due int64) {
		if failed != nil {
			return
		}
		packet = client.AppendAddressed(packet[:0], roomUser, client.Stamp{Sender: 1, Seq: i + 1, Due: due}, a.padding)
		if failed = sender.Send(packet); failed == nil {
			b.sent++
		}
	})
	if err != nil {
		return b, err
	}
	if failed != nil {
		res.Note(fmt.Sprintf("sending ended after %d messages: %v", b.sent, failed))
	}
	noteLate(res, late)
	return b, b.meter.End(Await(ctx, &a.delivered, b.sent*members, r.Opts.quiet))
}

// finishMetered is finish for a broadcast.
func (a *arrivals) finishMetered(ctx context.Context, res *measure.Result, b broadcastResult) error {
	err := a.finish(ctx, res, func(int) int64 { return b.sent })
	b.meter.Fill(res)
	return err
}
