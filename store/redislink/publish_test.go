package redislink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signalbox/store/redis/redistest"
)

// result is what Done was given.
type result struct {
	reply any
	err   error
}

func done(c chan<- result) func(any, error) {
	return func(reply any, err error) { c <- result{reply, err} }
}

func TestCommandsAreAnswered(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	results := make(chan result, 10)
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{"set", "a", []byte{0, 1, '\r', '\n'}}, "OK <nil>"},
		{[]any{"get", "a"}, "\x00\x01\r\n <nil>"},
		{[]any{"get", "none"}, "<nil> <nil>"},
		{[]any{"rpush", "list", 1, 2.5, "three"}, "3 <nil>"},
		{[]any{"lrange", "list", 0, -1}, "[1 2.5 three] <nil>"},
		{[]any{"get", "list"}, "<nil> WRONGTYPE Operation against a key holding the wrong kind of value"},
		{[]any{"no-such-command"}, "<nil> ERR unknown command"},
	} {
		if !l.Enqueue(Command{Args: c.args, Done: done(results)}) {
			t.Fatalf("Enqueue(%v) = false", c.args)
		}
		r := await(t, "an answer", results)
		if got := fmt.Sprint(r.reply, " ", r.err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%v is answered with %q, want %q", c.args, got, c.want)
		}
	}
	if got := l.Stats(); got.Sent != 7 || got.Lost != 0 || got.Queued != 0 || got.QueuedBytes != 0 || !l.Up() {
		t.Errorf("Stats = %+v, want 7 sent and nothing queued", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	const message = 10_000
	l, states := open(t, Options{URL: s.URL(), QueueBytes: 20 * (message + itemBytes + 1)})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	s.Pause()
	for i := range 30 {
		if got, want := l.Publish("a", bytes.Repeat([]byte("x"), message)), i < 20; got != want {
			t.Errorf("Publish of message %d = %v, want %v", i, got, want)
		}
	}
	if got := l.Stats(); got.Queued != 20 || got.Lost != 10 || got.QueuedBytes != 20*(message+itemBytes+1) {
		t.Errorf("Stats = %+v, want 20 queued and 10 lost", got)
	}
	s.Resume()
	in.await(t, 20)
	eventually(t, "the queue is empty", func() bool { return l.Stats().Sent == 20 })
	if got := l.Stats(); got.Queued != 0 || got.QueuedBytes != 0 || got.Downs != 0 {
		t.Errorf("Stats = %+v, want nothing queued", got)
	}
	if !l.Publish("a", nil) {
		t.Error("Publish into the empty queue = false")
	}
	in.await(t, 21)
}

func TestPublishCounted(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a", "there")

	results := make(chan []int64, 10)
	counted := func(n []int64, err error) {
		if err != nil {
			t.Errorf("counted: %v", err)
		}
		results <- n
	}
	together(t, l, func() {
		for i := range 3 {
			l.PublishCounted(false, "a", []byte("counted"), []string{"there", "nobody", "a"}[:i+1], counted)
			l.Publish("a", []byte("plain"))
		}
	})
	in.await(t, 6)
	for _, want := range []string{"[1]", "[1 0]", "[1 0 1]"} {
		if got := fmt.Sprint(await(t, "a count", results)); got != want {
			t.Errorf("subscribers %s, want %s", got, want)
		}
	}
	var order []string
	for _, m := range in.messages() {
		order = append(order, string(m.Payload))
	}
	if got := strings.Join(order, " "); got != "counted plain counted plain counted plain" {
		t.Errorf("messages arrive as %q", got)
	}
	s.Stop()
	awaitState(t, states, false)
	eventually(t, "the first attempt to connect again has failed", func() bool { return !l.queue.accepts() })
	if l.PublishCounted(false, "a", nil, []string{"a"}, counted) {
		t.Error("PublishCounted = true while Redis is away")
	}
}

// together has everything f queues written in one batch: the writer is held up meanwhile.
func together(t *testing.T, l *Link, f func()) {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	l.Enqueue(Command{Args: []any{"ping"}, Done: func(any, error) { close(held); <-release }})
	await(t, "the writer", held)
	f()
	close(release)
}

func TestNumSub(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	first, second := l.Subscriber(func(Message) {}), l.Subscriber(func(Message) {})
	awaitState(t, states, true)
	subscribe1(t, first, Plain, "a", "b")
	subscribe1(t, second, Plain, "a")
	subscribe1(t, second, Pattern, "*")
	for channel, want := range map[string]int64{"a": 2, "b": 1, "c": 0} {
		if n, err := l.NumSub(t.Context(), false, channel); n != want || err != nil {
			t.Errorf("NumSub(%q) = %d, %v, want %d", channel, n, err, want)
		}
	}
	if !s.Real() {
		return // miniredis has no sharded channels
	}
	subscribe1(t, second, Sharded, "s")
	if n, err := l.NumSub(t.Context(), true, "s"); n != 1 || err != nil {
		t.Errorf("NumSub of a sharded channel = %d, %v, want 1", n, err)
	}
}

func TestDo(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	awaitState(t, states, true)
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{"set", "a", "b"}, "OK <nil>"},
		{[]any{"get", "a"}, "b <nil>"},
		{[]any{"get", "none"}, "<nil> <nil>"},
		{[]any{"rpush", "list", "1", 2, int64(3)}, "3 <nil>"},
		{[]any{"lrange", "list", 0, -1}, "[1 2 3] <nil>"},
		{[]any{"incr", "list"}, "<nil> WRONGTYPE"},
	} {
		reply, err := l.Do(t.Context(), c.args...)
		if got := fmt.Sprint(reply, " ", err); !strings.HasPrefix(got, c.want) {
			t.Errorf("Do(%q) = %s, want %s", c.args, got, c.want)
		}
		if err != nil && (!isReply(err) || errors.Is(err, ErrAway)) {
			t.Errorf("Do(%q) = %v, want a reply of Redis", c.args, err)
		}
	}
	replies, err := l.DoAll(t.Context(), []any{"get", "a"}, []any{"incr", "list"}, []any{"lindex", "list", 2})
	if len(replies) != 3 || replies[0] != "b" || replies[2] != "3" || !HasPrefix(err, "WRONGTYPE") {
		t.Errorf("DoAll = %v, %v", replies, err)
	}
	script := NewScript("return ARGV[1] .. redis.call('get', KEYS[1])")
	for range 2 { // Redis knows it the second time
		if reply, err := l.Run(t.Context(), script, []string{"a"}, "x"); reply != "xb" || err != nil {
			t.Errorf("Run = %v, %v", reply, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Do(ctx, "ping"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrAway) {
		t.Errorf("Do with a context that is over = %v", err)
	}
	if !l.Up() || l.Stats().Downs != 0 {
		t.Error("the link went down, though Redis was there all the time")
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL()})
	receiver, receiving := open(t, Options{URL: s.URL()})
	in := newInbox()
	sub := receiver.Subscriber(in.take)
	awaitState(t, states, true)
	awaitState(t, receiving, true)
	subscribe1(t, sub, Plain, "a")
	for range 2000 {
		l.Publish("a", []byte("x"))
	}
	l.Close()
	in.await(t, 2000)
	if l.Publish("a", nil) || l.Enqueue(Command{Args: []any{"ping"}}) {
		t.Error("a closed link takes messages")
	}
	if _, err := l.Do(t.Context(), "ping"); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrAway) {
		t.Errorf("Do on a closed link = %v", err)
	}
	if _, err := l.NumSub(t.Context(), false, "a"); !errors.Is(err, ErrClosed) {
		t.Errorf("NumSub on a closed link = %v", err)
	}
	l.Close()
}

func TestCloseDoesNotWaitForRedisForLong(t *testing.T) {
	redistest.NeedReal(t)
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), Timeout: 200 * time.Millisecond, Beat: time.Hour})
	l.Subscriber(func(Message) {})
	awaitState(t, states, true)
	s.Pause()
	results := make(chan result, 1)
	l.Enqueue(Command{Args: []any{"ping"}, Done: done(results)})
	began := time.Now()
	l.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	if r := await(t, "the end of the command", results); !errors.Is(r.err, ErrAway) {
		t.Errorf("Done(%v, %v), want ErrAway", r.reply, r.err)
	}
}
