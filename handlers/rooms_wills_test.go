package handlers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/auth"
	"signalbox/store"
)

// wantWills fails unless a node has left these wills.
func (w *town) wantWills(node int, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.notary.list(node); !slices.Equal(got, want) {
		w.t.Errorf("node %d has the wills\n\t%s\nwant\n\t%s", node, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestMembershipsLeaveWills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		h := w.houses[0]
		ann, bob := h.chat(h.tokenFor(time.Hour, "ann")), h.ws("")
		ann.send("join_room", `"tea"`)
		ann.send("join_room", `"tea"`)
		annInTea := `room room 3 tea +"ann" "room":"dGVh","userId":"ann","userName":"Name-ann","verified":true}`
		w.wantWills(0, annInTea)
		bob.send(`{"type":"join","room":"tea"}`)
		w.wantWills(0, annInTea, `room room 3 tea  "room":"dGVh"}`)
		bob.send(`{"type":"authenticate","userId":7}`)
		bob.send(`{"type":"join","room":"a b"}`)
		as7 := []string{annInTea, `room room 3 tea 7 "room":"dGVh","userId":7,"userName":"7"}`,
			`room room 3 a b 7 "room":"YSBi","userId":7,"userName":"7"}`}
		w.wantWills(0, as7...)

		// Who changes its id all the time is followed now and then.
		for i := range 1000 {
			bob.send(fmt.Sprintf(`{"type":"authenticate","userId":%d}`, i))
		}
		bob.send(`{"type":"authenticate","userId":"<\u00e9>"}`)
		w.wantWills(0, as7...)
		bob.send(`{"type":"join","room":"x"}`)
		w.wantWills(0, append(as7, `room room 1 x 7 "room":"eA==","userId":7,"userName":"7"}`)...)
		time.Sleep(rewritePause)
		bob.send(`{"type":"leave","room":"x"}`)
		w.wantWills(0, annInTea, `room room 3 tea "<\u00e9>" "room":"dGVh","userId":"<\u00e9>","userName":"\u003cé\u003e"}`,
			`room room 3 a b "<\u00e9>" "room":"YSBi","userId":"<\u00e9>","userName":"\u003cé\u003e"}`)

		bob.send(`{"type":"leave","room":"tea"}`)
		bob.leave()
		ann.send("renew", `{"token":"`+h.token("ann", func(c *auth.Claims) { c.Name = "Anna" })+`"}`)
		w.wantWills(0, strings.Replace(annInTea, "Name-ann", "Anna", 1))
		ann.send("renew", `{"token":"`+h.token("ann", rooms("milk"))+`"}`)
		w.wantWills(0)
		ann.send("join_room", `"milk"`)
		ann.leave()
		w.wantWills(0)
		w.wantWills(1)
	})
}

// The wills of people who only say who they are are not those of people with a token, and a name cannot make one room's
// look like another's.
func TestWillKeysAreApart(t *testing.T) {
	keys := make(map[string]string)
	for _, room := range []string{"a", "a ", "a +", "a 1", "1 a", ""} {
		for _, user := range []string{`"u"`, `+"u"`, `1`, ``} {
			for _, verified := range []bool{false, true} {
				if user == `+"u"` && !verified {
					continue // no JSON
				}
				who := fmt.Sprintf("%q %q %v", room, user, verified)
				key := willKey(room, []byte(user), verified)
				if other, ok := keys[key]; ok {
					t.Errorf("%s and %s have one key", who, other)
				}
				keys[key] = who
			}
		}
	}
}

func TestANodeThatDiesIsSeenOffAtEveryDoor(t *testing.T) {
	w := newTown(t, 3)
	a, b, c := w.houses[0], w.houses[1], w.houses[2]
	ann, text, gone := a.chat(a.token("ann")), b.ws(""), c.ws("")
	watch := a.watch("tea", a.token("cat"))
	ann.send("join_room", `"tea"`)
	text.send(`{"type":"join","room":"tea"}`)
	dead := []*chatter{c.chat(c.token("dan")), c.chat(c.token("dan"))}
	for _, d := range dead {
		d.send("join_room", `"tea"`)
	}
	gone.send(`{"type":"authenticate","userId":[7]}`)
	gone.send(`{"type":"authenticate","userId":7}`)
	gone.send(`{"type":"join","room":"tea"}`)
	w.settle()
	for _, g := range []*guest{ann.guest, text.guest, watch.guest} {
		g.take()
	}
	w.cloud.all()[2].setAway(true)
	w.die(2, 1)
	left := `{"userId":"dan","userName":"Name-dan"}`
	ann.want("user_left "+left, "user_left "+left, `user_left {"userId":7,"userName":"7"}`)
	watch.want(`event: user_left | data: `+left, `event: user_left | data: `+left, `event: user_left | data: {"userId":7,"userName":"7"}`)
	text.want(`{"type":"user_left","userId":"dan","room":"tea"}`, `{"type":"user_left","userId":"dan","room":"tea"}`,
		`{"type":"user_left","userId":7,"room":"tea"}`)

	// It was not dead after all.
	w.cloud.all()[2].setAway(false)
	for _, d := range dead {
		d.take()
	}
	c.watch("tea", c.token("cat"))
	nameless := c.ws("")
	nameless.send(`{"type":"join","room":"tea"}`)
	w.settle()
	for _, g := range []*guest{ann.guest, text.guest, watch.guest, gone.guest, dead[0].guest, dead[1].guest} {
		g.take()
	}
	c.doors.Returned(false)
	w.settle()
	wantNothing(ann, text, watch)
	c.doors.Returned(true)
	w.settle()
	got := ann.take()
	slices.Sort(got)
	want := []string{`user_joined {"userId":"dan","userName":"Name-dan"}`, `user_joined {"userId":"dan","userName":"Name-dan"}`,
		`user_joined {"userId":7,"userName":"7"}`, `user_joined {}`}
	if !slices.Equal(got, want) {
		t.Errorf("after the return ann got %q, want %q", got, want)
	}
	if got := text.take(); len(got) != 4 || !slices.Contains(got, `{"type":"user_joined","userId":7,"room":"tea"}`) {
		t.Errorf("after the return the text client got %q", got)
	}
}

func TestWhoOnlyChangesNodesIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 3)
		a, b, c := w.houses[0], w.houses[1], w.houses[2]
		see := a.chat(a.token("see"))
		see.send("join_room", `"tea"`)
		ann, ann2, bob, liar := c.chat(c.token("ann")), c.chat(c.token("ann")), c.ws(""), c.ws("")
		ann.send("join_room", `"tea"`)
		ann2.send("join_room", `"tea"`)
		bob.send(`{"type":"join","room":"tea"}`)
		liar.send(`{"type":"authenticate","userId":"ann"}`)
		liar.send(`{"type":"join","room":"tea"}`)
		w.settle()
		see.take()
		here := `{"ok":true,"roomId":"tea","users":[` +
			`{"userId":"ann","userName":"Name-ann","connections":2,"verified":true},` +
			`{"userId":"ann","userName":"ann","connections":1,"verified":false},` +
			`{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":1}`
		ask := func(want string) {
			t.Helper()
			w.settle()
			see.ask("presence", `{"roomId":"tea"}`)
			see.want("ack " + want)
		}
		ask(here)
		w.leave(2) // its people are still there, and counted once
		ask(here)
		ann.leaveWith(reasonShutdown)
		ask(here)
		for _, g := range []interface{ leaveWith(string) }{ann2, bob, liar} {
			g.leaveWith(reasonShutdown)
		}
		ask(here)
		see.ask("presence", `{"userIds":["ann","bob"]}`)
		see.want(`ack {"ok":true,"online":["ann"]}`)

		ann = b.chat(b.token("ann")) // comes back to b
		ann.send("join_room", `"tea"`)
		ask(here)
		bob = a.ws("") // to a
		bob.send(`{"type":"join","room":"tea"}`)
		ask(here)
		w.settle()
		wantNothing(see)
		if w.notary.claims != 2 {
			t.Errorf("%d wills were claimed, want 2", w.notary.claims)
		}
		w.wantWills(1, `room room 3 tea +"ann" "room":"dGVh","userId":"ann","userName":"Name-ann","verified":true}`)

		// The others do not.
		w.die(2, 1)
		see.want(`user_left {"userId":"ann","userName":"Name-ann"}`, `user_left {"userId":"ann","userName":"ann"}`)
		ask(`{"ok":true,"roomId":"tea","users":[` +
			`{"userId":"ann","userName":"Name-ann","connections":1,"verified":true},` +
			`{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":1}`)
		for _, h := range w.houses {
			if l := h.doors.Presence.leaving; len(l.keys) != 0 || len(l.rooms) != 0 || len(l.users) != 0 {
				t.Errorf("somebody is still leaving: %v %v %v", l.keys, l.rooms, l.users)
			}
		}
		for _, g := range []interface{ leave() }{see, ann, bob} {
			g.leave()
		}
	})
}

// Somebody who goes while the node leaves does not come back.
func TestWhoGoesWhileTheNodeLeavesIsGone(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	see := a.chat(a.token("see"))
	ann, bob := b.chat(b.token("ann")), b.chat(b.token("bob"))
	for _, c := range []*chatter{see, ann, bob} {
		c.send("join_room", `"tea"`)
	}
	w.settle()
	b.doors.Draining()
	w.leave(1)
	ann.leave()
	bob.send("leave_room", `"tea"`)
	w.settle()
	see.take()
	see.ask("presence", `{"roomId":"tea"}`)
	see.want(`ack {"ok":true,"roomId":"tea","users":[{"userId":"see","userName":"Name-see","connections":1,"verified":true}],"nameless":0}`)
}

func TestWhoLeavesIsForgottenAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		a, b := w.houses[0], w.houses[1]
		ann := b.chat(b.token("ann"))
		ann.send("join_room", `"tea"`)
		w.leave(1, ann)
		w.leave(1) // told twice
		count := func() int {
			users, _, complete := a.doors.Presence.RoomUsers(t.Context(), "tea")
			if !complete {
				t.Error("not complete")
			}
			n := 0
			for _, u := range users {
				n += u.Connections
			}
			return n
		}
		time.Sleep(leavingTime - time.Second)
		if n := count(); n != 1 {
			t.Errorf("%d connections before the time is over, want 1", n)
		}
		time.Sleep(2 * time.Second)
		if n := count(); n != 0 {
			t.Errorf("%d connections after it, want none", n)
		}
	})
}

// What a large node leaves behind must not fill the queue to the others at once.
func TestManyWillsAreNotCarriedOutAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		h := w.houses[0]
		see := h.chat(h.token("see"))
		see.send("join_room", `"tea"`)
		see.take()
		dead := h.ws("")
		dead.send(`{"type":"join","room":"tea"}`)
		see.take()
		will := w.notary.take(0)[1]
		start := time.Now()
		h.doors.Execute(slices.Repeat([]store.Will{will}, 4*burst))
		if d := time.Since(start); d != 4*breath {
			t.Errorf("it took %v, want %v", d, 4*breath)
		}
		if n := len(see.take()); n != 4*burst {
			t.Errorf("the room was told %d times, want %d", n, 4*burst)
		}
		see.leave()
		dead.leave()
	})
}

func TestWillsThatCannotBeRead(t *testing.T) {
	h := newHouse(t)
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"tea"`)
	ann.take()
	bad := []store.Will{
		{Topic: "room"}, {Topic: "room", Body: []byte(`5`)}, {Topic: "room", Body: []byte(`{"room":5}`)}, {Topic: "moon", Body: []byte(`{}`)},
		{Topic: "", Key: "x"}, {Topic: "room", Body: []byte(`{"room":"dGVh","userId":{`)},
	}
	h.doors.Leaving("x", bad)
	h.doors.Leaving("x", nil)
	h.doors.Execute(bad)
	h.doors.Execute(nil)
	wantNothing(ann)
}
