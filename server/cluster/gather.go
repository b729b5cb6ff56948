package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// takeResponse handles an answer on a classic channel. Those to requests of others may be large, and come here as
// well.
func (c *Cluster) takeResponse(payload []byte) error {
	if c.gatherings.none() {
		c.stats.passed.Add(1)
		return nil
	}
	r, err := format.ParseClassicResponse(payload)
	if err != nil {
		return err
	}
	c.gatherings.answer(r.ID, r)
	return nil
}

// gather sends a request to all other servers and takes one answer of the right kind from each. The error says that
// they have not all answered.
func (c *Cluster) gather(ctx context.Context, namespace string, r *format.Request, kind format.ResponseType,
	take func(*format.Response)) error {
	s := c.space(namespace)
	if s == nil {
		return nil
	}
	ctx, cancel := c.within(ctx, requestTimeout)
	defer cancel()
	want, err := c.others(ctx, s)
	if err != nil {
		return err
	}
	if want == 0 {
		if !c.Up() {
			return errAway
		}
		return nil
	}
	r.ID = c.newRequestID()
	got, ended := 0, make(chan struct{})
	c.gatherings.add(r.ID, 0, func(a *format.Response) bool {
		if a.Type != kind {
			return false
		}
		take(a)
		got++
		return true
	}, func(bool) { close(ended) })
	defer context.AfterFunc(ctx, func() { c.gatherings.fail(r.ID) })()
	c.gatherings.expect(r.ID, want, true)
	if !c.ask(s, r) {
		c.gatherings.fail(r.ID)
		return errAway
	}
	<-ended
	switch {
	case got >= want && c.Up(): // nobody writes to got any more
		return nil
	case got >= want, ctx.Err() == nil:
		return errAway
	}
	c.stats.timeouts.Add(1)
	return fmt.Errorf("timeout reached: only %d responses received out of %d", got, want)
}

// within returns a ctx that is over after a while, or when the cluster has stopped.
func (c *Cluster) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// DisconnectForeign implements [hub.Nodes].
func (c *Cluster) DisconnectForeign(ctx context.Context, r hub.Room, closeConnection bool) (n int, complete bool) {
	namespace, _ := r.Place()
	s := c.space(namespace)
	if s == nil || !c.link.Up() {
		return 0, s == nil
	}
	ctx, cancel := c.within(ctx, answerTimeout)
	defer cancel()
	servers, err := c.link.NumSubs(ctx, s.sharded, s.counted()...)
	if err != nil {
		return 0, false
	}
	foreign, all := s.count(servers)
	if foreign == 0 {
		return 0, all
	}
	counted := make(chan bool, 1)
	id := c.questions.ask(answerTimeout, func(body []byte) {
		sockets, _, _ := cutNumber(body) // countForeign has written it
		n = int(sockets)
	}, func(complete bool) { counted <- complete })
	defer context.AfterFunc(ctx, func() { c.questions.fail(id) })()
	c.questions.expect(id, 1, all)
	c.countForeign(s, single(r), int(foreign), id)
	complete = <-counted
	order := c.request(format.RequestDisconnect, single(r))
	order.RoomKinds += foreignOnly
	order.Close = closeConnection
	return n, c.ask(s, order) && complete
}

// countForeign asks servers of other kinds how many sockets a selection names there, for a counted message that they
// were sent: they do not tell by themselves.
func (c *Cluster) countForeign(s *space, sel hub.Selection, servers int, count uint64) {
	r := c.request(format.RequestFetch, sel)
	r.RoomKinds += foreignOnly
	r.ID = c.newRequestID()
	seen := make(map[string]struct{})
	c.gatherings.add(r.ID, answerTimeout, func(a *format.Response) bool {
		if a.Type != format.ResponseSockets {
			return false
		}
		for _, socket := range a.Sockets {
			seen[socket.ID] = struct{}{}
		}
		return true
	}, func(complete bool) {
		if complete {
			c.questions.answer(count, binary.BigEndian.AppendUint64(nil, uint64(len(seen))))
		} else {
			c.questions.refuse(count, false)
		}
	})
	c.gatherings.expect(r.ID, servers, true)
	if !c.ask(s, r) {
		c.gatherings.fail(r.ID)
	}
}
