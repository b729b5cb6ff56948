package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// round is the state of the clients that wait for answers to the chat's ping.
type round struct {
	clock    client.Clock
	answered atomic.Int64
	latency  measure.Histogram
	callers  []caller
}

// caller is one client. Sequence numbers are the ids of its callbacks. due and packet belong to whoever sends next:
// the scenario, or with a closed loop the client's reader; the answer cannot come before the question.
type caller struct {
	client    client.Client
	namespace string // "" for "/"
	inbox     *measure.Inbox
	sent      int64
	due       []int64 // when ping number i was due
	packet    []byte
}

// runAck sends pings with a callback at a steady rate, in turn from every client.
func runAck(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	total := max(int64(o.ackRate*o.ackTime.Seconds()), 1)
	res.About = fmt.Sprintf("%d clients, %g events/s for %v", o.ackClients, o.ackRate, o.ackTime)
	n := int64(o.ackClients)
	return r.calls(ctx, res, client.Options{}, o.ackClients, total/n+1, false, func(rd *round) (int64, error) {
		var failed int64
		late, err := r.pace(ctx, o.ackRate, total, func(i, due int64) {
			if rd.callers[i%n].call(due) != nil {
				failed++
			}
		})
		noteLate(res, late)
		if failed > 0 {
			res.Note(fmt.Sprintf("%d events could not be sent: the connection had ended", failed))
		}
		return total, err
	})
}

// runEcho sends pings with a callback, on every client the next one when the last was answered.
func runEcho(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	perClient := int64(max(o.echoTrips/o.ackClients, 1))
	total := perClient * int64(o.ackClients)
	res.About = fmt.Sprintf("%d clients, %d round trips", o.ackClients, total)
	return r.echo(ctx, res, client.Options{}, perClient)
}

// echo has each client send so many pings, the next one when the last was answered.
func (r *Runner) echo(ctx context.Context, res *measure.Result, opts client.Options, perClient int64) error {
	total := perClient * int64(r.Opts.ackClients)
	return r.calls(ctx, res, opts, r.Opts.ackClients, perClient, true, func(rd *round) (int64, error) {
		for i := range rd.callers {
			if err := rd.callers[i].call(r.clock.Now()); err != nil {
				return 0, err
			}
		}
		return total, nil
	})
}

// calls connects n clients, lets drive send, and waits for the answers; drive returns how many to expect. With loop
// every answer but the last starts the client's next call.
func (r *Runner) calls(ctx context.Context, res *measure.Result, opts client.Options, n int, perClient int64, loop bool, drive func(*round) (int64, error)) error {
	rd := &round{clock: r.clock, callers: make([]caller, n)}
	users := r.Connect(ctx, n, 16, opts, func(i int) client.Callbacks {
		rd.callers[i].namespace = opts.Namespace
		rd.callers[i].inbox = measure.NewInbox(int64(i), perClient)
		rd.callers[i].due = make([]int64, perClient+1)
		return client.Callbacks{Ack: func(at int64, id uint64, _ []byte) { rd.answer(i, at, int64(id), loop) }}
	})
	defer users.Close()
	if err := users.Need(); err != nil {
		return err
	}
	for i := range rd.callers {
		rd.callers[i].client = users.Clients[i]
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	r.Progress.watch("round trips", &rd.answered, perClient*int64(n))
	total, err := drive(rd)
	if err != nil {
		return err
	}
	if err := m.End(Await(ctx, &rd.answered, total, r.Opts.quiet)); err != nil {
		return err
	}
	err = measure.Pause(ctx, Lingering)
	users.Close() // so that nobody sends any more
	for i := range rd.callers {
		c := &rd.callers[i]
		expected := c.sent
		if loop {
			expected = perClient
		}
		res.Counts.Add(c.inbox.Counts(expected))
	}
	res.Units = res.Counts.Delivered
	res.Latency = rd.latency.Latency()
	res.Disconnected = users.gone.Load()
	m.Fill(res)
	return err
}

// answer notes the answer to a call of client i.
func (rd *round) answer(i int, at, id int64, loop bool) {
	c := &rd.callers[i]
	if !c.inbox.Record(client.Stamp{Sender: int64(i), Seq: id, Intact: true}) {
		return
	}
	rd.latency.Record(at - c.due[id])
	rd.answered.Add(1)
	if loop && id < c.inbox.Limit {
		_ = c.call(rd.clock.Now()) // an error shows as answers that never came
	}
}

// call sends the next ping.
func (c *caller) call(due int64) error {
	c.sent++ // before the send: with a closed loop the answer's reader goes on from here
	c.packet = client.AppendPingIn(c.packet[:0], c.namespace, uint64(c.sent))
	c.due[c.sent] = due
	err := c.client.Send(c.packet)
	if err != nil {
		c.sent--
	}
	return err
}
