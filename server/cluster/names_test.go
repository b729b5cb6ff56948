package cluster

import (
	"testing"

	"signalbox/server/hub"
	"signalbox/store/redis/redistest"
)

// verified is what REQUIRE_AUTH does to names.
func verified(o *Options) { o.Hub.Names.Verified = true }

// What a Node server sends to an account or to one socket reaches nobody who has chosen a room of that name.
func TestWhatNodeSendsToOneReachesNobodyElse(t *testing.T) {
	modes(t, func(t *testing.T, s *redistest.Server, o ...nodeOption) {
		n := startNode(t, s, append(o, verified)...)
		id := sid("node-socket")
		account := n.join("account", acct42)
		guest := n.join("guest", hub.Room{Kind: hub.KindRoom, Name: "user:42"}, hub.Room{Kind: hub.KindRoom, Name: id})
		user, chatter := n.join("user", user42), n.join("chatter", lobby42, hub.Room{Kind: hub.KindLobby, Name: id})
		in := n.join("in", room42)

		publishAsNodeIn(t, s, n, "/chat", "user:42", "secret")
		publishAsNodeIn(t, s, n, "/chat", id, "secret")
		publishAsNodeIn(t, s, n, "/", "42", "secret")
		publishAsNodeIn(t, s, n, "/", id, "secret")
		publishAsNodeIn(t, s, n, "/chat", "42", "said")

		in.want(t, "said text:adopted in 42")
		account.want(t, "secret text:adopted in 42")
		user.want(t, "secret text:adopted in 42")
		for _, c := range []*client{account, guest, user, chatter} {
			c.wantNothing(t)
		}
	})
}

// What is said in rooms whose names clients choose is heard by no account and no socket of a Node server.
func TestChosenNamesAreNotHeardAsAnothers(t *testing.T) {
	s := redistest.Start(t)
	if !s.Real() {
		t.Skip("patterns and channels keep no order on miniredis")
	}
	a, b := startNode(t, s, verified), startNode(t, s, verified)
	meet(t, a, b)
	sub := raw(t, s).PSubscribe(t.Context(), "test#/#*", "test#/chat#*") // as Node's adapter
	t.Cleanup(func() { sub.Close() })
	for range 2 {
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	heard := sub.Channel()
	id := sid("node-socket")
	for _, r := range []hub.Room{
		{Kind: hub.KindRoom, Name: "user:42"}, {Kind: hub.KindRoom, Name: id}, lobby42, {Kind: hub.KindLobby, Name: id},
	} {
		namespace, name := r.Place()
		c := b.join("c", r)
		a.hub.Send(r, event(namespace, "x"))
		c.want(t, "x")
		if got := next(t, heard, "a message").Channel; got != "test#"+namespace+"#\x00"+name+"#" {
			t.Errorf("what is said in %q goes over %q", r, got)
		}
		b.hub.Remove(c.Member)
	}
}
