package redislink

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store/redis/redistest"
)

// One cluster serves all that has to be seen of one, since starting it takes seconds; it loses a master at the end.
func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, true)
	var j journal
	l, states := open(t, Options{URL: c.URL(), Log: j.log()})
	in := newInbox()
	sub := l.Subscriber(in.take)
	awaitState(t, states, true)

	sharded := make([]string, 60) // of slots on all three masters
	for i := range sharded {
		sharded[i] = "s" + strconv.Itoa(i)
	}
	subscribe1(t, sub, Sharded, sharded...)
	subscribe1(t, sub, Plain, "p")
	subscribe1(t, sub, Pattern, "q*")

	t.Run("every way arrives in order", func(t *testing.T) {
		for i := range 3000 {
			payload := []byte(strconv.Itoa(i))
			l.SPublish(sharded[i%len(sharded)], payload)
			l.Publish([]string{"p", "q1", "q2"}[i%3], payload)
		}
		in.await(t, 6000)
		for channel, got := range in.byChannel() {
			if !ascending(got) {
				t.Errorf("messages of %s arrive as %v", channel, got)
			}
		}
		if !ascending(in.plain()) {
			t.Error("messages of plain channels arrive out of order")
		}
	})

	t.Run("commands are answered before what follows them is published", func(t *testing.T) {
		reader := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{c.Masters[0].Addr()}})
		t.Cleanup(func() { _ = reader.Close() })
		missing := make(chan string, 200)
		second := l.Subscriber(func(m Message) {
			if got := reader.Get(context.Background(), string(m.Payload)).Val(); got != "x" {
				missing <- string(m.Payload)
				return
			}
			missing <- ""
		})
		subscribe1(t, second, Plain, "keys")
		for i := range 200 {
			key := "k" + strconv.Itoa(i)
			l.Enqueue(Command{Args: []any{"set", key, "x"}})
			l.Publish("keys", []byte(key))
		}
		for range 200 {
			if key := await(t, "a message", missing); key != "" {
				t.Errorf("%s is not there yet when its message arrives", key)
			}
		}
	})

	t.Run("a subscriber counts wherever it is", func(t *testing.T) {
		for _, s := range append(c.Masters, c.Replicas...) {
			extern := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
			defer extern.Close()
			p := extern.Subscribe(t.Context(), "counted")
			defer p.Close()
			if _, err := p.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := l.NumSub(t.Context(), false, "counted"); n != 6 || err != nil {
			t.Errorf("NumSub = %d, %v, want 6", n, err)
		}
		if n, err := l.NumSub(t.Context(), true, sharded[7]); n != 1 || err != nil {
			t.Errorf("NumSub of a sharded channel = %d, %v, want 1", n, err)
		}
	})

	t.Run("a failover is planned", func(t *testing.T) {
		in.reset()
		if err := client(t, c.Replicas[0]).ClusterFailover(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		sent := 0
		every := time.NewTicker(2 * time.Millisecond)
		defer every.Stop()
		for began := time.Now(); time.Since(began) < 2*time.Second; <-every.C {
			payload := []byte(strconv.Itoa(sent))
			if !l.Publish("p", payload) || !l.SPublish(sharded[sent%len(sharded)], payload) {
				t.Fatal("a message is refused")
			}
			sent++
		}
		eventually(t, "all of a plain channel arrives", func() bool { return len(in.byChannel()["p"]) == sent })
		lost := sent
		for channel, got := range in.byChannel() {
			if lost -= len(got); channel == "p" {
				lost += sent
			} else if !ascending(got) {
				t.Errorf("messages of %s arrive as %v", channel, got)
			}
		}
		if t.Logf("%d of %d messages are lost", lost, sent); lost > sent/10 {
			t.Errorf("%d of %d messages are lost, want but those of the moment itself", lost, sent)
		}
		if got := l.Stats(); got.Downs > 0 || got.Lost > 0 {
			t.Errorf("Stats = %+v, want the link up all the time:\n%s", got, j.String())
		}
		c.Masters[0], c.Replicas[0] = c.Replicas[0], c.Masters[0]
	})

	t.Run("a slot moves", func(t *testing.T) {
		in.reset()
		moveSlot(t, c, "s5")
		eventually(t, "a message arrives from the new node", func() bool {
			l.SPublish("s5", []byte("0"))
			return in.count() > 0
		})
	})

	t.Run("commands find their node", func(t *testing.T) {
		results := make(chan result, 10)
		for _, args := range [][]any{
			{"set", "a", "1"}, {"set", []byte("b"), "1"}, {"set", "c", "1"},
			{"eval", "return redis.call('get', KEYS[1])", 1, "a"}, {"eval", "return 1", 0}, {"ping"},
		} {
			l.Enqueue(Command{Args: args, Done: done(results)})
			if r := await(t, "an answer", results); r.err != nil {
				t.Errorf("%v is answered with %v", args, r.err)
			}
		}
	})

	t.Run("subscribers of all nodes are counted", func(t *testing.T) {
		numbers := make(chan []int64, 2)
		counted := func(n []int64, err error) {
			if err != nil {
				t.Errorf("counted: %v", err)
			}
			numbers <- n
		}
		l.PublishCounted(false, "p", nil, []string{"p", "nobody"}, counted)
		l.PublishCounted(true, "s1", nil, []string{"s1", "s2", "nobody"}, counted)
		for _, want := range []string{"[1 0]", "[1 1 0]"} {
			if got := fmt.Sprint(await(t, "the numbers", numbers)); got != want {
				t.Errorf("subscribers %v, want %v", got, want)
			}
		}
	})

	arrive := func(t *testing.T) {
		t.Helper()
		in.reset()
		eventually(t, "messages of all channels arrive", func() bool {
			for _, channel := range sharded {
				l.SPublish(channel, []byte("0"))
			}
			l.Publish("p", []byte("0"))
			return len(in.byChannel()) == len(sharded)+1
		})
	}

	t.Run("masters change places with their replicas", func(t *testing.T) {
		for _, replica := range c.Replicas {
			if err := client(t, replica).Do(t.Context(), "cluster", "failover", "takeover").Err(); err != nil {
				t.Fatal(err)
			}
		}
		arrive(t)
		if downs := l.Stats().Downs; downs > 0 { // all nodes are there, and a replica publishes as well as a master
			t.Errorf("the link went down %d times:\n%s", downs, j.String())
		}
	})

	t.Run("a master dies", func(t *testing.T) {
		before := l.Stats().Downs
		c.Replicas[1].Stop() // which is a master now
		eventually(t, "the link is down", func() bool { return l.Stats().Downs > before })
		eventually(t, "the link is up again", l.Up)
		arrive(t)
	})
	if log := j.String(); strings.Count(log, "redis away") != int(l.Stats().Downs) || strings.Count(log, "redis is there") != 1 {
		t.Errorf("want one line for each of %d times away:\n%s", l.Stats().Downs, log)
	}
}

// moveSlot gives the slot of a channel to another master.
func moveSlot(t *testing.T, c *redistest.Cluster, channel string) {
	t.Helper()
	ctx := context.Background()
	clients := make([]*goredis.Client, len(c.Masters))
	ids := make([]string, len(c.Masters))
	for i, m := range c.Masters {
		clients[i] = client(t, m)
		ids[i] = clients[i].ClusterMyID(ctx).Val()
	}
	for _, key := range []string{channel, "foo{", "{}foo", "foo{a}{b}", "{{a}}", "\xff\x00"} {
		if want := clients[0].ClusterKeySlot(ctx, key).Val(); int64(slotOf(key)) != want {
			t.Errorf("slotOf(%q) = %d, want %d", key, slotOf(key), want)
		}
	}
	slot := slotOf(channel)
	target := 0
	if slot < 16384/3 {
		target = 1
	}
	// The new owner first, then the others.
	for i := range clients {
		at := clients[(target+i)%len(clients)]
		if err := at.Do(ctx, "cluster", "setslot", slot, "node", ids[target]).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// While master and replica change places, one map may not name the node that is written to.
func TestOneMapAloneTakesNoNodeOut(t *testing.T) {
	var m clusterMap
	for i, tt := range []struct{ named, want string }{{"a b", "a b"}, {"b", "b a"}, {"a b", "a b"}, {"b c", "b c a"}, {"b c", "b c"}} {
		if got := m.note(nil, nil, strings.Fields(tt.named)); strings.Join(got, " ") != tt.want {
			t.Errorf("map %d names %s: the nodes are %v, want %s", i, tt.named, got, tt.want)
		}
	}
}
