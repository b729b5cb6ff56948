package redislink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"signalbox/store/redis/redistest"
)

func TestSubscribeReturnsWhenMessagesArrive(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	c := client(t, s)
	for i := range 200 {
		channel := "c" + strconv.Itoa(i)
		subscribe1(t, sub, Plain, channel, channel) // once more is no other subscription
		if n := c.Publish(t.Context(), channel, i).Val(); n != 1 {
			t.Fatalf("%d subscribers of %s right after Subscribe, want 1", n, channel)
		}
	}
	subscribe1(t, sub, Pattern, "p?")
	c.Publish(t.Context(), "pq", "x")
	in.await(t, 201)
	if got := in.messages()[200]; got.Channel != "pq" || got.Pattern != "p?" || string(got.Payload) != "x" || got.Sharded {
		t.Errorf("got %+v", got)
	}
	subscribe1(t, sub, Plain) // nothing
	sub.Unsubscribe(Plain, "c7", "unknown")
	sub.Unsubscribe(Plain, "c7")
	eventually(t, "c7 has no subscriber", func() bool { return c.PubSubNumSub(t.Context(), "c7").Val()["c7"] == 0 })
	subscribe1(t, sub, Plain, "c7")
	c.Publish(t.Context(), "c7", "again")
	in.await(t, 202)
}

func TestSubscribeTwoWays(t *testing.T) {
	redistest.NeedReal(t) // miniredis has no sharded channels
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Sharded, "s")
	l.SPublish("s", []byte("1"))
	in.await(t, 1)
	subscribe1(t, sub, Plain, "p")
	l.SPublish("s", []byte("2"))
	l.Publish("p", []byte("3"))
	in.await(t, 3)
	for i, m := range in.messages() {
		if want := m.Channel == "s"; m.Sharded != want || string(m.Payload) != strconv.Itoa(i+1) {
			t.Errorf("message %d is %+v", i+1, m)
		}
	}
	if err := sub.Subscribe(t.Context(), Plain, "q", "s"); !errors.Is(err, ErrBothWays) {
		t.Errorf("Subscribe of a sharded channel as a plain one = %v, want ErrBothWays", err)
	}
	if n, err := l.NumSub(t.Context(), false, "q"); n != 0 || err != nil {
		t.Errorf("NumSub = %d, %v: a refused Subscribe has subscribed", n, err)
	}
	subscribe1(t, sub, Pattern, "s") // a pattern is told by what comes with it
	l.Publish("s", []byte("4"))
	in.await(t, 4)
	if m := in.messages()[3]; m.Sharded || m.Pattern != "s" {
		t.Errorf("got %+v", m)
	}
}

// Whoever subscribes and unsubscribes at once, in the end Redis has what was wanted last.
func TestSubscriptionsSettle(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	sub := l.Subscriber(func(Message) {})
	awaitState(t, states, true)
	const channels = 40
	last := [channels]bool{}
	var all sync.WaitGroup
	for i := range channels { // each channel has one goroutine that decides last
		all.Go(func() {
			name := "c" + strconv.Itoa(i)
			for range 50 {
				if last[i] = rand.IntN(2) == 0; !last[i] {
					sub.Unsubscribe(Plain, name)
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(1000))*time.Microsecond)
				if err := sub.Subscribe(ctx, Plain, name); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Subscribe = %v", err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	for i, wanted := range last {
		name, want := "c"+strconv.Itoa(i), int64(0)
		if wanted {
			subscribe1(t, sub, Plain, name)
			want = 1
		}
		eventually(t, name+" is as was wanted last", func() bool {
			n, err := l.NumSub(t.Context(), false, name)
			return err == nil && n == want
		})
	}
	if got := l.Stats(); got.Downs != 0 {
		t.Errorf("Stats = %+v, want the link up all the time", got)
	}
}

func TestVeryManyChannelsComeBack(t *testing.T) {
	const channels = 5000
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	names := make([]string, channels)
	for i := range names {
		names[i] = fmt.Sprintf("channel-%d", i)
	}
	subscribe1(t, sub, Plain, names...)
	s.Stop()
	awaitState(t, states, false)
	s.Start()
	awaitState(t, states, true)
	for _, name := range names {
		l.Publish(name, nil)
	}
	in.await(t, channels)
}

func TestWantedMeanwhile(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	sub := l.Subscriber(func(Message) {})
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "old", "dropped")
	s.Stop()
	awaitState(t, states, false)
	if err := sub.Subscribe(t.Context(), Plain, "new", "changed"); !errors.Is(err, ErrAway) {
		t.Errorf("Subscribe while away = %v, want ErrAway", err)
	}
	sub.Unsubscribe(Plain, "dropped", "changed")
	s.Start()
	awaitState(t, states, true)
	for channel, want := range map[string]int64{"old": 1, "new": 1, "dropped": 0, "changed": 0} {
		if n, err := l.NumSub(t.Context(), false, channel); n != want || err != nil {
			t.Errorf("NumSub(%q) = %d, %v after the return, want %d", channel, n, err, want)
		}
	}
}

func TestSubscribeIsNotForever(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), Beat: time.Hour})
	sub := l.Subscriber(func(Message) {})
	awaitState(t, states, true)
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := sub.Subscribe(ctx, Plain, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Subscribe = %v, want the error of its context", err)
	}
	faults := make(chan error, 1)
	go func() { faults <- sub.Subscribe(context.Background(), Plain, "b") }() // ends with the channel below
	eventually(t, "b is wanted", func() bool {
		sub.mu.Lock()
		defer sub.mu.Unlock()
		return sub.subscriptions[Plain]["b"] != nil
	})
	sub.Unsubscribe(Plain, "b")
	if err := await(t, "the end of Subscribe", faults); !errors.Is(err, ErrUnsubscribed) {
		t.Errorf("Subscribe = %v, want ErrUnsubscribed", err)
	}
	s.Resume()
	for channel, want := range map[string]int64{"a": 1, "b": 0} {
		eventually(t, channel+" is as wanted", func() bool {
			n, err := l.NumSub(t.Context(), false, channel)
			return err == nil && n == want
		})
	}
}

func TestSlowHandlerKeepsItsConnection(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), Beat: 10 * time.Millisecond, Silence: 50 * time.Millisecond})
	entered, leave := make(chan struct{}), make(chan struct{})
	sub := l.Subscriber(func(Message) { entered <- struct{}{}; <-leave })
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	l.Publish("a", nil)
	await(t, "the handler", entered)
	after := time.NewTimer(200 * time.Millisecond) // several questions remain without an answer
	defer after.Stop()
	select {
	case up := <-states:
		t.Errorf("the link's state changes to %v", up)
	case <-after.C:
	}
	close(leave)
}

func TestNewSubscriberDoesNotTakeTheLinkDown(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	subscribe1(t, l.Subscriber(func(Message) {}), Plain, "a")
	if got := l.Stats(); !got.Up || got.Downs != 0 {
		t.Errorf("Stats = %+v, want the link up all the time", got)
	}
}

func TestSubscriberOfAClosedLink(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	early := l.Subscriber(func(Message) {})
	l.Close()
	for name, sub := range map[string]*Subscriber{"made before": early, "made after": l.Subscriber(func(Message) {})} {
		if err := sub.Subscribe(t.Context(), Plain, "a"); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrAway) {
			t.Errorf("%s: Subscribe = %v, want ErrClosed", name, err)
		}
		sub.Unsubscribe(Plain, "a")
	}
}
