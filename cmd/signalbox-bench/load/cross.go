package load

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// recipients tells where the users are that messages go to.
type recipients uint8

const (
	recipientsSecond     recipients = iota // on the second server, on the first where there is one only
	recipientsEverywhere                   // one socket of each on every server
	recipientsNowhere
)

// servers lists the servers that have a socket of every recipient.
func (to recipients) servers(n int) []int {
	switch to {
	case recipientsSecond:
		return []int{min(1, n-1)}
	case recipientsEverywhere:
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	}
	return nil
}

// where says it in words, for n servers.
func (to recipients) where(n int) string {
	switch {
	case to == recipientsNowhere:
		return "nowhere"
	case n == 1:
		return "on the same server"
	case to == recipientsEverywhere:
		return fmt.Sprintf("on each of %d servers", n)
	}
	return fmt.Sprintf("on the second of %d servers", n)
}

// runCross sends from users of the first server to as many others, each sender to a recipient of its own. With acked
// every message has a callback; latency is that of the callbacks then.
func runCross(to recipients, acked bool) func(ctx context.Context, r *Runner, res *measure.Result) error {
	return func(ctx context.Context, r *Runner, res *measure.Result) error {
		o := &r.Opts
		n := o.crossUsers
		res.About = fmt.Sprintf("%d senders, recipients %s, %g messages/s for %v", n, to.where(len(r.targets)), o.crossRate, o.crossTime)
		total := max(int64(o.crossRate*o.crossTime.Seconds()), 1)
		x := &crossing{runner: r, total: total, acked: acked, sent: make([]int64, n), servers: to.servers(len(r.targets))}
		x.expected = fmt.Appendf(nil, `[{"ok":true,"delivered":%d}]`, len(x.servers))
		return x.run(ctx, res)
	}
}

// crossing is one run of messages from user to user.
type crossing struct {
	runner   *Runner
	total    int64
	acked    bool
	servers  []int  // of the recipients
	expected []byte // what every callback is to bring

	// Owned by run.
	sent []int64 // per sender

	answers  *arrivals // of the senders, where there are callbacks
	due      [][]atomic.Int64
	mistaken atomic.Int64 // callbacks that brought something else
}

// run connects everybody, sends, and fills the result.
func (x *crossing) run(ctx context.Context, res *measure.Result) error {
	r := x.runner
	n := len(x.sent)
	perSender := x.total/int64(n) + 1
	a := newArrivals(n*len(x.servers), perSender, r.Opts.PadBytes, func(i int) int64 { return int64(i % n) })
	if x.acked {
		x.answers = newArrivals(n, perSender, 0, func(i int) int64 { return int64(i) })
		x.due = make([][]atomic.Int64, n)
		for i := range x.due {
			x.due[i] = make([]atomic.Int64, perSender+1)
		}
	}
	senders := r.ConnectEach(ctx, n, 64, func(int) client.Options { return client.Options{BufBytes: 4 << 10} }, x.sender)
	defer senders.Close()
	if err := senders.Need(); err != nil {
		return err
	}
	users := r.ConnectEach(ctx, len(a.inboxes), 64, func(i int) client.Options {
		return client.Options{BufBytes: 4 << 10, Server: x.servers[i/n]}
	}, a.receiver)
	defer users.Close()
	if err := r.join(ctx, users, res, func(i int) string { return PairUser(i % n) }); err != nil {
		return err
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	awaited := &a.delivered
	if x.acked && len(x.servers) == 0 {
		awaited = &x.answers.delivered
	}
	r.Progress.watch("messages", awaited, x.total*int64(max(1, len(x.servers))))
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	if err := x.send(ctx, senders, res, a.padding); err != nil {
		return err
	}
	idle, err := x.settle(ctx, a)
	if err != nil {
		return err
	}
	if err := m.End(idle); err != nil {
		return err
	}
	if err := a.finish(ctx, res, func(i int) int64 { return x.sent[i%n] }); err != nil {
		return err
	}
	if x.acked {
		if err := x.answers.finish(ctx, res, func(i int) int64 { return x.sent[i] }); err != nil {
			return err
		}
		if wrong := x.mistaken.Load(); wrong > 0 {
			res.Note(fmt.Sprintf("%d callbacks did not bring %s", wrong, x.expected))
		}
	}
	res.Units = 0
	for _, sent := range x.sent {
		res.Units += sent
	}
	res.Disconnected = senders.gone.Load() + users.gone.Load()
	m.Fill(res)
	return nil
}

// sender returns the callbacks of sender i.
func (x *crossing) sender(i int) client.Callbacks {
	if !x.acked {
		return client.Callbacks{}
	}
	return client.Callbacks{Ack: func(at int64, id uint64, arg []byte) {
		s := client.Stamp{Sender: int64(i), Seq: int64(id), Intact: true}
		if id < uint64(len(x.due[i])) {
			s.Due = x.due[i][id].Load()
		}
		x.answers.record(i, at, s)
		if !bytes.Equal(arg, x.expected) {
			x.mistaken.Add(1)
		}
	}}
}

// send sends everything at the rate that was asked for.
func (x *crossing) send(ctx context.Context, senders *crowd, res *measure.Result, padding []byte) error {
	n := int64(len(x.sent))
	var packet []byte
	unsent := 0
	late, err := x.runner.pace(ctx, x.runner.Opts.crossRate, x.total, func(i, due int64) {
		from := i % n
		s := client.Stamp{Sender: from, Seq: x.sent[from] + 1, Due: due}
		packet = append(packet[:0], "42"...)
		if x.acked {
			x.due[from][s.Seq].Store(due)
			packet = strconv.AppendInt(packet, s.Seq, 10)
		}
		packet = client.AppendAddressedEvent(packet, PairUser(int(from)), s, padding)
		if senders.Clients[from].Send(packet) != nil {
			unsent++
			return
		}
		x.sent[from]++
	})
	noteLate(res, late)
	if unsent > 0 {
		res.Note(fmt.Sprintf("%d messages could not be sent: the connection had ended", unsent))
	}
	return err
}

// settle waits until everything has arrived. It returns how long nothing had happened when it gave up, or, where nothing
// is to arrive, how long it looked whether the servers still do something.
func (x *crossing) settle(ctx context.Context, a *arrivals) (idle time.Duration, err error) {
	quiet := x.runner.Opts.quiet
	sent := int64(0)
	for _, n := range x.sent {
		sent += n
	}
	if len(x.servers) > 0 {
		idle = Await(ctx, &a.delivered, sent*int64(len(x.servers)), quiet)
	}
	if x.acked {
		idle = max(idle, Await(ctx, &x.answers.delivered, sent, quiet))
	}
	if len(x.servers) == 0 && !x.acked {
		begin := time.Now()
		err = measure.Calm(ctx, x.runner.procs, 5*time.Second)
		idle = time.Since(begin)
	}
	return idle, err
}
