package cluster

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"signalbox/store/redis/redistest"
)

func realRedis(t *testing.T) *redistest.Server {
	t.Helper()
	s := redistest.Start(t)
	if !s.Real() {
		t.Skip("streams need a real Redis")
	}
	return s
}

// What is sent while Redis is away for a moment waits, and comes once and in order, also where the stream is gone afterwards.
func TestWhatIsSentInAShortOutageWaits(t *testing.T) {
	s := realRedis(t)
	long := func(o *Options) { o.Streams, o.StreamMaxLen = true, 10_000 }
	a, b := newNode(t, s, long), newNode(t, s, long)
	for _, n := range []*node{a, b} {
		n.stream.patience = time.Minute
		n.Start(n)
	}
	meet(t, a, b)
	here, there := a.join("here", user42), b.join("there", user42)
	sent := 0
	send := func(n int) {
		for range n {
			a.hub.Send(user42, event("/", strconv.Itoa(sent)))
			sent++
		}
	}
	send(100)
	for range 2 {
		s.Stop()
		send(50)
		eventually(t, "both have noticed", func() bool { return !a.link.Up() && !b.link.Up() })
		send(50)
		s.Start()
		eventually(t, "Redis is back", func() bool { send(1); return a.link.Up() && b.link.Up() })
		send(50)
	}
	for i := range sent {
		here.want(t, strconv.Itoa(i))
	}
	// Which of the first 100 b has read before Redis was killed is not known, nor of those that Redis had and told nobody.
	for next := 0; next < sent; next++ {
		select {
		case got := <-there.got:
			if n, err := strconv.Atoi(got); err != nil || n < next {
				t.Fatalf("%q came behind %d", got, next-1)
			} else {
				next = n
			}
		case <-time.After(patience):
			t.Fatalf("nothing came behind %d of %d", next-1, sent)
		}
	}
	here.wantNothing(t)
	there.wantNothing(t)
	if lost := a.Stats().Lost; lost > 0 {
		t.Errorf("%d messages are lost", lost)
	}
}

// A message that was written twice, since nobody could know whether Redis had it, comes once.
func TestWhatIsWrittenTwiceComesOnce(t *testing.T) {
	s := realRedis(t)
	a := startNode(t, s, streams)
	in, c := a.join("in", user42), raw(t, s)
	add := func(number, name string) {
		t.Helper()
		data := fmt.Sprintf(`{"packet":{"type":2,"data":[%q]},"opts":{"rooms":["42"],"except":[],"flags":{}}}`, name)
		args := []any{"xadd", "test", "*", "uid", "other", "nsp", "/", "type", "3", "data", data}
		if number != "" {
			args = append(args, "sb", number)
		}
		if err := c.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, number := range []string{"1", "2", "1", "2", "3", "", ""} {
		add(number, "n"+number)
	}
	for _, name := range []string{"n1", "n2", "n3", "n", "n"} {
		in.want(t, name+" text:adopted in 42")
	}
	eventually(t, "it is known how long a time the stream is of", func() bool { return a.Stats().StreamSeconds >= 0 })
}
