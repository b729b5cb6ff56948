package cluster

import (
	"context"
	"sync"

	"signalbox/server/hub"
	"signalbox/store/redis/link"
)

// subscriptions are the channels of rooms in the sharded mode: one for each room that somebody here is in.
type subscriptions struct {
	cluster *Cluster

	mu sync.Mutex
	// mu guards the following.
	rooms map[string]*subscription // by channel
}

type subscription struct {
	space   *space
	members int
	ready   chan struct{} // closed when messages come
}

func (ss *subscriptions) init(c *Cluster) {
	ss.cluster, ss.rooms = c, make(map[string]*subscription)
}

// channel returns the channel of a room, and whether it has one of its own.
func (ss *subscriptions) channel(r hub.Room) (*space, string, bool) {
	namespace, name := wireName(r)
	if namespace == "" || isSocketID(name) {
		return nil, "", false
	}
	s := ss.cluster.space(namespace)
	if s == nil {
		return nil, "", false
	}
	return s, s.channels.base + name + "#", true
}

// want subscribes to the room's channel for its first member, and waits for it.
func (ss *subscriptions) want(r hub.Room) {
	s, channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ready := make(chan struct{})
	sub, fresh := ss.add(s, channel, 1, ready)
	if fresh {
		ss.subscribe(channel)
		close(ready)
	}
	<-sub.ready
}

// expect subscribes without waiting and without a member: those who join next do not wait for it either. They are joined
// by the goroutine that would bring the confirmation.
func (ss *subscriptions) expect(r hub.Room) {
	s, channel, ok := ss.channel(r)
	if !ok {
		return
	}
	if _, fresh := ss.add(s, channel, 0, closedChannel); fresh {
		ss.cluster.inBackground(func() { ss.subscribe(channel) })
	}
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (ss *subscriptions) add(s *space, channel string, members int, ready chan struct{}) (sub *subscription, fresh bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub = ss.rooms[channel]
	if sub == nil {
		sub = &subscription{space: s, ready: ready}
		ss.rooms[channel] = sub
		fresh = true
	}
	sub.members += members
	return sub, fresh
}

func (ss *subscriptions) subscribe(channel string) {
	if ss.cluster.subscriber == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ss.cluster.ctx, ackPatience)
	defer cancel()
	ss.cluster.subscribe(ctx, link.Sharded, channel)
}

// unwant ends the subscription with the room's last member.
func (ss *subscriptions) unwant(r hub.Room) {
	_, channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub := ss.rooms[channel]
	if sub == nil {
		return
	}
	sub.members--
	ss.dropLocked(sub, channel)
}

// settle ends a subscription that was expected, and that nobody has come for.
func (ss *subscriptions) settle(r hub.Room) {
	_, channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if sub := ss.rooms[channel]; sub != nil {
		ss.dropLocked(sub, channel)
	}
}

// dropLocked ends a subscription without members.
func (ss *subscriptions) dropLocked(sub *subscription, channel string) {
	if sub.members > 0 {
		return
	}
	delete(ss.rooms, channel)
	if ss.cluster.subscriber != nil {
		// Under mu: who subscribes next comes behind it.
		ss.cluster.subscriber.Unsubscribe(link.Sharded, channel)
	}
}

// spaceOf returns the namespace of a room's channel, nil for one that is not subscribed to.
func (ss *subscriptions) spaceOf(channel string) *space {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if sub := ss.rooms[channel]; sub != nil {
		return sub.space
	}
	return nil
}
