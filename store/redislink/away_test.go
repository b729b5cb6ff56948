package redislink

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/store/redis/redistest"
)

func TestRedisNeedNotBeThere(t *testing.T) {
	s := redistest.Start(t)
	s.Stop()
	var j journal
	l, states := open(t, Options{URL: s.URL(), Log: j.log()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	eventually(t, "the log says that Redis is away", func() bool { return strings.Contains(j.String(), "redis away") })
	if err := sub.Subscribe(t.Context(), Plain, "a"); err == nil {
		t.Error("Subscribe = nil while away")
	}
	s.Start()
	awaitState(t, states, true)
	l.Publish("a", nil)
	in.await(t, 1)
	if log := j.String(); strings.Count(log, "\n") != 2 || !strings.Contains(log, "connection refused by") {
		t.Errorf("want one line for the absence and one for its end:\n%s", log)
	}
}

// A Redis that is stopped answers nothing, though its connections stand.
func TestRedisIsPaused(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), Beat: 100 * time.Millisecond, Silence: 200 * time.Millisecond})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	s.Pause()
	began := time.Now()
	awaitState(t, states, false)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to see that Redis is paused", took)
	}
	if got := l.Stats().Reason; got != errNoAnswer.Error() {
		t.Errorf("Reason = %q, want %q", got, errNoAnswer)
	}
	s.Resume()
	awaitState(t, states, true)
	l.Publish("a", nil)
	in.await(t, 1)
}

// A connection that breaks by itself is one Redis knows nothing of; each of the two is made anew.
func TestConnectionsAreKilled(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	c := client(t, s)
	var sent atomic.Int64
	for _, kind := range []string{"pubsub", "normal", "pubsub"} {
		if n, err := c.ClientKillByFilter(t.Context(), "type", kind, "skipme", "yes").Result(); n != 1 || err != nil {
			t.Fatalf("CLIENT KILL TYPE %s ends %d connections, %v", kind, n, err)
		}
		l.doubt() // the writer would see it with the next message, or at the next beat
		awaitState(t, states, false)
		awaitState(t, states, true)
		if !l.Publish("a", nil) {
			t.Errorf("Publish = false after a connection of type %s was killed", kind)
		}
		in.await(t, int(sent.Add(1)))
	}
}

// What is subscribed to once ends with the connection, and the rest is subscribed to again.
func TestSubscribeOnce(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	sub := l.Subscriber(newInbox().take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "again")
	c := client(t, s)
	for range 2 {
		if err := sub.SubscribeOnce(t.Context(), Plain, "once"); err != nil {
			t.Fatal(err)
		}
		if n, err := l.NumSubs(t.Context(), false, "once", "again"); err != nil || n[0] != 1 || n[1] != 1 {
			t.Fatalf("subscribers %v, %v, want one each", n, err)
		}
		if err := c.ClientKillByFilter(t.Context(), "type", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		awaitState(t, states, false)
		awaitState(t, states, true)
		if n, err := l.NumSubs(t.Context(), false, "once", "again"); err != nil || n[0] != 0 || n[1] != 1 {
			t.Errorf("subscribers %v, %v after the connection was cut, want none and one", n, err)
		}
	}
	sub.Unsubscribe(Plain, "once") // it is not there
}

// The pauses of an outage are over with it: what breaks after that is back in a fraction of a second.
func TestConnectionsAreKilledAfterAnOutage(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	s.Stop()
	awaitState(t, states, false)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); { // so that pauses grow
		l.doubt()
		_ = sub.Subscribe(t.Context(), Plain, "a")
	}
	s.Start()
	awaitState(t, states, true)
	c := client(t, s)
	for range 3 {
		began := time.Now()
		if n, err := c.ClientKillByFilter(t.Context(), "skipme", "yes").Result(); n < 2 || err != nil {
			t.Fatalf("CLIENT KILL ends %d connections, %v", n, err)
		}
		awaitState(t, states, false)
		awaitState(t, states, true)
		if took := time.Since(began); took > time.Second {
			t.Errorf("back after %v", took)
		}
	}
}

// A Redis that hangs for longer than anybody waits for an answer loses nothing, and is not away.
func TestRedisHangs(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), Beat: 50 * time.Millisecond, Timeout: 100 * time.Millisecond})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	s.Pause()
	sent := 0
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for began := time.Now(); time.Since(began) < time.Second; <-every.C {
		if !l.Publish("a", []byte(strconv.Itoa(sent))) {
			t.Fatal("a message is lost")
		}
		sent++
	}
	if _, err := l.Do(t.Context(), "ping"); !errors.Is(err, ErrAway) {
		t.Errorf("Do = %v, want %v", err, ErrAway)
	}
	s.Resume()
	in.await(t, sent)
	if got := in.byChannel()["a"]; !ascending(got) {
		t.Error("messages arrive out of order")
	}
	if got := l.Stats(); got.Lost != 0 || got.Downs != 0 {
		t.Errorf("Stats = %+v, want nothing lost and the link up all the time", got)
	}
}

// What is queued when the link closes while it has no connection is told its end as well.
func TestCloseWithoutAConnection(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	var queued, told atomic.Int64
	var queueing sync.WaitGroup
	queueing.Go(func() {
		for !l.isClosing() {
			if l.Enqueue(Command{Args: []any{"ping"}, Done: func(any, error) { told.Add(1) }}) {
				queued.Add(1)
			}
		}
	})
	c := client(t, s)
	for range 20 {
		_ = c.ClientKillByFilter(t.Context(), "skipme", "yes").Err()
	}
	l.Close()
	queueing.Wait()
	if queued.Load() != told.Load() {
		t.Errorf("%d of %d commands were told their end", told.Load(), queued.Load())
	}
}

// What is queued while a connection breaks is counted, all of it, as either sent or lost.
func TestEveryMessageIsCounted(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	var refused, taken, dones uint64
	answers := make(chan result, 100_000)
	for round := range 4 {
		for i := range 10_000 {
			ok := false
			if i%10 == 0 {
				if ok = l.Enqueue(Command{Args: []any{"ping"}, Done: done(answers)}); ok {
					dones++
				}
			} else {
				ok = l.Publish("a", []byte("x"))
			}
			if ok {
				taken++
			} else {
				refused++
			}
			if i == 5000 && round%2 == 0 {
				s.Stop()
			}
		}
		if round%2 == 0 {
			eventually(t, "the link is down", func() bool { return !l.Up() })
			s.Start()
			eventually(t, "the link is up", l.Up)
		}
	}
	eventually(t, "nothing waits", func() bool { return l.Stats().Queued == 0 })
	l.Close()
	if got := l.Stats(); got.Sent+got.Lost != taken+refused || got.Lost < refused || got.Queued != 0 || got.QueuedBytes != 0 {
		t.Errorf("Stats = %+v with %d taken and %d refused", got, taken, refused)
	}
	if uint64(len(answers)) != dones {
		t.Errorf("%d of %d commands were told their end", len(answers), dones)
	}
}

func TestReplicaIsNotWrittenTo(t *testing.T) {
	redistest.NeedReal(t)
	master := redistest.Start(t)
	_, port, _ := strings.Cut(master.Addr(), ":")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1", port)
	if log := away(t, Options{URL: replica.URL()}); !strings.Contains(log, "read-only replica") {
		t.Errorf("log: %s", log)
	}
}

func TestSentinels(t *testing.T) {
	s := redistest.StartSentinel(t)
	var j journal
	l, states := open(t, Options{URL: s.URL(), Log: j.log()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	l.Publish("a", nil)
	in.await(t, 1)

	s.Master.Stop()
	awaitState(t, states, false)
	awaitState(t, states, true)
	l.Publish("a", nil)
	in.await(t, 2)
	if n := client(t, s.Replica).PubSubNumSub(t.Context(), "a").Val()["a"]; n != 1 {
		t.Errorf("the new master has %d subscribers, want 1", n)
	}

	// Without its Sentinels a Redis is still there.
	s.Sentinel.Pause()
	l.Publish("a", nil)
	in.await(t, 3)
	if !l.Up() {
		t.Errorf("the link is down without Sentinels:\n%s", j.String())
	}
}

func TestSentinelsDoNotKnow(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	for url, want := range map[string]string{
		"redis+sentinel://" + s.Addr() + "/main": "the Sentinel at " + s.Addr(),
	} {
		if log := away(t, Options{URL: url}); !strings.Contains(log, want) {
			t.Errorf("log: %s", log)
		}
	}
}
