package cluster

import (
	"context"
	"slices"
	"time"

	"signalbox/store/redislink"
)

const (
	// startPatience is how long Start waits for Redis.
	startPatience = 2 * time.Second
	// lookInterval is how often a node looks who else is subscribed to what.
	lookInterval = 500 * time.Millisecond
	// spacesPerLook is of how many namespaces one command counts the subscribers.
	spacesPerLook = 100
)

// Start subscribes to everything and tells the others: from then on clients may come. It waits for a moment; where
// Redis is away it returns all the same, and the cluster begins when Redis is there.
func (c *Cluster) Start(local Local) {
	c.local = local
	c.subscriber = c.link.Subscriber(c.receive)
	if c.stream != nil {
		c.stream.start()
	}
	c.background.running.Go(c.background.work) // awaited by Stop

	ctx, cancel := context.WithTimeout(c.ctx, startPatience)
	defer cancel()
	c.subscribe(ctx, redislink.Plain, append([]string{c.everyone, c.inbox, c.topics.channels.base}, plainChannels...)...)
	c.subscribe(ctx, redislink.Pattern, plainPatterns...)
	c.rooms.start(ctx)
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
	c.outbound.Lock()
	c.closed = c.ctx.Err() != nil
	c.outbound.Unlock()
	c.background.running.Go(c.beat) // awaited by Stop
	c.link.OnState(c.stateChanged)
	c.awaitOthers(ctx)
}

// awaitOthers waits until the others have been told of this node for the first time, unless Redis is away.
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
	if err := c.subscriber.Subscribe(ctx, k, channels...); err != nil && ctx != over {
		c.log.Debug("not subscribed yet", "channels", len(channels), "error", err)
	}
}

// Drain tells the other servers not to count on this one's answers any more. Messages still come and go.
func (c *Cluster) Drain() {
	c.draining.Store(true)
	c.spacesMu.RLock()
	started := c.started
	c.spacesMu.RUnlock()
	if c.sharded || c.stream != nil || !started {
		// In the sharded mode one channel carries messages and requests: it is needed to the end. In the streams mode who has
		// the request channel is who answers for how many a message was queued.
		return
	}
	for _, s := range c.allSpaces() {
		s.member.Store(false)
		c.withdraw(s)
	}
}

// Stop says good-bye and ends every goroutine. When it has returned no handler is called any more, and nobody waits
// for an answer; messages can still be sent until the link is closed, which is the caller's to do. It must not be
// called by a handler.
func (c *Cluster) Stop() {
	c.cancel()
	c.receiving.Lock()
	//lint:ignore SA2001 what is being handled is over then, and nothing more will be
	c.receiving.Unlock()
	c.background.end()
	c.outbound.Lock()
	if !c.closed {
		c.link.Publish(c.everyone, c.appendControl(controlBye))
	}
	c.closed = true
	c.outbound.Unlock()
	c.unsubscribeAll()
	c.stream.end()
	c.endQuestions()
}

// unsubscribeAll has the others count on no answers of this node any more.
func (c *Cluster) unsubscribeAll() {
	if c.subscriber == nil {
		return
	}
	c.subscriber.Unsubscribe(c.rooms.kind(), c.here)
	c.subscriber.Unsubscribe(redislink.Plain, c.everyone, c.topics.channels.base)
	for _, s := range c.allSpaces() {
		c.Close(s.name)
	}
	c.rooms.end()
}

// Forget takes a node out that is held to be gone for good.
func (c *Cluster) Forget(node string) { c.members.forget(node) }

// stateChanged is called when Redis has gone or is back.
func (c *Cluster) stateChanged(up bool) {
	if c.ctx.Err() != nil {
		return
	}
	c.endQuestions()
	if !up {
		c.members.away()
		for _, s := range c.allSpaces() {
			s.away()
		}
		c.echoes.forget()
		// Others are to count this node again when everything else is subscribed to, which the link sees to by itself.
		c.subscriber.Unsubscribe(c.rooms.kind(), c.here)
		return
	}
	c.members.back(time.Now())
	c.background.start(quick, c.meet)
}

// endQuestions ends whatever waits for answers.
func (c *Cluster) endQuestions() {
	c.questions.abandon()
	c.gatherings.abandon()
}

// meet tells the others that this node is subscribed to everything it wants, and looks who else is.
func (c *Cluster) meet() {
	ctx, cancel := context.WithTimeout(c.ctx, subscribePatience)
	defer cancel()
	if err := c.subscriber.SubscribeOnce(ctx, c.rooms.kind(), c.here); err != nil {
		return // Redis has gone again
	}
	c.tellAll(c.introduction(controlMeet))
	c.look()
	c.meeting.Do(func() { close(c.met) })
}

// beat says at intervals that this node is there, and looks who else is.
func (c *Cluster) beat() {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	var beaten time.Time
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		c.rooms.sweep(now)
		if !c.link.Up() {
			continue
		}
		if now.Sub(beaten) >= beatInterval {
			beaten = now
			c.tellAll(append(c.appendControl(controlHere), c.url...))
			c.members.age(now)
			if c.stream != nil {
				c.stream.measure(c.ctx)
			}
		}
		c.look()
	}
}

// look counts who is subscribed to what.
func (c *Cluster) look() {
	ctx, cancel := context.WithTimeout(c.ctx, lookInterval)
	defer cancel()
	up := c.link.Stats().Since
	for some := range slices.Chunk(c.allSpaces(), spacesPerLook) {
		channels := []string{c.here}
		for _, s := range some {
			channels = append(channels, s.channels.request, s.channels.marker)
		}
		n, err := c.link.NumSubs(ctx, c.sharded, channels...)
		if err != nil || len(n) != len(channels) {
			return
		}
		for i, s := range some {
			s.settle(time.Since(up))
			s.count([]int64{n[0], n[1+2*i], n[2+2*i]})
		}
	}
}
