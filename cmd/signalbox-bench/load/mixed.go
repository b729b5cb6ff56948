package load

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// chatRoom is the room of the scenarios with one room.
const chatRoom = "bench"

// joinText makes a plain WebSocket join a room and answer when it has.
const joinText = `{"type":"join","room":"%s"}`

var (
	askText  = []byte(`{"type":"ping"}`)
	pongText = []byte(`{"type":"pong"`)
)

// seat is how a client comes to a room.
type seat struct {
	door client.Door
	room string
}

// runChat sends to a room of Socket.IO clients.
func runChat(ctx context.Context, r *Runner, res *measure.Result) error {
	return r.lockStep(ctx, res, "members over Socket.IO", func(int) client.Door { return client.Chat })
}

// runMixed sends to a room that is one third each of Socket.IO clients, plain WebSockets and streams.
func runMixed(ctx context.Context, r *Runner, res *measure.Result) error {
	doors := [...]client.Door{client.Chat, client.Text, client.Watch}
	return r.lockStep(ctx, res, "members, one third at each door", func(i int) client.Door { return doors[i%len(doors)] })
}

// lockStep sends to one room, the next message when everybody has the last: every delivery is a write of its own, so
// what it costs does not depend on how many messages the server finds at a time. The first member is the sender.
func (r *Runner) lockStep(ctx context.Context, res *measure.Result, who string, at func(i int) client.Door) error {
	o := &r.Opts
	n, total := o.mixedMembers, int64(o.mixedMessages)
	res.About = fmt.Sprintf("%d %s, %d messages", n, who, total)
	a := newArrivals(n, total, o.PadBytes, func(int) int64 { return 0 })
	members, err := r.seats(ctx, n, a, func(i int) seat { return seat{at(i), chatRoom} }, nil)
	defer members.Close()
	if err != nil {
		return err
	}
	r.Progress.watch("deliveries", &a.delivered, total*int64(n))
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	var packet []byte
	var sent int64
	var idle time.Duration
	for sent < total && idle == 0 {
		sent++
		packet = client.AppendRoomMessage(packet[:0], chatRoom, client.Stamp{Seq: sent, Due: r.clock.Now()}, a.padding)
		if err := members.Clients[0].Send(packet); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		idle = Await(ctx, &a.delivered, sent*int64(n), o.quiet)
	}
	if err := m.End(idle); err != nil {
		return err
	}
	if sent < total {
		res.Note(fmt.Sprintf("sending ended with message %d, which did not reach everybody", sent))
	}
	res.Disconnected = members.gone.Load()
	err = a.finish(ctx, res, func(int) int64 { return sent })
	m.Fill(res)
	return err
}

// seats connects n clients, each to its room, and waits until the server has let all of them in and is calm. heard, if
// there is one, is called on the client's goroutine when client i got a message for the first time.
func (r *Runner) seats(ctx context.Context, n int, a *arrivals, at func(i int) seat, heard func(i int)) (*crowd, error) {
	tokens := make([]string, n)
	for i := range tokens {
		if d := at(i).door; d == client.Chat || d == client.Watch {
			var err error
			if tokens[i], err = client.Mint(r.Opts.JWTSecret, PairUser(i)); err != nil {
				return &crowd{}, err
			}
		}
	}
	var c *crowd
	pongs := make(chan int, n) // plain WebSockets that are in
	c = r.ConnectEach(ctx, n, 64, func(i int) client.Options {
		s := at(i)
		return client.Options{Door: s.door, Room: s.room, Token: tokens[i], BufBytes: 4 << 10, Server: i % len(r.targets)}
	}, func(i int) client.Callbacks {
		return client.Callbacks{Event: func(now int64, text []byte) {
			if m, ok := client.ReadRoomStamp(text, a.padding); ok {
				if a.record(i, now, m) && heard != nil {
					heard(i)
				}
			} else if bytes.HasPrefix(text, pongText) {
				select {
				case pongs <- i:
				default: // one more than was asked for
				}
			}
		}}
	})
	if err := c.Need(); err != nil {
		return c, err
	}
	asked := 0
	for i, cl := range c.Clients {
		s := at(i)
		var err error
		switch s.door {
		case client.Chat:
			err = cl.Send(client.AppendJoinRoom(nil, joinAck, s.room))
		case client.Text:
			asked++
			if err = cl.Send(fmt.Appendf(nil, joinText, s.room)); err == nil {
				err = cl.Send(askText)
			}
		default: // the stream was answered when it was in
			c.markJoined(i)
		}
		if err != nil {
			return c, fmt.Errorf("join: %w", err)
		}
	}
	late := time.NewTimer(max(10*time.Second, r.Opts.quiet))
	defer late.Stop()
	for range asked {
		select {
		case i := <-pongs:
			c.markJoined(i)
		case <-late.C:
			return c, fmt.Errorf("%d of %d joins were never answered", int64(n)-c.joins.Load(), n)
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
	if Await(ctx, &c.joins, int64(n), max(3*time.Second, r.Opts.quiet)) != 0 {
		return c, fmt.Errorf("%d of %d joins were never answered", int64(n)-c.joins.Load(), n)
	}
	return c, measure.Calm(ctx, r.procs, 5*time.Second)
}
