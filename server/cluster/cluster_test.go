package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// modes runs a test in all modes, but for the classic one where there is a Redis that knows it.
func modes(t *testing.T, test func(t *testing.T, s *redistest.Server, options ...nodeOption)) {
	channelModes(t, test)
	if os.Getenv("LONG") != "1" && !slices.Contains(inShort, t.Name()) {
		return
	}
	t.Run("streams", func(t *testing.T) {
		s := redistest.Start(t)
		if !s.Real() {
			t.Skip("streams need a real Redis")
		}
		test(t, s, streams)
	})
}

// inShort are the tests that run in the streams mode always; the others do with LONG=1.
var inShort = []string{"TestSendReachesTheRoomOnOtherNodes", "TestEveryForm", "TestCountsOverTheCluster", "TestSelections", "TestTellAndAsk",
	"TestRequestsBetweenNodes", "TestAskClients", "TestMarks", "TestHostileMessages"}

// channelModes is modes without that in which no room has a channel.
func channelModes(t *testing.T, test func(t *testing.T, s *redistest.Server, options ...nodeOption)) {
	t.Run("classic", func(t *testing.T) { test(t, redistest.Start(t)) })
	t.Run("sharded", func(t *testing.T) {
		s := redistest.Start(t)
		if !s.Real() {
			t.Skip("sharded channels need a real Redis 7")
		}
		test(t, s, sharded)
	})
}

var (
	user42  = hub.Room{Kind: hub.KindUser, Name: "42"}
	lobby42 = hub.Room{Kind: hub.KindLobby, Name: "42"}
	room42  = hub.Room{Kind: hub.KindRoom, Name: "42"}
	acct42  = hub.Room{Kind: hub.KindAccount, Name: "42"}
)

func TestSendReachesTheRoomOnOtherNodes(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b, c)
		user, lobby := b.join("b", user42), c.join("c", lobby42)
		m := event("/", "x", `{"a":1.0}`, `"\u00e9"`)
		m.Text, m.ID = []byte("plain"), "7"
		a.hub.Send(user42, m)
		a.hub.Send(lobby42, event("/", "y"))
		user.want(t, `x {"a":1.0} "\u00e9" text:plain id:7`)
		lobby.want(t, "y")
		a.hub.Send(user42, event("/", "z"))
		user.want(t, "z")
		lobby.wantNothing(t) // the kinds stay apart
	})
}

func TestEveryForm(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		in := b.join("b", room42, acct42)
		derived := event("/chat", "message", `{"t":1}`)
		derived.SSE = []byte("event: message\ndata: {\"t\":1}\n\n")
		own := event("/chat", "message", `{"t":1}`)
		own.SSE = []byte("data: other\n\n")
		binary := event("/chat", "bin", `{"_placeholder":true,"num":0}`)
		binary.Attachments = [][]byte{{1, 2, 255}}
		a.hub.Send(room42, derived)
		a.hub.Send(room42, own)
		a.hub.Send(acct42, binary)
		in.want(t, `message {"t":1} sse:event: message|data: {"t":1}||`, `message {"t":1} sse:data: other||`,
			`bin {"_placeholder":true,"num":0} 0102ff`)
		topic := b.join("t", hub.Room{Kind: hub.KindTopic, Name: "tap"})
		a.hub.Send(hub.Room{Kind: hub.KindTopic, Name: "tap"}, &hub.Message{SSE: []byte("data: 1\n\n")})
		topic.want(t, " sse:data: 1||")
	})
}

// A client joins on one node and is written to from another at once: nothing may be kept back.
func TestNobodyMissesWhatComesRightAfterTheJoin(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		for i := range 200 {
			r := hub.Room{Kind: hub.KindUser, Name: fmt.Sprint("u", i)}
			c := b.join("c", r)
			a.hub.Send(r, event("/", "x", fmt.Sprint(i)))
			c.want(t, fmt.Sprint("x ", i))
			b.hub.Remove(c.Member)
		}
	})
}

func TestOrder(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		c := b.join("c", user42)
		const n = 5000
		for i := range n {
			if i%3 == 0 {
				a.hub.SendCounted(user42, event("/", "x", fmt.Sprint(i)), func(int, bool) {})
			} else {
				a.hub.Send(user42, event("/", "x", fmt.Sprint(i)))
			}
		}
		for i := range n {
			c.want(t, fmt.Sprint("x ", i))
		}
		c.wantNothing(t)
	})
}

// sum waits for a count.
func sum(t *testing.T, n *node, r hub.Room, m *hub.Message) (int, bool) {
	t.Helper()
	type result struct {
		n        int
		complete bool
	}
	done := make(chan result, 1)
	n.hub.SendCounted(r, m, func(n int, complete bool) { done <- result{n, complete} })
	select {
	case r := <-done:
		return r.n, r.complete
	case <-time.After(patience):
		t.Fatal("no count")
		return 0, false
	}
}

func TestCountsOverTheCluster(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b, c)
		a.join("a1", user42)
		b.join("b1", user42)
		b.join("b2", user42)
		c.join("c1", user42)
		c.join("c2", lobby42)
		for range 20 {
			if n, complete := sum(t, a, user42, event("/", "x")); n != 4 || !complete {
				t.Fatalf("delivered to %d, complete %v, want 4 and true", n, complete)
			}
		}
		there := b.join("b3", user42)
		there.away.Store(true)
		m := event("/", "x")
		if n, complete := sum(t, a, user42, m); n != 4 || !complete || m.Held() != 1 {
			t.Errorf("with one that is away: delivered to %d, held for %d, complete %v, want 4, 1 and true", n, m.Held(), complete)
		}
		if n, complete := sum(t, a, hub.Room{Kind: hub.KindUser, Name: "nobody"}, event("/", "x")); n != 0 || !complete {
			t.Errorf("delivered to %d, complete %v, want 0 and true", n, complete)
		}
	})
}

// sid returns a name that is as long as a socket id.
func sid(name string) string { return name + strings.Repeat("x", 20-len(name)) }

func TestSelections(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		one, two, three := b.join(sid("one"), user42), b.join(sid("two"), user42, lobby42), b.join(sid("three"))
		send := func(sel hub.Selection, name string) (int, bool) {
			t.Helper()
			got := make(chan int, 1)
			all := false
			a.SendSelection(sel, event("/", name), func(n int, complete bool) { all = complete; got <- n })
			select {
			case n := <-got:
				return n, all
			case <-time.After(patience):
				t.Fatal("no count")
				return 0, false
			}
		}
		for name, tc := range map[string]struct {
			sel  hub.Selection
			want []*client
		}{
			"everybody":         {hub.Selection{}, []*client{one, two, three}},
			"several rooms":     {hub.Selection{Rooms: []hub.Room{user42, lobby42}}, []*client{one, two}},
			"without a room":    {hub.Selection{Rooms: []hub.Room{user42}, Except: []hub.Room{lobby42}}, []*client{one}},
			"without a socket":  {hub.Selection{Except: []hub.Room{hub.SocketRoom("/", sid("one"))}}, []*client{two, three}},
			"one socket":        {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/", sid("three"))}}, []*client{three}},
			"a room or socket":  {hub.Selection{Rooms: []hub.Room{hub.NamespaceRoom("/", sid("three"))}}, []*client{three}},
			"nobody whom I see": {hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/", sid("gone"))}}, nil},
		} {
			if n, complete := send(tc.sel, name); n != len(tc.want) || !complete {
				t.Errorf("%s: delivered to %d, complete %v, want %d", name, n, complete, len(tc.want))
			}
			for _, c := range []*client{one, two, three} {
				if slices.Contains(tc.want, c) {
					c.want(t, name)
				} else {
					c.wantNothing(t)
				}
			}
		}
	})
}

// A message is published whether or not somebody elsewhere is known to want it, and comes back to its own node where somebody
// is in the room: nobody gets it twice, and it is not waited for in vain.
func TestOwnMessagesComeBackUnread(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		in := a.join("a", user42)
		received := a.Stats().Received
		for range 20 {
			a.hub.Send(user42, event("/", "x"))
			in.want(t, "x")
			if n, complete := sum(t, a, user42, event("/", "y")); n != 1 || !complete {
				t.Fatalf("delivered to %d, complete %v", n, complete)
			}
			in.want(t, "y")
		}
		in.wantNothing(t)
		if n := a.Stats().Received - received; n > 20 { // what the nodes say to each other meanwhile
			t.Errorf("%d of its own messages were looked at", n)
		}
	})
}

func TestTellAndAsk(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		told := make(chan string, 10)
		for name, n := range map[string]*node{"b": b, "c": c} {
			n.OnTell("news", func(body []byte) { told <- name + string(body) })
			n.OnAsk("name", func(_ context.Context, body []byte) []byte { return []byte(name + string(body)) })
		}
		meet(t, a, b, c)
		a.Tell("news", []byte("1"))
		got := []string{<-told, <-told}
		slices.Sort(got)
		if want := []string{"b1", "c1"}; !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		a.TellNode(b.ID(), "news", []byte("2"))
		a.TellNode(c.ID(), "news", []byte("3"))
		if got = []string{<-told, <-told}; !slices.Contains(got, "b2") || !slices.Contains(got, "c3") {
			t.Errorf("told one by one %v", got)
		}
		answers, complete := a.Ask(t.Context(), "name", []byte("?"))
		got = nil
		for _, answer := range answers {
			got = append(got, string(answer))
		}
		slices.Sort(got)
		if want := []string{"b?", "c?"}; !slices.Equal(got, want) || !complete {
			t.Errorf("answers %v, complete %v, want %v", got, complete, want)
		}
		if _, complete := a.Ask(t.Context(), "nobody knows", nil); complete {
			t.Error("nobody answers, and the answers are complete")
		}
	})
}

func TestPlainChannels(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	for range 2 { // equal messages are two messages
		if !a.Publish("user:42", []byte(`{"type":"x"}`)) {
			t.Fatal("not published")
		}
	}
	for range 2 {
		if got := <-b.plain; got != `user:42 {"type":"x"}` {
			t.Errorf("b got %q", got)
		}
	}
	b.Publish("room:1", []byte("end"))
	if got := <-a.plain; got != "room:1 end" {
		t.Errorf("a got %q, want its own messages left out", got)
	}
}

func TestRequestsBetweenNodes(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b, c)
		one, two := b.join("one", user42), c.join("two", lobby42)
		if n := a.ServerCount(t.Context(), "/"); n != 3 {
			t.Errorf("ServerCount = %d, want 3", n)
		}
		sockets, err := a.FetchSockets(t.Context(), "/", hub.Selection{})
		if err != nil || len(sockets) != 2 {
			t.Errorf("FetchSockets = %v, %v, want two", sockets, err)
		}
		rooms, err := a.AllRooms(t.Context(), "/")
		if err != nil || !o0(o) && !slices.Equal(rooms, []string{"42"}) {
			t.Errorf("AllRooms = %v, %v, want 42", rooms, err)
		}
		// The join is in effect for what comes right behind it.
		a.Join("/", single(user42), []string{"new"})
		if !s.Real() { // miniredis has patterns overtake channels
			eventually(t, "it has joined", func() bool { return b.hub.Count(hub.NamespaceRoom("/", "new")) == 1 })
		}
		a.Emit(single(hub.NamespaceRoom("/", "new")), event("/", "welcome"), nil)
		one.want(t, "welcome")
		a.Leave("/", single(user42), []string{"new"})
		if !s.Real() {
			eventually(t, "it has left", func() bool { return b.hub.Count(hub.NamespaceRoom("/", "new")) == 0 })
		}
		a.Emit(hub.Selection{Rooms: []hub.Room{hub.NamespaceRoom("/", "new"), lobby42}}, event("/", "after"), nil)
		two.want(t, "after")
		one.wantNothing(t)
		a.Disconnect("/", single(lobby42), true)
		two.want(t, "disconnect true")

		if err := a.ServerSide(t.Context(), "/", []json.RawMessage{json.RawMessage(`"hi"`)}, nil); err != nil {
			t.Error(err)
		}
		for _, n := range []*node{b, c} {
			if got := <-n.heard; got != `/ "hi"` {
				t.Errorf("heard %q", got)
			}
		}
		answers, err := a.ServerSideAsk(t.Context(), "/", []json.RawMessage{json.RawMessage(`"who"`)}, nil)
		if err != nil || len(answers) != 2 {
			t.Errorf("ServerSideAsk = %s, %v, want two answers", answers, err)
		}
	})
}

// o0 reports whether the mode is the sharded one.
func o0(o []nodeOption) bool { return len(o) > 0 }

func TestAskClients(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b, c)
		b.asks["one"], c.asks["two"] = `"1"`, `"2"`
		b.join("one", user42)
		c.join("two", user42)
		var got []string
		asked, complete := a.AskClients(t.Context(), single(user42), event("/", "q"), time.Second,
			func(sid string, args []json.RawMessage, _ [][]byte) { got = append(got, sid+string(args[0])) })
		slices.Sort(got)
		if want := []string{`one"1"`, `two"2"`}; asked != 2 || !complete || !slices.Equal(got, want) {
			t.Errorf("asked %d, complete %v, answers %v, want 2 and %v", asked, complete, got, want)
		}
		c.asks["two"] = "" // does not answer
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		got = nil
		asked, complete = a.AskClients(ctx, single(user42), event("/", "q"), time.Second,
			func(sid string, args []json.RawMessage, _ [][]byte) { got = append(got, sid+string(args[0])) })
		if asked != 2 || !complete || strings.Join(got, "") != `one"1"` {
			t.Errorf("asked %d, complete %v, answers %v, want 2 and one answer", asked, complete, got)
		}
	})
}

// A namespace that nobody here is in may be another server's.
func TestNamespacesOfOthers(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		b.Open("/far")
		far := b.join("far", hub.NamespaceRoom("/far", "r"))
		got := make(chan int, 1)
		a.SendSelection(hub.Selection{}, event("/far", "x"), func(n int, _ bool) { got <- n })
		far.want(t, "x")
		if n := <-got; n != 1 {
			t.Errorf("delivered to %d, want 1", n)
		}
		b.Close("/far")
		a.SendSelection(hub.Selection{}, event("/far", "y"), func(n int, _ bool) { got <- n })
		if n := <-got; n != 0 {
			t.Errorf("after the namespace was closed: delivered to %d, want 0", n)
		}
		far.wantNothing(t)
	})
}

// Sockets elsewhere are asked to join rooms: who has none of them keeps nothing.
func TestRoomsOfOthersLeaveNothingBehind(t *testing.T) {
	s := redistest.Start(t)
	if !s.Real() {
		t.Skip("sharded channels need a real Redis 7")
	}
	a, b := startNode(t, s, sharded), startNode(t, s, sharded)
	meet(t, a, b)
	c := b.join(sid("c"), lobby42)
	a.Join("/", single(user42), []string{"new"}) // nobody is
	a.Join("/", single(lobby42), []string{"new2"})
	a.Emit(single(hub.NamespaceRoom("/", "new2")), event("/", "x"), nil)
	c.want(t, "x")
	b.rooms.sweep(time.Now().Add(2 * linger))
	b.rooms.mu.Lock()
	defer b.rooms.mu.Unlock()
	if len(b.rooms.rooms) != 2 {
		t.Errorf("%d rooms are subscribed to, want lobby 42 and new2", len(b.rooms.rooms))
	}
}

// TestWhereNodesAre has nodes find each other by the ids that they give to sessions.
func TestWhereNodesAre(t *testing.T) {
	r := redistest.Start(t)
	at := func(url string) nodeOption { return func(o *Options) { o.URL = url } }
	a, b, silent := startNode(t, r, at("http://10.0.0.1:3000")), startNode(t, r, at("http://10.0.0.2:3000")), startNode(t, r)
	meet(t, a, b, silent)
	session := func(of *node) string { return of.SocketPrefix() + "0123456789abcdef" }
	want := func(from, of *node, url string) {
		t.Helper()
		if id, got := from.NodeOf(session(of)); got != url || url != "" && (id != of.ID() || !from.Knows(id)) {
			t.Errorf("%s is at %q, %q, want %q", of.ID(), id, got, url)
		}
	}
	want(a, b, "http://10.0.0.2:3000")
	want(b, a, "http://10.0.0.1:3000")
	want(silent, a, "http://10.0.0.1:3000")
	want(a, silent, "")
	want(a, a, "")
	if id, _ := a.NodeOf("AAAA"); id != "" || a.Knows("0123456789abcdef") || a.Knows(a.ID()) {
		t.Error("a node knows others than there are")
	}
	b.Stop()
	eventually(t, "the others know that one has gone", func() bool { return !a.Knows(b.ID()) })
	want(a, b, "")
	want(silent, a, "http://10.0.0.1:3000")
}
