package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redislink"
)

const (
	// subscribePatience is how long a join waits at most for Redis to confirm that messages for the room come.
	subscribePatience = time.Second
	// linger is how long a channel stays subscribed to that nobody needs any more: clients that reconnect need it
	// again.
	linger = 5 * time.Second
)

// subscriptions are the channels of the rooms that somebody here is in. Rooms of several kinds may share one.
type subscriptions struct {
	// Static after construction.
	cluster *Cluster

	mu sync.Mutex
	// mu guards the following.
	started bool
	rooms   map[string]*subscription // by channel
	idle    []datedChannel           // without members, in the order in which the last one left
	hurries []datedChannel           // channels of joins that did not wait, for as long as Redis may take to confirm them
	overdue int                      // joins that have not waited to the end, and whose channel is still to be confirmed
}

// subscription is one channel.
type subscription struct {
	members   int
	hurried   int       // joins that must not wait, being made by the goroutine that would bring the confirmation
	confirmed uint64    // 1 more than the times that Redis had gone when messages came over it; 0: they never did
	idleSince time.Time // of members being 0
}

// datedChannel is a channel that something has happened to.
type datedChannel struct {
	channel string
	since   time.Time
}

// channel returns the channel of a room, and whether it has one of its own. It depends on nothing but the room: what
// is counted in is counted out. What is for a socket of this node comes by a pattern; in the sharded mode, what is
// for a socket or would be taken for it by Node comes over the channel of the namespace, as does what is for
// everybody. In the streams mode the stream brings all.
func (ss *subscriptions) channel(r hub.Room) (channel string, ok bool) {
	c := ss.cluster
	namespace, name := c.names.Of(r)
	switch {
	case c.stream != nil, namespace == "", r.Kind == hub.KindEverybody,
		c.sharded && hub.IsSocketID(name), !c.sharded && c.isSocketHere(name):
		return "", false
	}
	return c.prefix + "#" + namespace + "#" + name + "#", true
}

func (ss *subscriptions) kind() redislink.Kind {
	if ss.cluster.sharded {
		return redislink.Sharded
	}
	return redislink.Plain
}

// start subscribes to the rooms that were joined before the cluster has started, and waits for that.
func (ss *subscriptions) start(ctx context.Context) {
	ss.mu.Lock()
	ss.started = true
	channels := slices.Collect(maps.Keys(ss.rooms))
	ss.mu.Unlock()
	if len(channels) > 0 {
		ss.cluster.subscribe(ctx, ss.kind(), channels...)
	}
}

// over is a ctx that is over: who subscribes with it waits for nothing.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// want counts a member of a room, and for the first one has its channel subscribed to.
func (ss *subscriptions) want(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.wantLocked(channel)
}

func (ss *subscriptions) wantLocked(channel string) *subscription {
	sub := ss.rooms[channel]
	if sub == nil {
		sub = new(subscription)
		ss.rooms[channel] = sub
		if ss.started {
			ss.cluster.subscribe(over, ss.kind(), channel)
		}
	}
	sub.members++
	return sub
}

// hurry is want for joins that must not wait, and lets those that come meanwhile not wait either. It is paid back
// with hurried.
func (ss *subscriptions) hurry(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.wantLocked(channel).hurried++
}

func (ss *subscriptions) hurried(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if sub := ss.rooms[channel]; sub != nil {
		sub.hurried--
		ss.unwantLocked(channel, sub)
		if sub.members > 0 && ss.started {
			ss.hurries = append(ss.hurries, datedChannel{channel, time.Now()})
		}
	}
}

// awaitHurried returns when what others send comes to those who have joined without waiting, or after a while:
// whoever asks who is in a room is to reach them there.
func (ss *subscriptions) awaitHurried() {
	var channels []string
	ss.mu.Lock()
	for _, h := range ss.hurries {
		if sub := ss.rooms[h.channel]; sub != nil && sub.members > 0 {
			channels = append(channels, h.channel)
		}
	}
	ss.mu.Unlock()
	if len(channels) > 0 {
		ctx, cancel := context.WithTimeout(ss.cluster.ctx, subscribePatience)
		defer cancel()
		ss.cluster.subscribe(ctx, ss.kind(), channels...)
	}
}

// unwant takes one want back.
func (ss *subscriptions) unwant(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if sub := ss.rooms[channel]; sub != nil {
		ss.unwantLocked(channel, sub)
	}
}

func (ss *subscriptions) unwantLocked(channel string, sub *subscription) {
	if sub.members--; sub.members == 0 {
		sub.idleSince = time.Now()
		ss.idle = append(ss.idle, datedChannel{channel, sub.idleSince})
	}
}

// sweep ends the subscriptions that nobody has needed for a while.
func (ss *subscriptions) sweep(now time.Time) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	var channels []string
	n := 0
	for ; n < len(ss.idle) && now.Sub(ss.idle[n].since) >= linger; n++ {
		i := ss.idle[n]
		if sub := ss.rooms[i.channel]; sub != nil && sub.members == 0 && sub.idleSince.Equal(i.since) {
			delete(ss.rooms, i.channel)
			if !ss.cluster.isChannel(i.channel) {
				channels = append(channels, i.channel)
			}
		}
	}
	ss.idle = slices.Delete(ss.idle, 0, n)
	ss.hurries = slices.DeleteFunc(ss.hurries, func(h datedChannel) bool { return now.Sub(h.since) > subscribePatience })
	if ss.started && len(channels) > 0 {
		ss.cluster.subscriber.Unsubscribe(ss.kind(), channels...) // under mu: who subscribes next comes behind it
	}
}

// await returns when what others send to a room reaches this node. It gives up after subscribePatience, and at once
// while Redis is away.
func (ss *subscriptions) await(r hub.Room) {
	channel, ok := ss.channel(r)
	if !ok {
		return
	}
	c := ss.cluster
	downs := c.link.Downs()
	ss.mu.Lock()
	sub := ss.rooms[channel]
	wait := ss.started && sub != nil && sub.hurried == 0 && sub.confirmed != downs+1
	ss.mu.Unlock()
	if !wait {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, subscribePatience)
	defer cancel()
	switch err := c.subscriber.Subscribe(ctx, ss.kind(), channel); {
	case err == nil:
		ss.mu.Lock()
		defer ss.mu.Unlock()
		sub.confirmed = downs + 1
	case errors.Is(err, context.DeadlineExceeded):
		ss.remember(channel)
	}
}

// heard reports whether what others send to a room reaches this node, as far as joins have waited for it.
func (ss *subscriptions) heard(r hub.Room) bool {
	channel, ok := ss.channel(r)
	if !ok {
		return true
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	sub := ss.rooms[channel]
	return sub == nil || sub.hurried > 0 || sub.confirmed == ss.cluster.link.Downs()+1
}

// remember has answers say that they are partial until Redis confirms a channel.
func (ss *subscriptions) remember(channel string) {
	add := func(n int) {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		ss.overdue += n
	}
	add(1)
	started := ss.cluster.background.start(patient, func() {
		defer add(-1)
		// An error says that it is not wanted any more, or that Redis is away.
		_ = ss.cluster.subscriber.Subscribe(ss.cluster.ctx, ss.kind(), channel)
	})
	if !started {
		add(-1)
	}
}

// late reports whether messages for a room that somebody here has joined do not come yet.
func (ss *subscriptions) late() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.overdue > 0
}

// unsubscribe ends the subscription to channels of a namespace, but for those that a room has as well: its name may
// be any.
func (ss *subscriptions) unsubscribe(kind redislink.Kind, channels ...string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if kind == ss.kind() {
		channels = slices.DeleteFunc(channels, func(channel string) bool { return ss.rooms[channel] != nil })
	}
	ss.cluster.subscriber.Unsubscribe(kind, channels...)
}

// end takes all subscriptions back: the cluster has stopped.
func (ss *subscriptions) end() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.cluster.subscriber.Unsubscribe(ss.kind(), slices.Collect(maps.Keys(ss.rooms))...)
	ss.started = false
}
