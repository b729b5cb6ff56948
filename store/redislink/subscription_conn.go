package redislink

import (
	"context"
	"sync/atomic"
	"time"
)

// subscriptionConn is one connection of a subscriber, from its beginning to its end. Two goroutines work on it: one connects
// and receives, the other subscribes and asks whether Redis is there.
type subscriptionConn struct {
	// Static after construction.
	s    *Subscriber
	node string        // "": any
	wake chan struct{} // some subscriptions have changed
	done chan struct{} // the receiving goroutine has ended

	heard atomic.Uint64         // answers and messages received
	busy  atomic.Bool           // handle is running
	cause atomic.Pointer[error] // why the sending goroutine has cut the connection

	// Subscriber.mu guards the following.
	connected bool
	since     time.Time       // of connected
	dirty     []*subscription // wanted and not subscribed, or the other way round, and nothing under way
	sent      []order         // commands that are not answered in full, in the order they were written
}

// order is one command that subscribes or unsubscribes.
type order struct {
	kind Kind
	on   bool
	of   []*subscription // not yet answered
}

func newSubscriptionConn(s *Subscriber, node string) *subscriptionConn {
	return &subscriptionConn{s: s, node: node, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (c *subscriptionConn) lived() time.Duration {
	if c.since.IsZero() {
		return 0
	}
	return time.Since(c.since)
}

// adoptLocked takes a subscription in.
func (c *subscriptionConn) adoptLocked(e *subscription) {
	e.conn, e.stage = c, absent
	c.touchLocked(e)
}

// touchLocked has the sending goroutine look at a subscription.
func (c *subscriptionConn) touchLocked(e *subscription) {
	c.dirty = append(c.dirty, e)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the receiving goroutine.
func (c *subscriptionConn) run() {
	err := c.live()
	if cause := c.cause.Load(); cause != nil {
		err = *cause
	}
	close(c.done)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.endLocked(c, err)
}

// live connects and receives until the connection ends.
func (c *subscriptionConn) live() error {
	l := c.s.link
	ctx, cancel := context.WithTimeout(l.ctx, 2*l.options.Timeout)
	defer cancel()
	raw, err := l.topology.open(ctx, c.node)
	if err != nil {
		return err
	}
	defer raw.close()
	c.begin()
	select {
	case l.retry <- struct{}{}: // a writer that waits to connect can do so now
	default:
	}
	l.running.Go(func() { c.send(raw) }) // awaited by Close; ends with done
	r := pushReader{reader: raw.reader}
	for {
		got, err := r.receive()
		if err == nil {
			c.heard.Add(1)
			err = c.receive(got)
		} else if isReply(err) {
			err = c.refused(err)
		}
		if err != nil {
			return err
		}
	}
}

// begin says that the connection stands.
func (c *subscriptionConn) begin() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.connected, c.since = true, time.Now()
	c.s.reportLocked(nil)
}

// receive takes what has come.
func (c *subscriptionConn) receive(got push) error {
	switch got.verb {
	case "pong":
		return nil
	case "message", "smessage", "pmessage":
		c.busy.Store(true)
		c.s.handling.Lock()
		c.s.handle(got.message)
		c.s.handling.Unlock()
		c.busy.Store(false)
		c.heard.Add(1)
		return nil
	}
	return c.confirmed(got)
}

// verbs are what Redis calls what an order does.
var verbs = [kinds][2]string{
	Plain:   {"unsubscribe", "subscribe"},
	Pattern: {"punsubscribe", "psubscribe"},
	Sharded: {"sunsubscribe", "ssubscribe"},
}

func (o *order) verb() string {
	if o.on {
		return verbs[o.kind][1]
	}
	return verbs[o.kind][0]
}

// confirmed takes the answer for one channel. Answers come in the order of the commands, and of the channels within one.
func (c *subscriptionConn) confirmed(got push) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.sent) == 0 || c.sent[0].verb() != got.verb || c.sent[0].of[0].name != got.name {
		return c.takenAwayLocked(got)
	}
	o := &c.sent[0]
	e := o.of[0]
	if o.of = o.of[1:]; len(o.of) == 0 {
		c.sent = c.sent[1:]
	}
	if !o.on {
		e.stage = absent
		if e.wanted {
			c.touchLocked(e)
		} else {
			s.forgetLocked(e)
		}
		return nil
	}
	e.stage, e.moves = subscribed, 0
	s.paidLocked(e)
	for _, w := range e.waits {
		w.one()
	}
	e.waits = nil
	if !e.wanted {
		c.touchLocked(e)
	}
	s.reportLocked(nil)
	return nil
}

// takenAwayLocked takes an answer nobody has asked for: a node of a cluster says so of channels that another has now.
func (c *subscriptionConn) takenAwayLocked(got push) error {
	e := c.s.subscriptions[Sharded][got.name]
	if got.verb != verbs[Sharded][0] {
		return errProtocol
	}
	if e == nil || e.conn != c || e.stage != subscribed { // the answer to what is under way is still to come
		return nil
	}
	c.s.movedFrom = c.node
	c.s.moveLocked(e)
	return nil
}

// refused takes an error in place of answers. Where another node of the cluster has the channel it is subscribed there;
// anything else, which is mostly that the user may not subscribe to it, ends the connection: without it the link is not up.
func (c *subscriptionConn) refused(err error) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isMoved(err) && !turnsAway(err) || len(c.sent) == 0 {
		return err
	}
	o := c.sent[0]
	c.sent = c.sent[1:]
	if isMoved(err) {
		if HasPrefix(err, "MOVED") && s.link.topology.cluster != nil {
			s.link.topology.cluster.learn(err, c.node)
		}
		for _, e := range o.of {
			s.moveLocked(e)
		}
		return nil
	}
	for _, e := range o.of {
		s.freeLocked(e)
	}
	s.failLocked(err, 0)
	return nil
}
