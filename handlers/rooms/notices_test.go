package rooms_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/rooms"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/store"
)

func TestMembershipsLeaveNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 2)
		h := w.Houses[0]
		ann, bob := h.Chat(h.TokenFor(time.Hour, "ann")), h.WS("")
		ann.Say("join_room", `"tea"`)
		ann.Say("join_room", `"tea"`)
		annInTea := `room room 3 tea +"ann" "room":"dGVh","userId":"ann","userName":"Name-ann","verified":true}`
		w.WantNotices(0, annInTea)
		bob.Say(`{"type":"join","room":"tea"}`)
		w.WantNotices(0, annInTea, `room room 3 tea  "room":"dGVh"}`)
		bob.Say(`{"type":"authenticate","userId":7}`)
		bob.Say(`{"type":"join","room":"a b"}`)
		as7 := []string{annInTea, `room room 3 tea 7 "room":"dGVh","userId":7,"userName":"7"}`,
			`room room 3 a b 7 "room":"YSBi","userId":7,"userName":"7"}`}
		w.WantNotices(0, as7...)

		// Who changes its id all the time is followed now and then.
		for i := range 1000 {
			bob.Say(fmt.Sprintf(`{"type":"authenticate","userId":%d}`, i))
		}
		bob.Say(`{"type":"authenticate","userId":"<\u00e9>"}`)
		w.WantNotices(0, as7...)
		bob.Say(`{"type":"join","room":"x"}`)
		w.WantNotices(0, append(as7, `room room 1 x 7 "room":"eA==","userId":7,"userName":"7"}`)...)
		time.Sleep(rooms.RewritePause)
		bob.Say(`{"type":"leave","room":"x"}`)
		w.WantNotices(0, annInTea, `room room 3 tea "<\u00e9>" "room":"dGVh","userId":"<\u00e9>","userName":"<é>"}`,
			`room room 3 a b "<\u00e9>" "room":"YSBi","userId":"<\u00e9>","userName":"<é>"}`)

		bob.Say(`{"type":"leave","room":"tea"}`)
		bob.Leave()
		ann.Say("renew", `{"token":"`+h.Token("ann", func(c *auth.Claims) { c.Name = "Anna" })+`"}`)
		w.WantNotices(0, strings.Replace(annInTea, "Name-ann", "Anna", 1))
		ann.Say("renew", `{"token":"`+h.Token("ann", testkit.OnlyRooms("milk"))+`"}`)
		w.WantNotices(0)
		ann.Say("join_room", `"milk"`)
		ann.Leave()
		w.WantNotices(0)
		w.WantNotices(1)
	})
}

// The notices of people who only say who they are are not those of people with a token, and a name cannot make one room's
// look like another's.
func TestNoticeKeysAreApart(t *testing.T) {
	keys := make(map[string]string)
	for _, room := range []string{"a", "a ", "a +", "a 1", "1 a", ""} {
		for _, user := range []string{`"u"`, `+"u"`, `1`, ``} {
			for _, verified := range []bool{false, true} {
				if user == `+"u"` && !verified {
					continue // no JSON
				}
				who := fmt.Sprintf("%q %q %v", room, user, verified)
				key := rooms.NoticeKey(room, []byte(user), verified)
				if other, ok := keys[key]; ok {
					t.Errorf("%s and %s have one key", who, other)
				}
				keys[key] = who
			}
		}
	}
}

func TestANodeThatDiesIsSeenOffAtEveryDoor(t *testing.T) {
	w := testkit.NewTown(t, 3)
	a, b, c := w.Houses[0], w.Houses[1], w.Houses[2]
	ann, text, gone := a.Chat(a.Token("ann")), b.WS(""), c.WS("")
	watch := a.Watch("tea", a.Token("cat"))
	ann.Say("join_room", `"tea"`)
	text.Say(`{"type":"join","room":"tea"}`)
	dead := []*testkit.Chatter{c.Chat(c.Token("dan")), c.Chat(c.Token("dan"))}
	for _, d := range dead {
		d.Say("join_room", `"tea"`)
	}
	gone.Say(`{"type":"authenticate","userId":[7]}`)
	gone.Say(`{"type":"authenticate","userId":7}`)
	gone.Say(`{"type":"join","room":"tea"}`)
	w.Settle()
	for _, g := range []*testkit.Guest{ann.Guest, text.Guest, watch.Guest} {
		g.Take()
	}
	w.Cloud.All()[2].SetAway(true)
	w.Die(2, 1)
	left := `{"userId":"dan","userName":"Name-dan"}`
	ann.Want("user_left "+left, "user_left "+left, `user_left {"userId":7,"userName":"7"}`)
	watch.Want(`event: user_left | data: `+left, `event: user_left | data: `+left, `event: user_left | data: {"userId":7,"userName":"7"}`)
	text.Want(`{"type":"user_left","userId":"dan","room":"tea"}`, `{"type":"user_left","userId":"dan","room":"tea"}`,
		`{"type":"user_left","userId":7,"room":"tea"}`)

	// It was not dead after all.
	w.Cloud.All()[2].SetAway(false)
	for _, d := range dead {
		d.Take()
	}
	c.Watch("tea", c.Token("cat"))
	nameless := c.WS("")
	nameless.Say(`{"type":"join","room":"tea"}`)
	w.Settle()
	for _, g := range []*testkit.Guest{ann.Guest, text.Guest, watch.Guest, gone.Guest, dead[0].Guest, dead[1].Guest} {
		g.Take()
	}
	c.Rooms.Returned(t.Context())
	w.Settle()
	got := ann.Take()
	slices.Sort(got)
	want := []string{`user_joined {"userId":"dan","userName":"Name-dan"}`, `user_joined {"userId":"dan","userName":"Name-dan"}`,
		`user_joined {"userId":7,"userName":"7"}`, `user_joined {}`}
	if !slices.Equal(got, want) {
		t.Errorf("after the return ann got %q, want %q", got, want)
	}
	if got := text.Take(); len(got) != 4 || !slices.Contains(got, `{"type":"user_joined","userId":7,"room":"tea"}`) {
		t.Errorf("after the return the text client got %q", got)
	}
}

func TestWhoOnlyChangesNodesIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 3)
		a, b, c := w.Houses[0], w.Houses[1], w.Houses[2]
		see := a.Chat(a.Token("see"))
		see.Say("join_room", `"tea"`)
		ann, ann2, bob, liar := c.Chat(c.Token("ann")), c.Chat(c.Token("ann")), c.WS(""), c.WS("")
		ann.Say("join_room", `"tea"`)
		ann2.Say("join_room", `"tea"`)
		bob.Say(`{"type":"join","room":"tea"}`)
		liar.Say(`{"type":"authenticate","userId":"ann"}`)
		liar.Say(`{"type":"join","room":"tea"}`)
		w.Settle()
		see.Take()
		here := `{"ok":true,"roomId":"tea","users":[` +
			`{"userId":"ann","userName":"Name-ann","connections":2,"verified":true},` +
			`{"userId":"ann","userName":"ann","connections":1,"verified":false},` +
			`{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":1}`
		ask := func(want string) {
			t.Helper()
			w.Settle()
			see.Ask("presence", `{"roomId":"tea"}`)
			see.Want("ack " + want)
		}
		ask(here)
		w.Leave(2) // its people are still there, and counted once
		ask(here)
		ann.LeaveWith(app.ReasonShutdown)
		ask(here)
		for _, g := range []interface{ LeaveWith(string) }{ann2, bob, liar} {
			g.LeaveWith(app.ReasonShutdown)
		}
		ask(here)
		see.Ask("presence", `{"userIds":["ann","bob"]}`)
		see.Want(`ack {"ok":true,"online":["ann"]}`)

		ann = b.Chat(b.Token("ann")) // comes back to b
		ann.Say("join_room", `"tea"`)
		ask(here)
		bob = a.WS("") // to a
		bob.Say(`{"type":"join","room":"tea"}`)
		ask(here)
		w.Settle()
		testkit.WantNothing(see)
		if w.Notary.Claims != 2 {
			t.Errorf("%d notices were claimed, want 2", w.Notary.Claims)
		}
		w.WantNotices(1, `room room 3 tea +"ann" "room":"dGVh","userId":"ann","userName":"Name-ann","verified":true}`)

		// The others do not.
		w.Die(2, 1)
		see.Want(`user_left {"userId":"ann","userName":"Name-ann"}`, `user_left {"userId":"ann","userName":"ann"}`)
		ask(`{"ok":true,"roomId":"tea","users":[` +
			`{"userId":"ann","userName":"Name-ann","connections":1,"verified":true},` +
			`{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":1}`)
		for _, g := range []interface{ Leave() }{see, ann, bob} {
			g.Leave()
		}
	})
}

// Somebody who goes while the node leaves does not come back.
func TestWhoGoesWhileTheNodeLeavesIsGone(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	see := a.Chat(a.Token("see"))
	ann, bob := b.Chat(b.Token("ann")), b.Chat(b.Token("bob"))
	for _, c := range []*testkit.Chatter{see, ann, bob} {
		c.Say("join_room", `"tea"`)
	}
	w.Settle()
	b.Rooms.Draining()
	w.Leave(1)
	ann.Leave()
	bob.Say("leave_room", `"tea"`)
	w.Settle()
	see.Take()
	see.Ask("presence", `{"roomId":"tea"}`)
	see.Want(`ack {"ok":true,"roomId":"tea","users":[{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":0}`)
}

// People who came back elsewhere before this node knew that theirs is leaving would be shown twice: until it has left.
func TestWhoLeavesIsForgottenWhenTheNodeHasLeft(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	ann := b.Chat(b.Token("ann"))
	ann.Say("join_room", `"tea"`)
	w.Leave(1, ann)
	w.Leave(1) // told twice
	count := func() int {
		users, _, complete := a.Presence.RoomUsers(t.Context(), "tea")
		if !complete {
			t.Error("not complete")
		}
		n := 0
		for _, u := range users {
			n += u.Connections
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("%d connections while the node is leaving, want 1", n)
	}
	a.Presence.Left("node0")
	if n := count(); n != 1 {
		t.Errorf("%d connections after another node has left, want 1", n)
	}
	a.Presence.Left("node1")
	if n := count(); n != 0 {
		t.Errorf("%d connections after it has left, want none", n)
	}
}

// What a large node leaves behind must not fill the queue to the others at once.
func TestManyNoticesAreNotCarriedOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 1)
		h := w.Houses[0]
		see := h.Chat(h.Token("see"))
		see.Say("join_room", `"tea"`)
		see.Take()
		dead := h.WS("")
		dead.Say(`{"type":"join","room":"tea"}`)
		see.Take()
		const burst, breath = 256, 4 * time.Millisecond
		will := w.Notary.Take(0)[1]
		start := time.Now()
		h.CarryOut("node0", slices.Repeat([]store.LeaveNotice{will}, 4*burst))
		if d := time.Since(start); d != 3*breath {
			t.Errorf("it took %v, want %v", d, 3*breath)
		}
		if n := len(see.Take()); n != 4*burst {
			t.Errorf("the room was told %d times, want %d", n, 4*burst)
		}
		see.Leave()
		dead.Leave()
	})
}

// A node that may not be alone any more with what another has left, as it was stopped meanwhile, does not go on with it.
func TestCarryingOutEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 2)
		h, other := w.Houses[0], w.Houses[1]
		see, dead := h.Chat(h.Token("see")), other.Chat(other.Token("dead"))
		see.Say("join_room", `"tea"`)
		dead.Say("join_room", `"tea"`)
		w.Settle()
		see.Take()
		w.Leave(1, dead) // who is in lists still
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		h.Presence.CarryOut(ctx, "node1", slices.Repeat(w.Notary.Take(1), 10_000), map[string]func([]byte) bool{"room": h.Rooms.CarryOut})
		if n := len(see.Take()); n != 512 {
			t.Errorf("the room was told %d times, want 512: two bursts", n)
		}
		if users, _, _ := h.Presence.RoomUsers(t.Context(), "tea"); len(users) != 2 {
			t.Errorf("%d users in the room, want two: nobody may say that the other node is done with", len(users))
		}
		see2 := h.Chat(h.Token("see"))
		see2.Say("join_room", `"tea"`)
		see.Take()
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		h.Rooms.Returned(ctx)
		testkit.WantNothing(see)
		see2.Leave()
		see.Leave()
		dead.Leave()
	})
}

func TestNoticesThatCannotBeRead(t *testing.T) {
	h := testkit.New(t)
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"tea"`)
	ann.Take()
	bad := []store.LeaveNotice{
		{Topic: "room"}, {Topic: "room", Body: []byte(`5`)}, {Topic: "room", Body: []byte(`{"room":5}`)}, {Topic: "moon", Body: []byte(`{}`)},
		{Topic: "", Key: "x"}, {Topic: "room", Body: []byte(`{"room":"dGVh","userId":{`)},
	}
	h.Presence.Leaving("x", bad)
	h.Presence.Leaving("x", nil)
	if n := h.CarryOut("x", bad); n != len(bad) {
		t.Errorf("%d cannot be read, want all %d", n, len(bad))
	}
	h.CarryOut("x", nil)
	testkit.WantNothing(ann)
}
