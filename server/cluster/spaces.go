package cluster

import (
	"context"
	"time"

	"signalbox/store/redislink"
)

// Open makes a namespace known to the cluster. It is called before the first client of the namespace, and waits for
// Redis for a moment.
func (c *Cluster) Open(namespace string) {
	c.spacesMu.Lock()
	if c.spaces[namespace] != nil {
		c.spacesMu.Unlock()
		return
	}
	s := c.newSpace(namespace)
	s.member.Store(true)
	c.spaces[namespace] = s
	delete(c.visited, namespace)
	c.patterns[s.channels.sockets] = s
	c.byChannel[s.channels.base] = subscribedChannel{s, broadcastChannel}
	c.byChannel[s.channels.request] = subscribedChannel{s, requestChannel}
	c.byChannel[s.channels.answers] = subscribedChannel{s, answerChannel}
	c.byChannel[s.channels.own] = subscribedChannel{s, answerChannel}
	started := c.started
	c.spacesMu.Unlock()
	if started {
		ctx, cancel := context.WithTimeout(c.ctx, time.Second)
		defer cancel()
		c.subscribeSpace(ctx, s)
	}
}

// subscribeSpace subscribes to the channels of a namespace. Request channel and marker change in one command: where
// their numbers differ, there are servers of other kinds.
func (c *Cluster) subscribeSpace(ctx context.Context, s *space) {
	ch := &s.channels
	if c.sharded {
		c.subscribe(ctx, redislink.Sharded, ch.base, ch.marker, ch.own)
		return
	}
	if c.stream != nil {
		c.subscribe(ctx, redislink.Plain, ch.base, ch.marker, ch.own)
		return
	}
	c.subscribe(ctx, redislink.Pattern, ch.sockets)
	if c.draining.Load() {
		s.member.Store(false)
		c.subscribe(ctx, redislink.Plain, ch.base, ch.answers, ch.own)
		return
	}
	c.subscribe(ctx, redislink.Plain, ch.base, ch.request, ch.marker, ch.answers, ch.own)
}

// Close makes a namespace unknown that nobody is in any more.
func (c *Cluster) Close(namespace string) {
	c.spacesMu.Lock()
	s := c.spaces[namespace]
	if s == nil {
		c.spacesMu.Unlock()
		return
	}
	delete(c.spaces, namespace)
	delete(c.patterns, s.channels.sockets)
	for _, channel := range []string{s.channels.base, s.channels.request, s.channels.answers, s.channels.own} {
		delete(c.byChannel, channel)
	}
	started := c.started
	c.spacesMu.Unlock()
	if !started {
		return
	}
	s.member.Store(false)
	c.withdraw(s)
	if c.sharded {
		c.rooms.unsubscribe(redislink.Sharded, s.channels.own)
		return
	}
	if c.stream != nil {
		c.rooms.unsubscribe(redislink.Plain, s.channels.own)
		return
	}
	c.rooms.unsubscribe(redislink.Pattern, s.channels.sockets)
	c.rooms.unsubscribe(redislink.Plain, s.channels.base, s.channels.answers, s.channels.own)
}

// withdraw takes this node out of those that are counted, and with it waited for.
func (c *Cluster) withdraw(s *space) {
	kind := redislink.Plain
	if c.sharded {
		kind = redislink.Sharded
	}
	c.rooms.unsubscribe(kind, s.channels.request, s.channels.marker)
}

func (c *Cluster) space(namespace string) *space {
	if namespace == "" {
		return c.topics
	}
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	return c.spaces[namespace]
}

// maxVisited bounds the namespaces that are kept although nobody here is in them.
const maxVisited = 1000

// spaceFor is space for a namespace that only others may have: messages for it can be published all the same.
func (c *Cluster) spaceFor(namespace string) *space {
	if s := c.space(namespace); s != nil {
		return s
	}
	c.spacesMu.Lock()
	defer c.spacesMu.Unlock()
	if s := c.spaces[namespace]; s != nil {
		return s
	}
	s := c.visited[namespace]
	if s == nil {
		for other := range c.visited { // any one: it only has to be asked about again
			if len(c.visited) < maxVisited {
				break
			}
			delete(c.visited, other)
		}
		s = c.newSpace(namespace)
		c.visited[namespace] = s
	}
	return s
}

func (c *Cluster) spaceOfPattern(pattern string) *space {
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	return c.patterns[pattern]
}

// channelOf returns the namespace that a channel belongs to, nil for that of a room.
func (c *Cluster) channelOf(channel string) (*space, channelKind) {
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	found := c.byChannel[channel]
	return found.space, found.kind
}

// isChannel reports whether a channel belongs to a namespace.
func (c *Cluster) isChannel(channel string) bool {
	s, _ := c.channelOf(channel)
	return s != nil
}

func (c *Cluster) allSpaces() []*space {
	c.spacesMu.RLock()
	defer c.spacesMu.RUnlock()
	spaces := make([]*space, 0, len(c.spaces))
	for _, s := range c.spaces {
		spaces = append(spaces, s)
	}
	return spaces
}
