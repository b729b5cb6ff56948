package load

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// joiner is one client of the scenario join. Its fields belong to whoever sends next: the scenario at first, then the
// client's reader.
type joiner struct {
	client client.Client
	joined int
	asked  int64 // when
	packet []byte
}

// runJoin makes the clients of the first server sockets of one user after the other, each the next time when it was
// answered. No two join as the same user.
func runJoin(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	n, each := o.joinClients, o.joinRooms
	total := int64(n) * int64(each)
	res.About = fmt.Sprintf("%d clients, %d joins of each", n, each)
	// Another run's rooms are not this one's, though they may be those of the same scenario before.
	names := "join-" + strconv.Itoa(os.Getpid()) + "-"
	joiners := make([]joiner, n)
	var done, failed atomic.Int64
	var latency measure.Histogram
	next := func(i int) {
		j := &joiners[i]
		j.packet = client.AppendJoin(j.packet[:0], uint64(j.joined), names+strconv.Itoa(i)+"-"+strconv.Itoa(j.joined))
		j.asked = r.clock.Now()
		if j.client.Send(j.packet) != nil {
			failed.Add(1)
		}
	}
	clients := r.ConnectEach(ctx, n, 64, func(int) client.Options { return client.Options{} }, func(i int) client.Callbacks {
		return client.Callbacks{Ack: func(at int64, id uint64, arg []byte) {
			j := &joiners[i]
			if id != uint64(j.joined) || string(arg) != `[{"ok":true}]` {
				failed.Add(1)
				return
			}
			latency.Record(at - j.asked)
			done.Add(1)
			if j.joined++; j.joined < each {
				next(i)
			}
		}}
	})
	defer clients.Close()
	if err := clients.Need(); err != nil {
		return err
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.Progress.watch("joins", &done, total)
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	for i := range joiners {
		joiners[i].client = clients.Clients[i]
		next(i)
	}
	idle := Await(ctx, &done, total, o.quiet)
	if err := measure.Pause(ctx, o.joinStay); err != nil {
		return err
	}
	if gone := clients.gone.Load(); o.joinLeave {
		wall := time.Since(m.At)
		clients.Close()
		if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
			return err
		}
		idle += time.Since(m.At) - wall
		res.Disconnected = gone
	}
	if err := m.End(idle); err != nil {
		return err
	}
	res.Units = done.Load()
	res.Counts = measure.Counts{Expected: total, Delivered: res.Units, Lost: total - res.Units}
	res.Latency = latency.Latency()
	res.Disconnected = clients.gone.Load()
	if wrong := failed.Load(); wrong > 0 {
		res.Note(fmt.Sprintf("%d joins were refused or could not be sent", wrong))
	}
	m.Fill(res)
	return nil
}
