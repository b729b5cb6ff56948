package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/store"
)

func TestRoomsOverNodes(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	chat, text, watch := b.chat(b.token("ann")), b.ws(""), b.watch("tea", b.token("cat"))
	chat.send("join_room", `"tea"`)
	text.send(`{"type":"join","room":"tea"}`)
	w.settle()
	chat.take()
	watch.take()

	bob := a.ws("")
	bob.send(`{"type":"authenticate","userId":7}`)
	bob.send(`{"type":"join","room":"tea"}`)
	bob.send(`{"type":"message","room":"tea","content":"hi"}`)
	w.settle()
	said := `{"id":"UUID","roomId":"tea","userId":7,"userName":"7","content":"hi","timestamp":"ISO"}`
	chat.want(`user_joined {"userId":7,"userName":"7"}`, "message "+said)
	text.want(`{"type":"user_joined","userId":7,"room":"tea"}`, `{"type":"message","from":7,"content":"hi","timestamp":MS}`)
	watch.want(`event: user_joined | data: {"userId":7,"userName":"7"}`, `event: message | data: `+said)

	dan := b.chat(b.token("dan"))
	dan.send("join_room", `"tea"`)
	dan.want(`room_history {"roomId":"tea","messages":[` + said + `]}`)
	w.settle()
	bob.want(`{"type":"user_joined","userId":"dan","room":"tea"}`)
	chat.take()
	text.take()
	watch.take()

	bob.leave()
	w.settle()
	chat.want(`user_left {"userId":7,"userName":"7"}`)
	text.want(`{"type":"user_left","userId":7,"room":"tea"}`)
	watch.want(`event: user_left | data: {"userId":7,"userName":"7"}`)
}

func TestNotificationOverNodes(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	here, there := a.proved(a.doors.Notification, "ann"), b.proved(b.doors.Notification, "ann")
	chat, stream, other := b.chat(b.token("ann")), b.userEvents("ann"), b.proved(b.doors.Notification, "bob")
	there.take()
	other.take()
	here.take()
	here.send(`{"type":"event","data":{"a":1}}`)
	w.settle()
	there.want(`{"type":"event","data":{"a":1}}`)
	chat.want(`event {"a":1}`)
	stream.want(`event: event | data: {"a":1}`)
	wantNothing(here, other)
}

// Each who joins, on whichever node, while others talk, on whichever node, gets every message once, and those of one
// talker in order.
func TestRoomsJoiningWhileOthersTalkOnOtherNodesLosesAndDoublesNothing(t *testing.T) {
	const nodes, talkers, messages, joiners = 3, 6, 120, 12
	w := newTown(t, nodes)
	var wg sync.WaitGroup
	speak, listen := make([]*chatter, talkers), make([]*chatter, joiners)
	for i := range speak {
		h := w.houses[i%nodes]
		speak[i] = h.chat(h.token(fmt.Sprint("talker", i)))
		speak[i].send("join_room", `"tea"`)
	}
	for i := range listen {
		h := w.houses[i%nodes]
		listen[i] = h.chat(h.token(fmt.Sprint("listener", i)))
	}
	for i, c := range speak {
		wg.Go(func() {
			for n := range messages {
				c.send("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i*1000+n))
			}
		})
	}
	for _, c := range listen {
		wg.Go(func() {
			c.send("join_room", `"milk"`) // another room must not make it forget
			c.send("join_room", `"tea"`)
			c.send("join_room", `"water"`)
		})
	}
	wg.Wait()
	w.settle()
	all, err := w.houses[0].history.Last(t.Context(), "tea", talkers*messages)
	if err != nil || len(all) != talkers*messages {
		t.Fatalf("the history has %d messages, %v", len(all), err)
	}
	order := make([]string, len(all))
	for i := range all {
		order[i] = all[i].ID
	}
	for _, c := range listen {
		wantOnce(t, c, order)
	}
}

// wantOnce fails unless a client got the end of a room's history, each message once and those of one talker in order.
func wantOnce(t *testing.T, c *chatter, order []string) {
	t.Helper()
	var got []chatMessage
	for _, line := range c.take() {
		if page, ok := strings.CutPrefix(line, `room_history {"roomId":"tea"`); ok {
			if got != nil {
				t.Errorf("%s: a message came before the history", c.id)
			}
			got = historyOf(t, `{"a":1`+page)
		} else if text, ok := strings.CutPrefix(line, "message "); ok {
			var m chatMessage
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				t.Fatal(err)
			}
			got = append(got, m)
		}
	}
	last := make(map[int]int)
	ids := make(map[string]bool)
	for _, m := range got {
		talker, number := m.Content/1000, m.Content%1000
		if n, ok := last[talker]; ok && number != n+1 {
			t.Errorf("%s: message %d of talker %d came after %d", c.id, number, talker, n)
		}
		last[talker] = number
		if ids[m.ID] {
			t.Errorf("%s: message %d is doubled", c.id, m.Content)
		}
		ids[m.ID] = true
	}
	first := slices.IndexFunc(order, func(id string) bool { return ids[id] })
	if first < 0 {
		first = len(order)
	}
	if n := len(order) - first; n != len(ids) {
		t.Errorf("%s: got %d of the last %d messages", c.id, len(ids), n)
	}
}

// slowHistory is a history whose reads wait, and find what there is when they are let go.
type slowHistory struct {
	store.History
	reading chan struct{} // gets a value when a read has begun
	gate    chan struct{} // lets one read go
}

func (h *slowHistory) Last(ctx context.Context, room string, n int) ([]store.Message, error) {
	h.reading <- struct{}{}
	<-h.gate
	return h.History.Last(ctx, room, n)
}

func TestRoomsASlowHistoryStopsNobodyElse(t *testing.T) {
	slow := &slowHistory{reading: make(chan struct{}, 1), gate: make(chan struct{}, 1)}
	h := newHouse(t, func(o *DoorsOptions) { slow.History, o.History = o.History, slow })
	join := func(c *chatter, room string) {
		slow.gate <- struct{}{}
		c.send("join_room", room)
		<-slow.reading
		c.take()
	}
	ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
	join(ann, `"tea"`)
	join(bob, `"milk"`)
	var wg sync.WaitGroup
	wg.Go(func() { bob.send("join_room", `"tea"`) })
	<-slow.reading
	ann.want(`user_joined {"userId":"bob","userName":"Name-bob"}`)
	ann.send("message", `{"roomId":"tea","content":1}`)
	ann.send("typing_start", `"tea"`)
	said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":1,"timestamp":"ISO"}`
	ann.want("message " + said)
	wantNothing(bob)
	slow.gate <- struct{}{}
	wg.Wait()
	bob.want(`room_history {"roomId":"tea","messages":[`+said+`]}`, `user_typing {"userId":"ann","userName":"Name-ann"}`)
}

// busyHistory is a history in which much is said between a join and the reading of what there is.
type busyHistory struct {
	store.History
	say func() // before the next read
}

func (h *busyHistory) Last(ctx context.Context, room string, n int) ([]store.Message, error) {
	if say := h.say; say != nil {
		h.say = nil
		say()
	}
	return h.History.Last(ctx, room, n)
}

// More is said while somebody comes in than the history gives: what is older than the page must not come after it.
func TestRoomsWhatIsOlderThanTheHistoryDoesNotComeAfterIt(t *testing.T) {
	for _, unheld := range []bool{false, true} {
		busy := new(busyHistory)
		h := newHouse(t, func(o *DoorsOptions) { busy.History, o.History = o.History, busy })
		h.unheld = unheld
		ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
		ann.send("join_room", `"tea"`)
		if !unheld {
			busy.say = func() {
				for i := range 500 {
					ann.send("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i))
				}
			}
		}
		bob.send("join_room", `"tea"`)
		ann.send("message", `{"roomId":"tea","content":500}`)
		all, err := busy.History.Last(t.Context(), "tea", 1000)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, m := range all {
			order = append(order, m.ID)
		}
		wantOnce(t, bob, order)
	}
}

// The history that nodes share has a message before the message itself comes from the other node.
func TestRoomsAMessageThatComesLateIsNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.delay = 300 * time.Millisecond
		a, b := w.houses[0], w.houses[1]
		ann, bob := a.chat(a.token("ann")), b.chat(b.token("bob"))
		ann.send("join_room", `"tea"`)
		w.settle()
		ann.send("message", `{"roomId":"tea","content":1}`)
		bob.send("join_room", `"tea"`)
		bob.send("join_room", `"milk"`) // does not make it forget
		said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":1,"timestamp":"ISO"}`
		bob.want(`room_history {"roomId":"tea","messages":[`+said+`]}`, `room_history {"roomId":"milk","messages":[]}`)
		w.settle()
		wantNothing(bob)
		ann.send("message", `{"roomId":"tea","content":2}`)
		w.settle()
		bob.want("message " + strings.Replace(said, `"content":1`, `"content":2`, 1))
		ann.leave()
		bob.leave()
	})
}

func TestSeenIsForgotten(t *testing.T) {
	now := time.Now()
	set := func(names ...string) map[string]struct{} {
		m := make(map[string]struct{})
		for _, n := range names {
			m[n] = struct{}{}
		}
		return m
	}
	var s seen
	if s.skip(now) != nil {
		t.Error("somebody who has seen nothing skips")
	}
	first := set("a")
	s.add(now, first)
	s.add(now.Add(time.Second), set("b"))
	skip := s.skip(now.Add(time.Second))
	if !skip("a") || !skip("b") || skip("c") {
		t.Error("two rooms: what was seen is not known")
	}
	if len(first) != 1 {
		t.Error("a set was changed that somebody may be reading")
	}
	s.add(now.Add(2*time.Second), nil)
	if s.skip(now.Add(time.Second+app.HoldGrace)) != nil || s.ids != nil {
		t.Error("what was seen is not forgotten")
	}
	s.add(now.Add(time.Minute), set("c"))
	if skip := s.skip(now.Add(time.Minute)); skip("a") || !skip("c") {
		t.Error("what is long ago came back")
	}
	many := make(map[string]struct{})
	for i := range maxSeen {
		many[fmt.Sprint(i)] = struct{}{}
	}
	s.add(now.Add(time.Minute), many)
	if len(s.ids) != maxSeen {
		t.Errorf("%d ids are kept, want at most %d", len(s.ids), maxSeen)
	}
}

func TestRoomsSayThatTheyAreAlone(t *testing.T) {
	w := newTown(t, 2)
	ann := w.houses[0].chat(w.houses[0].token("ann"))
	w.cloud.all()[0].setAway(true)
	ann.ask("join_room", `"tea"`)
	ann.want(`room_history {"roomId":"tea","messages":[]}`, `ack {"ok":true,"partial":true}`)
	ann.ask("presence", `{"roomId":"tea"}`)
	ann.want(`ack {"ok":true,"partial":true,"roomId":"tea","users":[{"userId":"ann","userName":"Name-ann","connections":1,"verified":true}],"nameless":0}`)
	ann.ask("presence", `{"userIds":["bob"]}`)
	ann.want(`ack {"ok":true,"partial":true,"online":[]}`)
	w.cloud.all()[0].setAway(false)
	ann.ask("leave_room", `"tea"`)
	ann.want(`ack {"ok":true}`)
}
