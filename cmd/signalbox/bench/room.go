package bench

import (
	"context"
	"fmt"
	"time"
)

// roomUser is the user whose sockets are the members of a room: an addressed event goes to all of them.
const roomUser = "bench-room"

// room connects members and one sender that is not among them.
func (r *runner) room(ctx context.Context, n int, a *arrivals, res *Result) (members, sender *crowd, err error) {
	members = r.connect(ctx, n, 64, dialOptions{bufBytes: roomBuffer}, a.receiver)
	sender = r.connect(ctx, 1, 1, dialOptions{}, func(int) callbacks { return callbacks{} })
	if err = sender.need(); err == nil {
		err = r.join(ctx, members, res, func(int) string { return roomUser })
	}
	if err == nil {
		err = calm(ctx, r.procs, 5*time.Second)
	}
	return members, sender, err
}

// runBurst sends to a room as fast as the server reads, in rounds.
func runBurst(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d members, %d messages, %d rounds", o.burstMembers, o.burstMessages, o.burstRounds)
	all := int64(o.burstMessages * o.burstRounds)
	a := newArrivals(o.burstMembers, all, o.padBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.burstMembers, a, res)
	defer members.close()
	defer sender.close()
	if err != nil {
		return err
	}
	r.progress.watch("deliveries", &a.delivered, all*int64(o.burstMembers))
	m := meter{procs: r.procs}
	var packet []byte
	seq, lost := int64(0), int64(0)
	for range o.burstRounds {
		if err := m.begin(); err != nil {
			return err
		}
		for range o.burstMessages {
			seq++
			packet = appendAddressed(packet[:0], roomUser, stamp{sender: 1, seq: seq, due: r.clock.now()}, a.padding)
			if err := sender.clients[0].send(packet); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		want := seq*int64(o.burstMembers) - lost
		if err := m.end(await(ctx, &a.delivered, want, o.quiet)); err != nil {
			return err
		}
		lost += want - a.delivered.Load()
		if err := pause(ctx, lingering); err != nil {
			return err
		}
	}
	err = a.finish(ctx, res, func(int) int64 { return seq })
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	m.fill(res)
	return err
}

// runSteady sends to a room at a steady rate.
func runSteady(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	res.About = fmt.Sprintf("%d members, %g messages/s for %v", o.steadyMembers, o.steadyRate, o.steadyTime)
	total := max(int64(o.steadyRate*o.steadyTime.Seconds()), 1)
	a := newArrivals(o.steadyMembers, total, o.padBytes, func(int) int64 { return 1 })
	members, sender, err := r.room(ctx, o.steadyMembers, a, res)
	defer members.close()
	defer sender.close()
	if err != nil {
		return err
	}
	r.progress.watch("deliveries", &a.delivered, total*int64(o.steadyMembers))
	sent, err := r.broadcast(ctx, sender.clients[0], a, res, o.steadyRate, total, int64(o.steadyMembers))
	res.Disconnected = members.gone.Load() + sender.gone.Load()
	if err != nil {
		return err
	}
	return a.finishMetered(ctx, res, sent)
}

// broadcastResult is what a paced stretch of messages to a room came to.
type broadcastResult struct {
	sent  int64
	meter meter
}

// broadcast sends total messages to the room at a rate and waits for the deliveries.
func (r *runner) broadcast(ctx context.Context, sender client, a *arrivals, res *Result, rate float64, total, members int64) (broadcastResult, error) {
	b := broadcastResult{meter: meter{procs: r.procs}}
	if err := b.meter.begin(); err != nil {
		return b, err
	}
	var packet []byte
	var failed error
	late, err := r.pace(ctx, rate, total, func(i, due int64) {
		if failed != nil {
			return
		}
		packet = appendAddressed(packet[:0], roomUser, stamp{sender: 1, seq: i + 1, due: due}, a.padding)
		if failed = sender.send(packet); failed == nil {
			b.sent++
		}
	})
	if err != nil {
		return b, err
	}
	if failed != nil {
		res.note(fmt.Sprintf("sending ended after %d messages: %v", b.sent, failed))
	}
	noteLate(res, late)
	return b, b.meter.end(await(ctx, &a.delivered, b.sent*members, r.opts.quiet))
}

// finishMetered is finish for a broadcast.
func (a *arrivals) finishMetered(ctx context.Context, res *Result, b broadcastResult) error {
	err := a.finish(ctx, res, func(int) int64 { return b.sent })
	b.meter.fill(res)
	return err
}
