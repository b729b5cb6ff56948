package redislink

import (
	"context"
	"sync/atomic"
	"time"
)

// lane is one connection of a subscriber, from its beginning to its end. Two goroutines work on it: one connects and
// receives, the other subscribes and asks whether Redis is there.
type lane struct {
	// Static after construction.
	s    *Subscriber
	node string        // "": any
	wake chan struct{} // some entries have changed
	done chan struct{} // the receiving goroutine has ended

	heard atomic.Uint64         // answers and messages received
	busy  atomic.Bool           // handle is running
	cause atomic.Pointer[error] // why the sending goroutine has cut the connection

	// Subscriber.mu guards the following.
	connected bool
	since     time.Time // of connected
	dirty     []*entry  // wanted and not subscribed, or the other way round, and nothing under way
	sent      []batch   // commands that are not answered in full, in the order they were written
}

// batch is one command that subscribes or unsubscribes.
type batch struct {
	kind    Kind
	on      bool
	entries []*entry // not yet answered
}

func newLane(s *Subscriber, node string) *lane {
	return &lane{s: s, node: node, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (n *lane) lived() time.Duration {
	if n.since.IsZero() {
		return 0
	}
	return time.Since(n.since)
}

// adoptLocked takes an entry in.
func (n *lane) adoptLocked(e *entry) {
	e.lane, e.stage = n, absent
	n.touchLocked(e)
}

// touchLocked has the sending goroutine look at an entry.
func (n *lane) touchLocked(e *entry) {
	n.dirty = append(n.dirty, e)
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run is the receiving goroutine.
func (n *lane) run() {
	err := n.live()
	if cause := n.cause.Load(); cause != nil {
		err = *cause
	}
	close(n.done)
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.s.endLocked(n, err)
}

// live connects and receives until the connection ends.
func (n *lane) live() error {
	l := n.s.link
	ctx, cancel := context.WithTimeout(l.ctx, 2*l.options.Timeout)
	defer cancel()
	w, err := l.topology.wire(ctx, n.node)
	if err != nil {
		return err
	}
	defer w.close()
	f, err := newFeed(ctx, w, l.options.Timeout)
	if err != nil {
		return l.topology.greeting(err)
	}
	defer f.close()
	n.begin()
	select {
	case l.retry <- struct{}{}: // a writer that waits to connect can do so now
	default:
	}
	l.running.Go(func() { n.send(w, f) }) // awaited by Close; ends with done
	for {
		got, err := f.receive()
		if err == nil {
			n.heard.Add(1)
			err = n.receive(got)
		} else if isReply(err) {
			err = n.refused(err)
		}
		if err != nil {
			return err
		}
	}
}

// begin says that the connection stands.
func (n *lane) begin() {
	n.s.mu.Lock()
	defer n.s.mu.Unlock()
	n.connected, n.since = true, time.Now()
	n.s.reportLocked(nil)
}

// receive takes what has come.
func (n *lane) receive(got push) error {
	switch got.verb {
	case "pong":
		return nil
	case "message", "smessage", "pmessage":
		n.busy.Store(true)
		n.s.handling.Lock()
		n.s.handle(got.message)
		n.s.handling.Unlock()
		n.busy.Store(false)
		n.heard.Add(1)
		return nil
	}
	return n.confirmed(got)
}

// verbs are what Redis calls what a batch does.
var verbs = [kinds][2]string{
	Plain:   {"unsubscribe", "subscribe"},
	Pattern: {"punsubscribe", "psubscribe"},
	Sharded: {"sunsubscribe", "ssubscribe"},
}

func (b *batch) verb() string {
	if b.on {
		return verbs[b.kind][1]
	}
	return verbs[b.kind][0]
}

// confirmed takes the answer for one channel. Answers come in the order of the commands, and of the channels within one.
func (n *lane) confirmed(got push) error {
	s := n.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(n.sent) == 0 || n.sent[0].verb() != got.verb || n.sent[0].entries[0].name != got.name {
		return n.takenAwayLocked(got)
	}
	b := &n.sent[0]
	e := b.entries[0]
	b.entries = b.entries[1:]
	if len(b.entries) == 0 {
		n.sent = n.sent[1:]
	}
	if !b.on {
		e.stage = absent
		if e.wanted {
			n.touchLocked(e)
		} else {
			s.forgetLocked(e)
		}
		return nil
	}
	e.stage = subscribed
	s.paidLocked(e)
	for _, w := range e.waits {
		w.one()
	}
	e.waits = nil
	if !e.wanted {
		n.touchLocked(e)
	}
	s.reportLocked(nil)
	return nil
}

// takenAwayLocked takes an answer nobody has asked for: a node of a cluster says so of channels that another has now.
func (n *lane) takenAwayLocked(got push) error {
	e := n.s.entries[Sharded][got.name]
	if got.verb != verbs[Sharded][0] || e == nil || e.lane != n || e.stage != subscribed {
		return errProtocol
	}
	n.s.freeLocked(e)
	n.s.failLocked(errMoved)
	return nil
}

// refused takes an error in place of answers. Where another node of the cluster has the channel it is sought again;
// anything else, which is mostly that the user may not subscribe to it, ends the lane: without it the link is not up.
func (n *lane) refused(err error) error {
	s := n.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isMoved(err) && !turnsAway(err) || len(n.sent) == 0 {
		return err
	}
	b := n.sent[0]
	n.sent = n.sent[1:]
	for _, e := range b.entries {
		s.freeLocked(e)
	}
	s.failLocked(err)
	return nil
}
