package cluster

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"signalbox/store/redislink"
)

const (
	// startPatience is how long Start waits for Redis and for the other nodes to say who they are.
	startPatience = 2 * time.Second
	// meetPatience is how long other nodes have to say who they are, when this one has come or come back. It is longer than
	// ackPatience: who has not answered by then knows that it may not have heard of this node, see [attention].
	meetPatience = time.Second
	// namesPerCount is how many channels one command counts the subscribers of.
	namesPerCount = 300
)

// Start subscribes to everything, tells the others, and waits until all of them have heard: from then on clients may come. It
// waits for a moment; where Redis is away it returns all the same, and the cluster begins when Redis is there.
func (c *Cluster) Start(local Local) {
	c.local = local
	c.subscriber = c.link.Subscriber(c.receive)
	c.background.running.Go(c.background.work) // awaited by Stop

	ctx, cancel := context.WithTimeout(c.ctx, startPatience)
	defer cancel()
	c.subscribe(ctx, redislink.Plain, c.everyone, c.inbox)
	c.subscribe(ctx, redislink.Plain, c.topics.channels.base)
	c.subscribe(ctx, redislink.Plain, plainChannels...)
	c.subscribe(ctx, redislink.Pattern, plainPatterns...)
	c.rooms.start(ctx, c.subscriber)
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
	c.voice.Lock()
	c.silent = c.ctx.Err() != nil
	c.voice.Unlock()
	c.background.running.Go(c.beat) // awaited by Stop
	c.link.OnState(c.stateChanged)
	c.awaitOthers(ctx)
}

// awaitOthers waits until this node has met the others for the first time, unless Redis is away.
func (c *Cluster) awaitOthers(ctx context.Context) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-c.met:
			return
		case <-ctx.Done():
			return
		case <-again.C:
			if s := c.link.Stats(); !s.Up && s.Reason != "" {
				return
			}
		}
	}
}

func (c *Cluster) subscribe(ctx context.Context, k redislink.Kind, channels ...string) {
	// What cannot be subscribed to now is when Redis is back.
	if err := c.subscriber.Subscribe(ctx, k, channels...); err != nil {
		c.log.Debug("not subscribed yet", "channels", len(channels), "error", err)
	}
}

// Drain tells the other servers not to count on this one's answers any more. Messages still come and go.
func (c *Cluster) Drain() {
	c.draining.Store(true)
	c.spacesMu.RLock()
	started := c.started
	c.spacesMu.RUnlock()
	if c.sharded || !started {
		return // in the sharded mode one channel carries messages and requests: it is needed to the end
	}
	for _, s := range c.allSpaces() {
		s.member.Store(false)
		c.withdraw(s)
	}
}

// Stop says good-bye and ends every goroutine. When it has returned no handler is called any more, and nobody waits for an
// answer; messages can still be sent until the link is closed, which is the caller's to do. It must not be called by a
// handler.
func (c *Cluster) Stop() {
	c.cancel()
	c.receiving.Lock()
	//lint:ignore SA2001 what is being handled is over then, and nothing more will be
	c.receiving.Unlock()
	c.background.end()
	c.voice.Lock()
	if !c.silent {
		c.link.Publish(c.everyone, c.appendControl(controlBye))
	}
	c.silent = true // who says something after good-bye is taken to be there
	c.voice.Unlock()
	c.forgetOthers()
}

// Forget takes a node out that is held to be gone for good. Where it is still there, it is sent everything until it says so.
func (c *Cluster) Forget(node string) {
	if c.left(node) {
		c.unmet.Store(1) // until the next survey
	}
}

// stateChanged is called when Redis has gone or is back.
func (c *Cluster) stateChanged(up bool) {
	if c.ctx.Err() != nil {
		return
	}
	downs := c.link.Downs()
	c.forgetOthers()
	if !up {
		c.echoes.forget()
		return
	}
	c.downs.Store(downs) // another that comes meanwhile is told of again
	c.hello()
	c.background.start(quick, c.meet)
}

// forgetOthers has nobody waited for any more: those who are still there say so.
func (c *Cluster) forgetOthers() {
	c.unmet.Store(1)
	c.attention.lose()
	c.members.forgetAll()
	c.interest.abandon()
	c.questions.abandon()
	c.counts.abandon()
	c.gatherings.abandon()
	for _, s := range append(c.allSpaces(), c.topics) {
		s.checked.Store(0)
	}
}

// hello tells the others that this node is there, and what it wants; they tell the same.
func (c *Cluster) hello() {
	c.tellAll(c.appendState(c.appendControl(controlHello)))
	c.probe()
}

// meet waits until all other nodes have told what they want, or for meetPatience. Until it returns every message may be for
// one of them.
func (c *Cluster) meet() {
	ctx, cancel := context.WithTimeout(c.ctx, meetPatience)
	defer cancel()
	defer c.meeting.Do(func() { close(c.met) })
	for c.survey(ctx) > 0 {
		select {
		case <-c.members.news:
		case <-time.After(meetPatience / 20): // the number may have changed instead
		case <-ctx.Done():
			return
		}
	}
}

// survey looks how many nodes there are that have not told what they want, and returns it.
func (c *Cluster) survey(ctx context.Context) int64 {
	if n, err := c.link.NumSub(ctx, false, c.everyone); err == nil {
		c.unmet.Store(max(0, n-1-int64(c.members.known.Load())))
	}
	return c.unmet.Load()
}

// isAlone reports whether there is no other node, as far as this one knows.
func (c *Cluster) isAlone() bool { return c.members.all.Load() == 0 && c.unmet.Load() == 0 }

// beat says at intervals that this node is there, and looks who else is.
func (c *Cluster) beat() {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	var beaten, swept time.Time
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.members.news: // the one that was missing, perhaps
			c.resurvey()
			continue
		case <-ticker.C:
		}
		if !c.link.Up() {
			continue
		}
		now := time.Now()
		switch {
		case now.Sub(beaten) >= beatInterval:
			// First of all: a node that was stopped, and that others have given up, is heard of by them before it is sure of
			// anything again.
			beaten = now
			c.tellBeat()
			silent, forgotten := c.members.age(now)
			for _, node := range slices.Concat(silent, forgotten) {
				c.interest.gone(node)
				c.missing(node)
			}
			c.recount()
		case !c.isAlone():
			c.probe()
			c.resurvey()
		}
		if now.Sub(swept) >= sweepInterval {
			swept = now
			c.interest.sweep()
		}
	}
}

// resurvey looks again for nodes that have not told what they want, where there were some: they come in a moment, and until
// then every answer is a partial one.
func (c *Cluster) resurvey() {
	if c.unmet.Load() == 0 || !c.link.Up() {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, beatInterval)
	defer cancel()
	c.survey(ctx)
}

func (c *Cluster) tellBeat() {
	seq, _ := c.interest.state()
	b := binary.BigEndian.AppendUint64(c.appendControl(controlBeat), seq)
	c.tellAll(binary.BigEndian.AppendUint64(b, c.attention.stamp()))
}

// recount asks who is subscribed to what.
func (c *Cluster) recount() {
	ctx, cancel := context.WithTimeout(c.ctx, beatInterval)
	defer cancel()
	c.survey(ctx)
	spaces := c.allSpaces()
	for some := range slices.Chunk(spaces, namesPerCount/3) {
		var channels []string
		for _, s := range some {
			channels = append(channels, s.gate.Channels...)
		}
		n, err := c.link.NumSubs(ctx, c.sharded, channels...)
		if err != nil || len(n) != len(channels) {
			return
		}
		for _, s := range some {
			s.count(n[:len(s.gate.Channels)])
			n = n[len(s.gate.Channels):]
		}
	}
}
