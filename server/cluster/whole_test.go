package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// neverFalse sends to user 42, of whom there are two clients, until n can be sure again that everybody hears it, and fails where
// an answer says that all have it and they have not. looked: n has looked who is there since something was amiss.
func neverFalse(t *testing.T, n *node, here, there *client, looked bool) {
	t.Helper()
	sure := 0
	for i := 0; sure < 20; i++ {
		if looked && n.Up() {
			name := fmt.Sprint("up-", i)
			n.hub.Send(user42, event("/", name))
			if !comes(there, name) {
				t.Fatalf("%s is said to reach everybody, and does not come", name)
			}
		}
		delivered, complete := sum(t, n, user42, event("/", "x"))
		if complete && delivered != 2 {
			t.Fatalf("message %d is said to be for %d, and no others", i, delivered)
		}
		if complete {
			sure++
		}
		for _, c := range []*client{here, there} {
			for len(c.got) > 0 {
				<-c.got
			}
		}
	}
}

// comes reports whether a client gets a message soon.
func comes(c *client, line string) bool {
	timeout := time.After(patience)
	for {
		select {
		case got := <-c.got:
			if got == line {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

// Who is back first after an outage does not take those who are not for nobody.
func TestNoAnswerAfterAnOutageIsFalse(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		here, there := a.join("a", user42), b.join("b", user42)
		for i := range 2000 { // it takes a while until all of them are subscribed to again
			b.hub.Join(there.Member, hub.Room{Kind: hub.KindUser, Name: fmt.Sprint("more-", i)})
		}
		for range 3 {
			s.Stop()
			eventually(t, "it is noticed", func() bool { return !a.link.Up() && !b.link.Up() })
			s.Start()
			eventually(t, "a is back", func() bool { return a.link.Up() })
			neverFalse(t, a, here, there, true)
		}
	})
}

// One node loses its connections, and the others do not.
func TestNoAnswerIsFalseWhileAnotherNodeIsCutOff(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		if !s.Real() {
			t.Skip("miniredis has no CLIENT KILL")
		}
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		here, there := a.join("a", user42), b.join("b", user42)
		other := raw(t, s)
		for range 3 {
			downs := b.link.Downs()
			b.receiving.Lock() // so that it is cut off for a while
			if err := other.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			b.receiving.Unlock()
			eventually(t, "it is noticed", func() bool { return b.link.Downs() > downs })
			neverFalse(t, a, here, there, false)
		}
	})
}

// A Node server that has just started is seen by the next message.
func TestAServerOfAnotherKindCountsAtOnce(t *testing.T) {
	s := redistest.Start(t)
	a := startNode(t, s)
	meet(t, a)
	if n, complete := sum(t, a, user42, event("/", "x")); n != 0 || !complete {
		t.Fatalf("delivered to %d, complete %v, want nobody", n, complete)
	}
	listen(t, raw(t, s), "test-request#/#")
	if _, complete := sum(t, a, user42, event("/", "x")); complete {
		t.Error("the count is complete without the server that has just started")
	}
}

// A join needs Redis and no other node.
func TestAJoinWaitsForNoOtherNode(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b := startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b)
		b.receiving.Lock()
		defer b.receiving.Unlock()
		begin := time.Now()
		for i := range 20 {
			a.join(fmt.Sprint("c", i), hub.Room{Kind: hub.KindUser, Name: fmt.Sprint(i)})
		}
		if took := time.Since(begin); took > subscribePatience/2 {
			t.Errorf("20 joins took %v", took)
		}
	})
}

// A join whose channel is not confirmed is over after a while, and until it is every answer says that it is partial.
func TestAJoinThatRedisDoesNotConfirm(t *testing.T) {
	channelModes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a := startNode(t, s, o...)
		meet(t, a)
		s.Pause()
		defer s.Resume()
		begin := time.Now()
		c := a.join("c", user42)
		if took := time.Since(begin); took > 2*subscribePatience {
			t.Errorf("the join took %v", took)
		}
		if a.hub.Heard(user42) {
			t.Error("the room is said to be heard")
		}
		if a.Up() {
			t.Error("all is said to be well while the room cannot be reached")
		}
		s.Resume()
		eventually(t, "the room can be reached", a.Up)
		publishAsNode(t, s, a, "42", "x")
		c.want(t, "x text:adopted in 42")
	})
}

// What is for a socket finds its node by the id, and no other node hears of it.
func TestSocketsAreFoundByTheirIDs(t *testing.T) {
	s := redistest.Start(t)
	if !s.Real() {
		t.Skip("patterns and channels keep no order on miniredis")
	}
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	id := b.SocketPrefix() + "0123456789abcdef"
	c := b.join(id)
	elsewhere := b.join(a.SocketPrefix()+"0123456789abcdef", lobby42) // as one that was recovered here
	b.hub.Join(elsewhere.Member, hub.NamespaceRoom("/", elsewhere.ID()))
	for range 10 {
		publishAsNode(t, s, b, id, "node")
		a.hub.Send(hub.SocketRoom("/", id), event("/", "signalbox"))
		c.want(t, "node text:adopted in /\x00"+id, "signalbox")
		if n, complete := sum(t, a, hub.SocketRoom("/", id), event("/", "counted")); n != 1 || !complete {
			t.Errorf("delivered to %d, complete %v, want 1", n, complete)
		}
		c.want(t, "counted")
		a.hub.Send(hub.SocketRoom("/", elsewhere.ID()), event("/", "moved"))
		elsewhere.want(t, "moved")
	}
	c.wantNothing(t)
	elsewhere.wantNothing(t)
	if n := a.Stats().Received; n > 100 {
		t.Errorf("a has looked at %d messages", n)
	}
}

// Who reconnects finds the channel subscribed to.
func TestChannelsLinger(t *testing.T) {
	channelModes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a := startNode(t, s, o...)
		subscribed := func() int64 {
			n, err := a.link.NumSub(t.Context(), a.sharded, "test#/#42#")
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		user, chatter := a.join("user", user42), a.join("chatter", lobby42) // one channel
		a.hub.Remove(user.Member)
		a.rooms.sweep(time.Now().Add(2 * linger))
		if n := subscribed(); n != 1 {
			t.Errorf("%d subscribers while somebody is in a room of this name, want 1", n)
		}
		a.hub.Remove(chatter.Member)
		a.rooms.sweep(time.Now())
		if n := subscribed(); n != 1 {
			t.Errorf("%d subscribers right after the last has left, want 1", n)
		}
		back := a.join("back", lobby42)
		a.rooms.sweep(time.Now().Add(2 * linger))
		if n := subscribed(); n != 1 {
			t.Errorf("%d subscribers after somebody has come back, want 1", n)
		}
		a.hub.Remove(back.Member)
		a.rooms.sweep(time.Now().Add(2 * linger))
		eventually(t, "it is given up", func() bool { return subscribed() == 0 })
	})
}

// A node that hangs is waited for once, and then only for a moment each time.
func TestANodeThatHangsIsNotWaitedForAgainAndAgain(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		a, b, c := startNode(t, s, o...), startNode(t, s, o...), startNode(t, s, o...)
		meet(t, a, b, c)
		b.join("b", user42)
		c.join("c", user42)
		a.members.mu.Lock()
		a.members.heard[b.id] = time.Now().Add(-silentAfter) // until it is heard of again
		a.members.mu.Unlock()
		b.receiving.Lock()
		defer b.receiving.Unlock()
		begin := time.Now()
		if n, complete := sum(t, a, user42, event("/", "x")); n != 1 || complete {
			t.Errorf("delivered to %d, complete %v, want 1, not all", n, complete)
		}
		if took := time.Since(begin); took > answerTimeout/2 {
			t.Errorf("it took %v", took)
		}
	})
}

// What goes to Node servers alone is counted there alone, and their sockets of an account can be disconnected.
func TestServersOfAnotherKindAreCountedAndDisconnected(t *testing.T) {
	s := redistest.Start(t)
	a, b := startNode(t, s), startNode(t, s)
	meet(t, a, b)
	b.join("b", acct42)
	other := raw(t, s)
	requests := listen(t, other, "test-request#/chat#")
	answer := func() (request string) {
		t.Helper()
		request = next(t, requests, "a request").Payload
		var r struct{ RequestID string }
		if err := json.Unmarshal([]byte(request), &r); err != nil {
			t.Fatal(err)
		}
		publishRaw(t, other, "test-response#/chat#", `{"requestId":"`+r.RequestID+`","sockets":[{"id":"n1"},{"id":"n2"}]}`)
		return request
	}
	type count struct {
		n   int
		all bool
	}
	counts := make(chan count, 1)
	a.hub.SendForeign(acct42, event("/chat", "x"), func(n int, all bool) { counts <- count{n, all} })
	answer()
	if got := next(t, counts, "the count"); got != (count{2, true}) {
		t.Errorf("counted %v, want the two of the other server", got)
	}
	go func() { // the count is awaited below
		n, all := a.DisconnectForeign(t.Context(), acct42, true)
		counts <- count{n, all}
	}()
	answer()
	if got := next(t, counts, "the number"); got != (count{2, true}) {
		t.Errorf("disconnected %v, want two", got)
	}
	want := `"type":4,"opts":{"rooms":["user:42"],`
	if got := next(t, requests, "the order").Payload; !strings.Contains(got, want) || !strings.Contains(got, `"close":true`) {
		t.Errorf("ordered %s, want %s", got, want)
	}
	a.hub.Send(acct42, event("/chat", "still there"))
	b.clients["b"].want(t, "still there") // what is for the others is not done here
}
