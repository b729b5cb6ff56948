package cluster

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"signalbox/store/redis/link"
)

// Start subscribes to everything and tells the others. It waits for Redis for a moment; where Redis is away it returns all
// the same, and the cluster begins when Redis is there.
func (c *Cluster) Start(local Local) {
	c.local = local
	c.heard.Store(int64(time.Since(c.epoch)))
	c.subscriber = c.link.Subscriber(c.receive)
	c.background.Go(c.work)

	ctx, cancel := context.WithTimeout(c.ctx, 2*time.Second)
	defer cancel()
	c.subscribe(ctx, link.Plain, c.everyone, c.inbox)
	c.subscribe(ctx, link.Plain, c.topics.channels.base)
	c.subscribe(ctx, link.Plain, plainChannels...)
	c.subscribe(ctx, link.Pattern, plainPatterns...)
	c.spacesMu.Lock()
	c.started = true
	var spaces []*space
	for _, s := range c.spaces {
		spaces = append(spaces, s)
	}
	c.spacesMu.Unlock()
	for _, s := range spaces {
		c.subscribeSpace(ctx, s)
	}
	c.link.OnState(c.stateChanged)
	if c.link.Up() {
		c.hello()
	}
	c.background.Go(c.beat)
}

func (c *Cluster) subscribe(ctx context.Context, k link.Kind, channels ...string) {
	// What cannot be subscribed to now is when Redis is back.
	if err := c.subscriber.Subscribe(ctx, k, channels...); err != nil {
		c.log.Debug("not subscribed yet", "channels", len(channels), "error", err)
	}
}

// Drain tells the other servers not to count on this one's answers any more. Messages still come and go.
func (c *Cluster) Drain() {
	c.draining.Store(true)
	if c.sharded {
		return // one channel carries messages and requests: it is needed to the end
	}
	for _, s := range c.allSpaces() {
		c.withdraw(s)
	}
}

// Stop says good-bye and ends every goroutine; what is received after it is dropped. The link is the caller's to close.
func (c *Cluster) Stop() {
	c.tellAll(c.appendControl(controlBye))
	c.cancel()
	c.background.Wait()
}

// Forget takes a node out that is known to have gone for good.
func (c *Cluster) Forget(node string) { c.left(node) }

// stateChanged is called when Redis has gone or is back.
func (c *Cluster) stateChanged(up bool) {
	c.members.forgetAll()
	c.interest.abandon()
	c.questions.abandon()
	c.counts.abandon()
	c.echoes.forget()
	for _, s := range append(c.allSpaces(), c.topics) {
		s.checked.Store(0)
	}
	if up {
		c.hello()
	}
}

// hello tells the others that this node is there, and what it wants; they tell the same.
func (c *Cluster) hello() { c.tellAll(c.appendState(c.appendControl(controlHello))) }

// beat says at intervals that this node is there, and looks who else is.
func (c *Cluster) beat() {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	sweep := time.Now()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.link.Up() {
			continue
		}
		seq, _ := c.interest.state()
		c.tellAll(binary.BigEndian.AppendUint64(c.appendControl(controlBeat), seq))
		suspected, forgotten := c.members.age(time.Now())
		for _, node := range slices.Concat(suspected, forgotten) {
			c.interest.gone(node)
			c.questions.gone(node)
			c.counts.gone(node)
		}
		for _, s := range append(c.allSpaces(), c.topics) {
			c.recount(s)
		}
		if time.Since(sweep) >= sweepInterval {
			sweep = time.Now()
			c.interest.sweep()
		}
	}
}

// recount asks who is subscribed to a namespace.
func (c *Cluster) recount(s *space) {
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	n, err := c.link.NumSubs(ctx, s.gate.Sharded, s.gate.Channels...)
	if err == nil {
		s.count(n)
	}
}

// work runs what was given to inOrder.
func (c *Cluster) work() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case f := <-c.tasks:
			f()
		}
	}
}
