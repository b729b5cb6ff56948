package redislink

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Kind is a way to subscribe.
type Kind uint8

const (
	Plain   Kind = iota // SUBSCRIBE
	Pattern             // PSUBSCRIBE
	Sharded             // SSUBSCRIBE, Redis 7
	kinds
)

// Message is what was published on a channel.
type Message struct {
	Channel string
	Pattern string // the pattern that has matched, for those of Pattern
	Payload []byte // valid for good, and not to be changed
	Sharded bool   // published with SPUBLISH
}

// Subscriber receives. It has one connection to Redis; in a Redis Cluster one for Plain and Pattern, and one to each node
// that has some of its channels of Sharded. Its methods may be called from any goroutine.
type Subscriber struct {
	// Static after construction.
	link   *Link
	handle func(Message)
	wake   chan struct{} // resubscribe has something to do

	handling sync.Mutex // handle is called by one connection at a time

	// mu guards the following.
	mu            sync.Mutex
	subscriptions [kinds]map[string]*subscription
	conns         map[string]*subscriptionConn // by node; "" is that of Plain and Pattern, and of all where it is no cluster
	loose         []*subscription              // wanted, and without a connection
	owing         int                          // those not made, of those that keep the link from being up
	well          bool                         // everything wanted was subscribed when the link was told last
	counted       bool                         // the link is up only while it is well
	failing       bool                         // since a connection has failed, until everything is well again
	retryAt       time.Time                    // while failing: when to connect again
	again         reconnect
	moving        bool      // the cluster has other nodes for some channels
	movedFrom     string    // a node that has told so
	remap         bool      // who has which channel is to be asked anew
	placeAt       time.Time // when to follow the next one that moves
}

// stage is how far a subscription is with Redis.
type stage uint8

const (
	absent stage = iota
	subscribing
	subscribed
	unsubscribing
)

// subscription is one channel or pattern. At most one command for it is under way, so that an answer can mean but one thing.
type subscription struct {
	kind   Kind
	name   string
	wanted bool
	once   bool // it ends with its connection
	stage  stage
	owed   bool              // counted in owing
	moves  int               // since it was made last
	conn   *subscriptionConn // nil: loose, or unwanted
	waits  []*wait
}

// wait is a call of Subscribe that waits.
type wait struct {
	left int // subscriptions not yet confirmed
	err  error
	done chan struct{}
}

func (w *wait) one() {
	if w.left--; w.left == 0 && w.err == nil {
		close(w.done)
	}
}

func (w *wait) fail(err error) {
	if w.err == nil && w.left > 0 {
		w.err = err
		close(w.done)
	}
}

// Subscriber makes one, which lives until the link closes. handle is called for each message, in the order in which one
// connection brings them, never twice at a time. While it runs nothing is received: Redis drops a connection that is too
// far behind. A Subscriber that is made while the link is up does not take it down.
func (l *Link) Subscriber(handle func(m Message)) *Subscriber {
	s := &Subscriber{link: l, handle: handle, wake: make(chan struct{}, 1), conns: map[string]*subscriptionConn{}}
	for k := range s.subscriptions {
		s.subscriptions[k] = map[string]*subscription{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return s
	}
	if s.counted = !l.Up(); s.counted {
		l.state.setSubscriber(s, false, nil)
	}
	l.subscribers = append(l.subscribers, s)
	l.running.Go(s.resubscribe) // awaited by Close
	return s
}

// Subscribe subscribes to channels, patterns for [Pattern], and returns when Redis has confirmed all of them: what is
// published from then on arrives. Those that are subscribed to already are confirmed already. What it returns does not
// change what is wanted: it is subscribed to again after every reconnect, before the link is up, until Unsubscribe.
//
// [ErrAway]: Redis is away, or went away meanwhile; everything is subscribed to once it is back. The error of ctx:
// confirmation is still to come. [ErrBothWays]: none of the channels was subscribed to. It must not be called from handle,
// which would keep the confirmation from being received.
func (s *Subscriber) Subscribe(ctx context.Context, k Kind, channels ...string) error {
	w := &wait{done: make(chan struct{})}
	s.mu.Lock()
	for _, name := range channels {
		if k != Pattern && s.subscriptions[Sharded-k][name] != nil { // Plain and Sharded are each other's opposite
			s.mu.Unlock()
			return fmt.Errorf("%w: %q", ErrBothWays, name)
		}
	}
	away := false
	for _, name := range channels {
		e := s.wantLocked(k, name)
		if e.stage == subscribed {
			continue
		}
		if s.failing && (e.conn == nil || !e.conn.connected) {
			away = true
			continue
		}
		e.waits = append(e.waits, w)
		w.left++
	}
	waiting := w.left > 0
	s.mu.Unlock()
	if away {
		return s.link.away()
	}
	if !waiting {
		return nil
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.link.ctx.Done():
		return fmt.Errorf("%w: %w", ErrAway, ErrClosed)
	}
}

// SubscribeOnce is Subscribe for a channel that is not subscribed to again after its connection has broken: whoever counts its
// subscribers then finds those alone who have said so since. In a Redis Cluster it is like any other.
func (s *Subscriber) SubscribeOnce(ctx context.Context, k Kind, channel string) error {
	s.mu.Lock()
	s.wantLocked(k, channel).once = true
	s.mu.Unlock()
	return s.Subscribe(ctx, k, channel)
}

// Unsubscribe takes channels back. It does not wait: messages that are on their way may still arrive.
func (s *Subscriber) Unsubscribe(k Kind, channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range channels {
		e := s.subscriptions[k][name]
		if e == nil || !e.wanted {
			continue
		}
		s.unwantLocked(e, ErrUnsubscribed)
		if e.conn == nil || e.stage == absent {
			s.forgetLocked(e)
		} else {
			e.conn.touchLocked(e)
		}
	}
	s.reportLocked(nil)
}

// unwantLocked has nobody wait for a subscription any more.
func (s *Subscriber) unwantLocked(e *subscription, err error) {
	e.wanted, e.once = false, false
	s.paidLocked(e)
	for _, w := range e.waits {
		w.fail(err)
	}
	e.waits = nil
}

// wantLocked returns the subscription to a channel that is wanted from now on.
func (s *Subscriber) wantLocked(k Kind, name string) *subscription {
	e := s.subscriptions[k][name]
	if e == nil {
		e = &subscription{kind: k, name: name}
		s.subscriptions[k][name] = e
	}
	if e.wanted {
		return e
	}
	e.wanted = true
	if !s.well {
		s.oweLocked(e)
	}
	switch {
	case e.conn != nil:
		e.conn.touchLocked(e)
	case s.link.topology.address.kind != cluster && s.conns[""] != nil:
		s.conns[""].adoptLocked(e)
	default:
		s.loose = append(s.loose, e)
		s.wakeLocked()
	}
	return e
}

// forgetLocked takes a subscription out that is neither wanted nor subscribed.
func (s *Subscriber) forgetLocked(e *subscription) {
	e.conn = nil
	if s.subscriptions[e.kind][e.name] == e {
		delete(s.subscriptions[e.kind], e.name)
	}
}

func (s *Subscriber) oweLocked(e *subscription) {
	if !e.owed {
		e.owed = true
		s.owing++
	}
}

func (s *Subscriber) paidLocked(e *subscription) {
	if e.owed {
		e.owed = false
		s.owing--
	}
}

// reportLocked tells the link whether everything wanted is subscribed; err says why not.
func (s *Subscriber) reportLocked(err error) {
	if s.link.ctx.Err() != nil {
		return
	}
	well := s.owing == 0
	if main := s.conns[""]; s.link.topology.address.kind != cluster {
		well = well && main != nil && main.connected
	}
	s.well = well
	if well {
		s.failing = false
	}
	if !well && err == nil && !s.counted {
		return // a new one, which does not take the link down
	}
	s.counted = true
	s.link.state.setSubscriber(s, well, err)
}

// needsMainLocked reports whether there has to be a connection for Plain and Pattern.
func (s *Subscriber) needsMainLocked() bool {
	return s.link.topology.address.kind != cluster || len(s.subscriptions[Plain])+len(s.subscriptions[Pattern]) > 0
}

func (s *Subscriber) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
