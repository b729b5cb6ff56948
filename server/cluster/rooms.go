package cluster

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// subscribePatience is how long a join waits at most for Redis to subscribe to the room's channel.
const subscribePatience = time.Second

// subscriptions are the channels of rooms in the sharded mode: one for each room that somebody here is in.
type subscriptions struct {
	// Static after construction.
	cluster *Cluster

	mu sync.Mutex
	// mu guards the following.
	subscriber *redislink.Subscriber    // nil before the cluster has started
	rooms      map[string]*subscription // by channel
}

// subscription is the channel of one room.
type subscription struct {
	members int
	ready   chan struct{} // closed when messages come, or need not be waited for
}

// channel returns the channel of a room, and whether it has one of its own. It depends on nothing but the room: what is
// counted in is counted out.
func (ss *subscriptions) channel(r hub.Room) (string, bool) {
	namespace, name := ss.cluster.names.Of(r)
	if namespace == "" || hub.IsSocketID(name) {
		return "", false
	}
	return ss.cluster.prefix + "#" + namespace + "#" + name + "#", true
}

// start subscribes to the rooms that were joined before the cluster has started, and waits for that. It is called before
// requests come: who joins meanwhile waits as well.
func (ss *subscriptions) start(ctx context.Context, subscriber *redislink.Subscriber) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.subscriber = subscriber
	if len(ss.rooms) > 0 {
		ss.cluster.subscribe(ctx, redislink.Sharded, slices.Collect(maps.Keys(ss.rooms))...)
	}
}

// gone is a ctx that is over: what is done with it waits for nothing.
var gone = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// want counts a member, subscribes to the room's channel for the first one, and waits for that.
func (ss *subscriptions) want(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	sub := ss.rooms[channel]
	fresh := sub == nil
	if fresh {
		sub = &subscription{ready: make(chan struct{})}
		ss.rooms[channel] = sub
	}
	sub.members++
	ready, started := sub.ready, ss.subscriber != nil
	ss.mu.Unlock()

	if !fresh {
		<-ready
		return
	}
	if started {
		ctx, cancel := context.WithTimeout(ss.cluster.ctx, subscribePatience)
		defer cancel()
		ss.subscribe(ctx, channel)
	}
	close(ready)
}

// expect is want without waiting, and those who join next do not wait either: they are joined by the goroutine that would
// bring the confirmation. What is published behind it comes all the same, as Redis carries out what it is told in order.
func (ss *subscriptions) expect(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub := ss.rooms[channel]
	if sub == nil {
		sub = new(subscription)
		ss.rooms[channel] = sub
		if ss.subscriber != nil {
			ss.subscribe(gone, channel)
		}
	}
	sub.members++
	sub.ready = closedChannel
}

func (ss *subscriptions) subscribe(ctx context.Context, channel string) {
	ss.cluster.subscribe(ctx, redislink.Sharded, channel)
}

// unwant takes one want or expect back. The last ends the subscription.
func (ss *subscriptions) unwant(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub := ss.rooms[channel]
	if sub == nil {
		return
	}
	if sub.members--; sub.members > 0 {
		return
	}
	delete(ss.rooms, channel)
	if ss.subscriber != nil && !ss.cluster.isChannel(channel) {
		// Under mu: who subscribes next comes behind it.
		ss.subscriber.Unsubscribe(redislink.Sharded, channel)
	}
}

// has reports whether a channel is that of a room here.
func (ss *subscriptions) has(channel string) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.rooms[channel] != nil
}
