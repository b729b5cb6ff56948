package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// raw is another program at the same Redis.
func raw(t *testing.T, s *redistest.Server) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), DisableIdentity: true, PoolSize: 3})
	t.Cleanup(func() { c.Close() })
	return c
}

func publishRaw(t *testing.T, c *goredis.Client, channel, payload string) {
	t.Helper()
	if err := c.Publish(t.Context(), channel, payload).Err(); err != nil {
		t.Fatal(err)
	}
}

// listen subscribes to channels and returns what comes. It is confirmed when listen returns.
func listen(t *testing.T, c *goredis.Client, channels ...string) <-chan *goredis.Message {
	t.Helper()
	sub := c.Subscribe(t.Context(), channels...)
	t.Cleanup(func() { sub.Close() })
	for range channels {
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return sub.Channel(goredis.WithChannelSize(1000))
}

func next[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// publishAsNode sends an event to a room of "/" as a Node server does.
func publishAsNode(t *testing.T, s *redistest.Server, to *node, room, event string) {
	t.Helper()
	publishAsNodeIn(t, s, to, "/", room, event)
}

func publishAsNodeIn(t *testing.T, s *redistest.Server, to *node, namespace, room, event string) {
	t.Helper()
	c := raw(t, s)
	b := &format.Broadcast{UID: "node01", Namespace: namespace, Rooms: []string{room},
		Packet: format.Packet{Args: []json.RawMessage{json.RawMessage(`"` + event + `"`)}}}
	if to.stream != nil {
		data, err := format.AppendStream(nil, b)
		if err == nil {
			err = c.Do(t.Context(), "xadd", "test", "*", "uid", "node01", "nsp", namespace, "type", 3, "data", data).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	write, publish := format.AppendClassic, c.Publish
	if to.sharded {
		write, publish = format.AppendSharded, c.SPublish
	}
	payload, err := write(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(t.Context(), "test#"+namespace+"#"+room+"#", payload).Err(); err != nil {
		t.Fatal(err)
	}
}

// troubled is a Local whose every method panics.
type troubled struct{}

func (troubled) AskHere(context.Context, hub.Selection, *hub.Message, func(int), func(string, []json.RawMessage, [][]byte)) {
	panic("AskHere")
}
func (troubled) SocketsHere(string, hub.Selection) []format.Socket { panic("SocketsHere") }
func (troubled) RoomsHere(string) []string                         { panic("RoomsHere") }
func (troubled) JoinHere(string, hub.Selection, []string)          { panic("JoinHere") }
func (troubled) LeaveHere(string, hub.Selection, []string)         { panic("LeaveHere") }
func (troubled) DisconnectHere(string, hub.Selection, bool)        { panic("DisconnectHere") }
func (troubled) ServerSideHere(string, []json.RawMessage, [][]byte, func(json.RawMessage, [][]byte)) {
	panic("ServerSideHere")
}

// A handler that panics spoils its own call alone, and whoever asked hears so where that can be said.
func TestPanicsOfHandlers(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		var log bytes.Buffer
		a := startNode(t, s, o...)
		b := startNode(t, s, append(o, func(o *Options) {
			o.OnPlain = func(string, []byte) error { panic("OnPlain") }
			o.Translate = func(hub.Room, *hub.Message) { panic("Adopt") }
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
		})...)
		b.OnTell("told", func([]byte) { panic("OnTell") })
		b.OnAsk("asked", func(context.Context, []byte) []byte { panic("OnAsk") })
		meet(t, a, b)
		c := b.join("c", user42)
		b.receiving.Lock()
		b.local = troubled{}
		b.receiving.Unlock()

		a.Tell("told", nil)
		begin := time.Now()
		if answers, complete := a.Ask(t.Context(), "asked", nil); len(answers) > 0 || complete {
			t.Errorf("answers %q, complete %v of a node that panics", answers, complete)
		}
		if _, complete := a.Ask(t.Context(), "nobody knows this", nil); complete {
			t.Error("answers are complete that nobody has given")
		}
		if took := time.Since(begin); took >= answerTimeout {
			t.Errorf("a node that cannot answer was waited for, %v", took)
		}
		a.Publish("update", []byte("1"))
		a.Emit(hub.Selection{}, event("/", "x"), nil)
		asked, complete := a.AskClients(t.Context(), single(user42), event("/", "q"), time.Second, func(string, []json.RawMessage, [][]byte) {})
		if asked != 0 || !complete {
			t.Errorf("asked %d clients, complete %v, want 0 and true", asked, complete)
		}
		a.Join("/", hub.Selection{}, []string{"r"})
		a.Leave("/", hub.Selection{}, []string{"r"})
		a.Disconnect("/", hub.Selection{}, true)
		if err := a.ServerSide(t.Context(), "/", []json.RawMessage{json.RawMessage(`"e"`)}, nil); err != nil {
			t.Error(err)
		}
		publishAsNode(t, s, b, "42", "adopted")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := a.FetchSockets(ctx, "/", hub.Selection{}); err == nil {
			t.Error("FetchSockets is complete without b")
		}
		eventually(t, "all have panicked", func() bool { return b.Stats().Panics == 10 })
		c.want(t, "x")
		a.hub.Send(user42, event("/", "still there"))
		c.want(t, "still there")
		for _, what := range []string{"a message of another server", "a question of another server", "a request of another server"} {
			if n := strings.Count(log.String(), what); n != 1 {
				t.Errorf("%q is logged %d times, want once\n%s", what, n, &log)
			}
		}
	})
}

// Whatever is under way when the cluster stops ends then.
func TestStopEndsWhatIsUnderWay(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		b.OnAsk("slow", func(ctx context.Context, _ []byte) []byte { <-ctx.Done(); return nil })
		meet(t, a, b)
		b.join("c", user42)
		b.receiving.Lock() // b does nothing at all
		counted := make(chan bool, 1)
		a.hub.SendCounted(user42, event("/", "x"), func(_ int, complete bool) { counted <- complete })
		var waiting sync.WaitGroup
		waiting.Go(func() { a.Ask(t.Context(), "slow", nil) })
		waiting.Go(func() {
			if _, err := a.FetchSockets(t.Context(), "/", hub.Selection{}); err == nil {
				t.Error("FetchSockets is complete without b")
			}
		})
		waiting.Go(func() {
			if _, complete := a.AskClients(t.Context(), single(user42), event("/", "q"), time.Minute, nil); complete {
				t.Error("Ask is complete without b")
			}
		})
		eventually(t, "all wait", func() bool { return !a.gatherings.none() && a.Stats().Published > 0 })
		begin := time.Now()
		a.Stop()
		waiting.Wait()
		if <-counted {
			t.Error("the count is complete without b")
		}
		if took := time.Since(begin); took > requestTimeout/2 {
			t.Errorf("it took %v to end", took)
		}
		b.receiving.Unlock()
		eventually(t, "b has heard good-bye", func() bool { return b.Stats().Nodes == 0 })
		a.join("late", room42) // waits for nobody
		a.hub.Send(user42, event("/", "late"))
		a.Stop()
		eventually(t, "a node that has said good-bye is gone", func() bool { return b.Stats().Nodes == 0 })
	})
}

// Nothing waits for Redis where it is away, and everything goes on when it is back, empty.
func TestRedisGoesAndComesBack(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		there := b.join("b", user42)
		here := a.join("a", user42)
		for range 2 {
			b.receiving.Lock()
			asking := make(chan error, 1)
			go func() { // awaited below
				_, err := a.FetchSockets(t.Context(), "/", hub.Selection{})
				asking <- err
			}()
			eventually(t, "it is asked", func() bool { return !a.gatherings.none() })
			s.Stop()
			b.receiving.Unlock()
			if err := next(t, asking, "the end of a request"); !errors.Is(err, errAway) {
				t.Errorf("FetchSockets = %v, want that Redis is away", err)
			}
			eventually(t, "both have noticed", func() bool { return !a.link.Up() && !b.link.Up() })
			lost := a.Stats().Lost
			begin := time.Now()
			if n, complete := sum(t, a, user42, event("/", "x")); n != 1 || complete {
				t.Errorf("delivered to %d, complete %v, want 1 and false", n, complete)
			}
			here.want(t, "x")
			a.hub.Send(user42, event("/", "y"))
			here.want(t, "y")
			late := b.join("late", lobby42)
			if _, complete := a.Ask(t.Context(), "any", nil); complete {
				t.Error("answers are complete without Redis")
			}
			if _, err := a.AllRooms(t.Context(), "/"); err == nil {
				t.Error("AllRooms is complete without Redis")
			}
			if err := a.ServerSide(t.Context(), "/", []json.RawMessage{json.RawMessage(`"e"`)}, nil); err == nil {
				t.Error("ServerSide is sent without Redis")
			}
			if a.Publish("update", []byte("1")) {
				t.Error("a payload is published without Redis")
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v to find out that Redis is away", took)
			}
			if got := a.Stats().Lost - lost; got != 3 {
				t.Errorf("%d messages are lost, want 3", got)
			}
			s.Start()
			meet(t, a, b)
			for i := range 10 {
				if n, complete := sum(t, a, user42, event("/", "x", fmt.Sprint(i))); n != 2 || !complete {
					t.Fatalf("delivered to %d, complete %v, want 2 and true", n, complete)
				}
				here.want(t, fmt.Sprint("x ", i))
				there.want(t, fmt.Sprint("x ", i))
			}
			a.hub.Send(lobby42, event("/", "late"))
			late.want(t, "late")
			b.hub.Remove(late.Member)
		}
	})
}

// A server of another kind is sent everything, and a node that drains hides neither it nor itself.
func TestServersOfOtherKinds(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	c := b.join("c", user42)
	b.Drain()
	eventually(t, "b is not counted any more", func() bool { return a.ServerCount(t.Context(), "/") == 1 })
	eventually(t, "nor by itself", func() bool { return b.ServerCount(t.Context(), "/") == 2 })
	a.hub.Send(user42, event("/", "x"))
	c.want(t, "x")
	if err := errors.Join(allRooms(a), allRooms(b)); err != nil {
		t.Error(err)
	}
	a.asks["asked"] = `"1"`
	a.join("asked", user42)
	if asked, complete := b.AskClients(t.Context(), single(user42), event("/", "q"), time.Second, func(string, []json.RawMessage, [][]byte) {}); asked != 1 || !complete {
		t.Errorf("one that drains asks %d clients, complete %v, want 1 and true", asked, complete)
	}
	b.Open("/nobody here")
	if asked, complete := a.AskClients(t.Context(), hub.Selection{}, event("/nobody here", "q"), time.Second, nil); asked != 0 || !complete {
		t.Errorf("asked %d clients, complete %v, of a node that drains, want none", asked, complete)
	}

	other := raw(t, s)
	got := listen(t, other, "test#/#7#", "test-request#/#")
	a.hub.Send(hub.Room{Kind: hub.KindUser, Name: "7"}, event("/", "for Node"))
	if m := next(t, got, "what nobody of ours wants"); m.Channel != "test#/#7#" {
		t.Errorf("got %q", m.Channel)
	}
	eventually(t, "it is seen", func() bool { return a.Stats().Foreign == 1 })
	begin := time.Now()
	if n, complete := sum(t, a, user42, event("/", "counted")); n != 2 || complete {
		t.Errorf("delivered to %d, complete %v, want 2 and false: the other server does not tell", n, complete)
	}
	if took := time.Since(begin); took > 2*answerTimeout {
		t.Errorf("the count took %v", took)
	}
}

func allRooms(n *node) error {
	_, err := n.AllRooms(context.Background(), "/")
	return err
}

// A count that Node servers have a part in.
func TestCountsWithServersOfOtherKinds(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	b.join("c", user42)
	other := raw(t, s)
	requests := listen(t, other, "test-request#/#")
	eventually(t, "the other server is seen", func() bool { return a.Stats().Foreign == 1 })
	done := make(chan [2]int, 1)
	for range 3 {
		a.SendCounted(user42, event("/", "x"), func(n int, complete bool) {
			all := 0
			if complete {
				all = 1
			}
			done <- [2]int{n, all}
		})
		var r struct{ UID, RequestID string }
		if err := json.Unmarshal([]byte(next(t, requests, "a request").Payload), &r); err != nil {
			t.Fatal(err)
		}
		publishRaw(t, other, "test-response#/#", `{"requestId":"`+r.RequestID+`"}`) // is no answer to it
		publishRaw(t, other, "test-response#/#", `{"requestId":"`+r.RequestID+`","sockets":[{"id":"n1","handshake":{},"rooms":[],"data":{}},{"id":"n2","handshake":{},"rooms":[],"data":{}}]}`)
		if got := next(t, done, "the count"); got != [2]int{3, 1} {
			t.Errorf("counted %v, want 3, all", got)
		}
	}
	eventually(t, "nothing is left of the requests", func() bool { return a.gatherings.none() })
}

// Requests of adapters before 7 are for one socket, and are answered by its server alone.
func TestRequestsForOneSocket(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	c := b.join(sid("one"), lobby42)
	other := raw(t, s)
	answers := listen(t, other, "test-response#/#")
	ask := func(request string) {
		t.Helper()
		publishRaw(t, other, "test-request#/#", request)
		if got := next(t, answers, "an answer").Payload; got != `{"requestId":"r1"}` {
			t.Errorf("answer %s", got)
		}
	}
	ask(`{"requestId":"r1","type":2,"sid":"` + sid("one") + `","room":"new"}`)
	publishAsNode(t, s, b, "new", "in")
	c.want(t, "in text:adopted in new")
	ask(`{"requestId":"r1","type":3,"sid":"` + sid("one") + `","room":"new"}`)
	ask(`{"requestId":"r1","type":4,"sid":"` + sid("one") + `","close":false}`)
	c.want(t, "disconnect false")
	publishRaw(t, other, "test-request#/#", `{"requestId":"r2","type":2,"sid":"nobody","room":"new"}`)
	ask(`{"requestId":"r1","type":2,"sid":"` + sid("one") + `","room":"new"}`) // r2 was not answered
}

// Whoever asks clients hears one number of each server, whatever happens there.
func TestClientsAreCountedOnce(t *testing.T) {
	s := redistest.Start(t)
	b := startNode(t, s)
	c := b.join("one", user42)
	b.asks["one"] = `"1"`
	other := raw(t, s)
	answers := listen(t, other, "test-response#/#node01#")
	ask := func() string {
		t.Helper()
		request, err := format.AppendClassic(nil, &format.Broadcast{UID: "node01", Namespace: "/", RequestID: "r1", Rooms: []string{"42"},
			Packet: format.Packet{Args: []json.RawMessage{json.RawMessage(`"q"`)}}})
		if err != nil {
			t.Fatal(err)
		}
		publishRaw(t, other, "test-request#/#", string(request))
		return next(t, answers, "a number").Payload
	}
	if got, want := ask(), `{"type":8,"requestId":"r1","clientCount":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := next(t, answers, "an answer").Payload; !strings.Contains(got, "packet") {
		t.Errorf("got %q, want the client's answer", got)
	}
	c.want(t, "q") // clients that answer speak Socket.IO
	b.background.mu.Lock()
	b.background.count[patient] += maxWaiting
	b.background.mu.Unlock()
	if got, want := ask(), `{"type":8,"requestId":"r1","clientCount":0}`; got != want {
		t.Errorf("under load got %s, want %s", got, want)
	}
	if n := b.Stats().Overloads; n != 1 {
		t.Errorf("%d overloads, want 1", n)
	}
}

// Members are counted in and out although their namespace comes and goes meanwhile.
func TestRoomsOfNamespacesThatComeAndGo(t *testing.T) {
	s := redistest.Start(t)
	if !s.Real() {
		t.Skip("sharded channels need a real Redis 7")
	}
	a, b := startNode(t, s, sharded), startNode(t, s, sharded)
	meet(t, a, b)
	r := hub.NamespaceRoom("/far", "r")
	early := b.join("early", r) // before the namespace is open
	b.Open("/far")
	in := b.join("in", r)
	b.hub.Remove(early.Member)
	a.hub.Send(r, event("/far", "x"))
	in.want(t, "x")
	b.Close("/far")
	b.hub.Remove(in.Member)
	b.rooms.sweep(time.Now().Add(2 * linger))
	if n := len(b.rooms.rooms); n != 0 {
		t.Errorf("%d rooms are subscribed to, want none", n)
	}
	// The channel of a room may be that of a namespace by its name.
	b.Open("/#x")
	odd := b.join("odd", hub.NamespaceRoom("/", "x"))
	b.hub.Remove(odd.Member)
	far := b.join("far", hub.NamespaceRoom("/#x", "y"))
	a.Emit(hub.Selection{}, event("/#x", "z"), nil)
	far.want(t, "z")
}

// What a join elsewhere is about to wait for does not keep the goroutine that receives.
func TestJoinsOfOthersDoNotWait(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		c := b.join("c", user42)
		for i := range 50 {
			name := fmt.Sprint("r", i)
			var joining sync.WaitGroup
			joining.Go(func() { b.hub.Join(hub.NewMember("m", c), hub.NamespaceRoom("/", name)) })
			a.Join("/", single(user42), []string{name})
			a.hub.Send(user42, event("/", "behind"))
			begin := time.Now()
			c.want(t, "behind")
			if took := time.Since(begin); took > subscribePatience/2 {
				t.Fatalf("what came behind a join took %v", took)
			}
			joining.Wait()
		}
	})
}

func TestPayloadsThatAreTooLarge(t *testing.T) {
	s := redistest.Start(t)
	a := startNode(t, s, func(o *Options) { o.MaxPayload = 10 })
	other := raw(t, s)
	publishRaw(t, other, "update", "12345678901")
	publishRaw(t, other, "update", "1234567890")
	if got := next(t, a.plain, "a payload"); got != "update 1234567890" {
		t.Errorf("got %q", got)
	}
	if n := a.Stats().Dropped; n != 1 {
		t.Errorf("%d messages were dropped, want 1", n)
	}
}

// Handlers may use the cluster before it has started: nothing waits, and who is in a room by then gets what comes later.
func TestBeforeStart(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), newNode(t, s, o...)
		begin := time.Now()
		c := b.join("c", user42)
		gone := b.join("gone", lobby42)
		b.hub.Remove(gone.Member)
		b.hub.Send(user42, event("/", "x"))
		c.want(t, "x")
		sum(t, b, user42, event("/", "y"))
		c.want(t, "y")
		b.Tell("any", nil)
		b.Ask(t.Context(), "any", nil)
		b.Publish("update", []byte("1"))
		b.Join("/", single(user42), []string{"r"})
		b.Open("/more")
		b.Close("/more")
		b.Drain()
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v before the start", took)
		}
		b.Start(b)
		a.hub.Send(user42, event("/", "z"))
		c.want(t, "z")
	})
}

// A node whose Redis is never there starts, serves and stops without waiting for it.
func TestRedisIsNeverThere(t *testing.T) {
	s := redistest.Start(t)
	s.Stop()
	begin := time.Now()
	a := newNode(t, s)
	a.Start(a)
	c := a.join("c", user42)
	if n, complete := sum(t, a, user42, event("/", "x")); n != 1 || complete {
		t.Errorf("delivered to %d, complete %v, want 1 and false", n, complete)
	}
	c.want(t, "x")
	a.Open("/more")
	a.join("more", hub.NamespaceRoom("/more", "r"))
	a.Close("/more")
	a.Drain()
	a.Stop()
	if took := time.Since(begin); took > startPatience+2*time.Second {
		t.Errorf("it took %v", took)
	}
}
