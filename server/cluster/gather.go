package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// gatherings are the requests of this node whose answers are being collected, by their id.
type gatherings struct {
	mu sync.Mutex
	// mu guards the following.
	open map[string]*gathering
}

// gathering collects the answers to one request. A server may answer several times.
type gathering struct {
	// take is called one at a time, on the goroutine that receives, which it must not keep. It reports whether that
	// was all.
	take func(r *format.Response) bool
	done chan struct{} // closed when that was all, or nothing more will come

	mu     sync.Mutex
	closed bool // nothing is taken any more; guarded by mu
}

func (gs *gatherings) add(id string, take func(r *format.Response) bool) *gathering {
	g := &gathering{take: take, done: make(chan struct{})}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.open[id] = g
	return g
}

// end takes a request out: when it returns, its answers are not written to any more.
func (gs *gatherings) end(id string) {
	gs.mu.Lock()
	g := gs.open[id]
	delete(gs.open, id)
	gs.mu.Unlock()
	if g != nil {
		g.close()
	}
}

func (g *gathering) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closeLocked()
}

func (g *gathering) closeLocked() {
	if !g.closed {
		g.closed = true
		close(g.done)
	}
}

// answer gives an answer to the request it is for, if that is one of ours.
func (gs *gatherings) answer(r *format.Response) {
	gs.mu.Lock()
	g := gs.open[r.ID]
	gs.mu.Unlock()
	if g != nil && g.answer(r) {
		gs.end(r.ID)
	}
}

func (g *gathering) answer(r *format.Response) (all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || !g.take(r) {
		return false
	}
	g.closeLocked()
	return true
}

// none reports whether nobody waits for an answer.
func (gs *gatherings) none() bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return len(gs.open) == 0
}

// abandon ends all requests: Redis has gone.
func (gs *gatherings) abandon() {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for id, g := range gs.open {
		delete(gs.open, id)
		g.close()
	}
}

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
	c.gatherings.answer(r)
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
	got := 0
	g := c.gatherings.add(r.ID, func(a *format.Response) bool {
		if a.Type != kind {
			return false
		}
		take(a)
		got++
		return got >= want
	})
	defer c.gatherings.end(r.ID)
	if !c.ask(s, r) {
		return errAway
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		c.gatherings.end(r.ID)
	}
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
	c.gatherings.add(r.ID, func(a *format.Response) bool {
		if a.Type != format.ResponseSockets {
			return false
		}
		servers--
		for _, socket := range a.Sockets {
			seen[socket.ID] = struct{}{}
		}
		if servers > 0 {
			return false
		}
		c.questions.answer(count, binary.BigEndian.AppendUint64(nil, uint64(len(seen))))
		return true
	})
	if !c.ask(s, r) {
		c.gatherings.end(r.ID)
		c.questions.refuse(count, false)
		return
	}
	time.AfterFunc(answerTimeout, func() { c.gatherings.end(r.ID) }) // the count gives up then by itself
}
