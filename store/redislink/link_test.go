package redislink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"signalbox/store/redis/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what is to happen soon.
const patience = 20 * time.Second

// await waits for what is sent on c.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// open opens a link that ends with the test, and returns the changes of its state.
func open(t testing.TB, o Options) (*Link, <-chan bool) {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	states := make(chan bool, 100)
	l.OnState(func(up bool) { states <- up })
	return l, states
}

// awaitState waits for the next change, which is to be want.
func awaitState(t testing.TB, states <-chan bool, want bool) {
	t.Helper()
	if got := await(t, fmt.Sprintf("up = %v", want), states); got != want {
		t.Fatalf("the link's state changes to %v, want %v", got, want)
	}
}

// eventually waits until something that nobody tells of has come about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// client is one of go-redis for what the link does not do.
func client(t testing.TB, s *redistest.Server) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// journal is a log that can be read.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func subscribe1(t testing.TB, s *Subscriber, k Kind, channels ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Subscribe(ctx, k, channels...); err != nil {
		t.Fatalf("Subscribe(%v) = %v", channels, err)
	}
}

func TestMessagesArriveInOrder(t *testing.T) {
	const messages = 100_000
	s := redistest.Start(t)
	l, states := open(t, Options{URL: s.URL(), QueueBytes: 64 << 20})
	next, done := 0, make(chan string, 1)
	sub := l.Subscriber(func(m Message) {
		if string(m.Payload) != strconv.Itoa(next) {
			select {
			case done <- fmt.Sprintf("message %d is %s", next, m.Payload):
			default:
			}
		}
		if next++; next == messages {
			done <- ""
		}
	})
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	subscribe1(t, sub, Pattern, "b*")
	channels := []string{"a", "b", "bb"}
	if !s.Real() {
		channels = []string{"a"} // miniredis brings what patterns match another way
	}
	for i := range messages {
		if !l.Publish(channels[i%len(channels)], []byte(strconv.Itoa(i))) {
			t.Fatalf("message %d is lost", i)
		}
	}
	if fault := await(t, "all messages", done); fault != "" {
		t.Fatal(fault)
	}
	eventually(t, "all are answered", func() bool { return l.Stats().Sent == messages })
	if got := l.Stats(); got.Queued != 0 || got.QueuedBytes != 0 || got.Lost != 0 || !got.Up || got.Downs != 0 {
		t.Errorf("Stats = %+v, want none queued and none lost", got)
	}
}

func TestRedisIsAwayAndBack(t *testing.T) {
	s := redistest.Start(t)
	var j journal
	l, states := open(t, Options{URL: s.URL(), Log: j.log()})
	got := make(chan Message, 10)
	sub := l.Subscriber(func(m Message) { got <- m })
	awaitState(t, states, true)
	subscribe1(t, sub, Plain, "a")
	s.Stop()
	awaitState(t, states, false)
	eventually(t, "the writer has noticed", func() bool { return !l.queue.accepts() })
	if _, err := l.Do(t.Context(), "ping"); !errors.Is(err, ErrAway) {
		t.Errorf("Do while away = %v, want ErrAway", err)
	}
	lost := l.Stats().Lost
	for range 7 {
		if l.Publish("a", []byte("lost")) {
			t.Error("Publish while away = true")
		}
	}
	if err := sub.Subscribe(t.Context(), Plain, "b"); !errors.Is(err, ErrAway) {
		t.Errorf("Subscribe while away = %v, want ErrAway", err)
	}
	s.Start()
	awaitState(t, states, true)
	for _, channel := range []string{"a", "b"} {
		if !l.Publish(channel, []byte("x")) {
			t.Error("Publish after the return = false")
		}
		if m := await(t, "a message", got); m.Channel != channel || string(m.Payload) != "x" {
			t.Errorf("got %+v on %s", m, channel)
		}
	}
	if got := l.Stats(); got.Lost != lost+7 || got.Downs != 1 || got.Reconnects != 1 || got.Reason != "" {
		t.Errorf("Stats = %+v, want 7 more than %d lost, 1 down and 1 reconnect", got, lost)
	}
	if log := j.String(); strings.Count(log, "redis away") != 1 || strings.Count(log, "commands_lost=7") != 1 {
		t.Errorf("log:\n%s", log)
	}
}
