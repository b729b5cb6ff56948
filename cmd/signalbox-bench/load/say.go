package load

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

// speaker is the one member of a room that sends. Its fields belong to whoever sends next: the scenario at first, then
// the client's reader; a message cannot come back before it was sent.
type speaker struct {
	client client.Client
	room   string
	number int64
	sent   int64
	packet []byte
}

// runSay sends to many rooms. The first member of each sends, the next message when the last came back to it: the server
// is never idle, so what it spends on a message does not depend on how many it happens to find at a time. A unit is a
// message, however many members it reaches.
func runSay(ctx context.Context, r *Runner, res *measure.Result) error {
	o := &r.Opts
	rooms, members := o.sayRooms, o.sayMembers
	each := int64(max(o.sayMessages/rooms, 1))
	total := each * int64(rooms)
	res.About = fmt.Sprintf("%d rooms of %d, %d messages", rooms, members, total)
	a := newArrivals(rooms*members, each, o.PadBytes, func(i int) int64 { return int64(i / members) })
	speakers := make([]speaker, rooms)
	for i := range speakers {
		speakers[i] = speaker{room: chatRoom + strconv.Itoa(i), number: int64(i)}
	}
	crowd, err := r.seats(ctx, rooms*members, a, func(i int) seat { return seat{client.Chat, speakers[i/members].room} }, func(i int) {
		if s := &speakers[i/members]; i%members == 0 && s.sent < each {
			_ = s.say(r.clock.Now(), a.padding) // an error shows as messages that never came
		}
	})
	defer crowd.Close()
	if err != nil {
		return err
	}
	r.Progress.watch("deliveries", &a.delivered, total*int64(members))
	m := measure.Meter{Procs: r.procs}
	if err := m.Begin(); err != nil {
		return err
	}
	for i := range speakers {
		s := &speakers[i]
		s.client = crowd.Clients[i*members]
		if err := s.say(r.clock.Now(), a.padding); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	idle := Await(ctx, &a.delivered, total*int64(members), o.quiet)
	wall := time.Since(m.At)
	// What the server still writes to its disk is part of the work.
	if err := measure.Pause(ctx, 2*Lingering); err != nil {
		return err
	}
	if err := measure.Calm(ctx, r.procs, 5*time.Second); err != nil {
		return err
	}
	if err := m.End(time.Since(m.At) - wall + idle); err != nil {
		return err
	}
	err = a.finish(ctx, res, func(int) int64 { return each })
	res.Disconnected = crowd.gone.Load()
	res.Units = res.Counts.Delivered / int64(members)
	m.Fill(res)
	return err
}

// say sends the next message.
func (s *speaker) say(now int64, padding []byte) error {
	s.sent++ // before the send: from then on the client's reader may be here
	s.packet = client.AppendRoomMessage(s.packet[:0], s.room, client.Stamp{Sender: s.number, Seq: s.sent, Due: now}, padding)
	return s.client.Send(s.packet)
}
