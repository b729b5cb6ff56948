package redislink

import (
	"errors"
	"net"
	"time"
)

const (
	// chunk is how many channels one command subscribes to: so that the answers to very many do not have to be held back by
	// Redis.
	chunk = 256
	// sendBytes is about how much is written at once.
	sendBytes = 64 << 10
)

// send is the sending goroutine.
func (c *subscriptionConn) send(raw *conn) {
	l := c.s.link
	beat := time.NewTicker(l.options.Beat)
	defer beat.Stop()
	last, asked := uint64(0), time.Time{} // what was heard when the last question was put, and when that was; zero: none is open
	for {
		var err error
		select {
		case <-c.done:
			return
		case <-c.wake:
			err = c.flush(raw)
		case <-beat.C:
			if err = l.topology.check(raw.addr); err != nil {
				break
			}
			switch heard := c.heard.Load(); {
			case asked.IsZero() || heard != last || c.busy.Load():
				last, asked = heard, time.Now()
				err = raw.send(l.options.Silence, appendCommand(raw.out[:0], "ping"))
			case time.Since(asked) >= l.options.Silence:
				err = errNoAnswer
			}
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) { // otherwise the receiving goroutine has ended, and knows why
				c.cause.CompareAndSwap(nil, &err)
			}
			raw.cut()
		}
	}
}

// flush writes what has changed.
func (c *subscriptionConn) flush(raw *conn) error {
	var todo [kinds][2][]*subscription
	c.s.mu.Lock()
	for _, e := range c.dirty {
		switch {
		case e.conn != c:
		case e.wanted && e.stage == absent:
			e.stage = subscribing
			todo[e.kind][1] = append(todo[e.kind][1], e)
		case !e.wanted && e.stage == subscribed:
			e.stage = unsubscribing
			todo[e.kind][0] = append(todo[e.kind][0], e)
		case !e.wanted && e.stage == absent:
			c.s.forgetLocked(e)
		}
	}
	c.dirty = nil
	c.s.mu.Unlock()
	for k := range todo {
		for on, list := range todo[k] {
			if err := c.order(raw, Kind(k), on == 1, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// order writes the commands for subscriptions of one kind.
func (c *subscriptionConn) order(raw *conn, k Kind, on bool, list []*subscription) error {
	most := chunk
	if c.node != "" {
		most = 1 // a cluster wants all channels of a command to be of one slot
	}
	for len(list) > 0 {
		b := raw.out[:0]
		c.s.mu.Lock()
		for len(list) > 0 && len(b) < sendBytes {
			o := order{kind: k, on: on, of: list[:min(most, len(list))]}
			list = list[len(o.of):]
			b = appendBulk(appendArray(b, 1+len(o.of)), o.verb())
			for _, e := range o.of {
				b = appendBulk(b, e.name)
			}
			c.sent = append(c.sent, o)
		}
		c.s.mu.Unlock()
		if err := raw.send(c.s.link.options.Silence, b); err != nil {
			return err
		}
	}
	return nil
}
