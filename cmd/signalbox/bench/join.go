package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// joiner is one client of the scenario join. Its fields belong to whoever sends next: the scenario at first, then the
// client's reader.
type joiner struct {
	client client
	joined int
	asked  int64 // when
	packet []byte
}

// runJoin makes the clients of the first server sockets of one user after the other, each the next time when it was
// answered. No two join as the same user.
func runJoin(ctx context.Context, r *runner, res *Result) error {
	o := &r.opts
	n, each := o.joinClients, o.joinRooms
	total := int64(n) * int64(each)
	res.About = fmt.Sprintf("%d clients, %d joins of each", n, each)
	// Another run's rooms are not this one's, though they may be those of the same scenario before.
	names := "join-" + strconv.Itoa(os.Getpid()) + "-"
	joiners := make([]joiner, n)
	var done, failed atomic.Int64
	var latency histogram
	next := func(i int) {
		j := &joiners[i]
		j.packet = appendJoin(j.packet[:0], uint64(j.joined), names+strconv.Itoa(i)+"-"+strconv.Itoa(j.joined))
		j.asked = r.clock.now()
		if j.client.send(j.packet) != nil {
			failed.Add(1)
		}
	}
	clients := r.connectEach(ctx, n, 64, func(int) dialOptions { return dialOptions{} }, func(i int) callbacks {
		return callbacks{ack: func(at int64, id uint64, arg []byte) {
			j := &joiners[i]
			if id != uint64(j.joined) || string(arg) != `[{"ok":true}]` {
				failed.Add(1)
				return
			}
			latency.record(at - j.asked)
			done.Add(1)
			if j.joined++; j.joined < each {
				next(i)
			}
		}}
	})
	defer clients.close()
	if err := clients.need(); err != nil {
		return err
	}
	if err := calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	r.progress.watch("joins", &done, total)
	m := meter{procs: r.procs}
	if err := m.begin(); err != nil {
		return err
	}
	for i := range joiners {
		joiners[i].client = clients.clients[i]
		next(i)
	}
	if err := m.end(await(ctx, &done, total, o.quiet)); err != nil {
		return err
	}
	res.Units = done.Load()
	res.Counts = Counts{Expected: total, Delivered: res.Units, Lost: total - res.Units}
	res.Latency = latency.latency()
	res.Disconnected = clients.gone.Load()
	if wrong := failed.Load(); wrong > 0 {
		res.note(fmt.Sprintf("%d joins were refused or could not be sent", wrong))
	}
	m.fill(res)
	return nil
}
