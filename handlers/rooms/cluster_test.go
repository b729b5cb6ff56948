package rooms_test

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

	"signalbox/handlers/testkit"
	"signalbox/store"
)

func TestRoomsOverNodes(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	chat, text, watch := b.Chat(b.Token("ann")), b.WS(""), b.Watch("tea", b.Token("cat"))
	chat.Say("join_room", `"tea"`)
	text.Say(`{"type":"join","room":"tea"}`)
	w.Settle()
	chat.Take()
	watch.Take()

	bob := a.WS("")
	bob.Say(`{"type":"authenticate","userId":7}`)
	bob.Say(`{"type":"join","room":"tea"}`)
	bob.Say(`{"type":"message","room":"tea","content":"hi"}`)
	w.Settle()
	said := `{"id":"UUID","roomId":"tea","userId":7,"userName":"7","content":"hi","timestamp":"ISO"}`
	chat.Want(`user_joined {"userId":7,"userName":"7"}`, "message "+said)
	text.Want(`{"type":"user_joined","userId":7,"room":"tea"}`, `{"type":"message","from":7,"content":"hi","timestamp":MS}`)
	watch.Want(`event: user_joined | data: {"userId":7,"userName":"7"}`, `event: message | data: `+said)

	dan := b.Chat(b.Token("dan"))
	dan.Say("join_room", `"tea"`)
	dan.Want(`room_history {"roomId":"tea","messages":[` + said + `]}`)
	w.Settle()
	bob.Want(`{"type":"user_joined","userId":"dan","room":"tea"}`)
	chat.Take()
	text.Take()
	watch.Take()

	bob.Leave()
	w.Settle()
	chat.Want(`user_left {"userId":7,"userName":"7"}`)
	text.Want(`{"type":"user_left","userId":7,"room":"tea"}`)
	watch.Want(`event: user_left | data: {"userId":7,"userName":"7"}`)
}

func TestNotificationOverNodes(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	here, there := a.Proved(a.Notification, "ann"), b.Proved(b.Notification, "ann")
	chat, stream, other := b.Chat(b.Token("ann")), b.UserEvents("ann"), b.Proved(b.Notification, "bob")
	there.Take()
	other.Take()
	here.Take()
	here.Say(`{"type":"event","data":{"a":1}}`)
	w.Settle()
	there.Want(`{"type":"event","data":{"a":1}}`)
	chat.Want(`event {"a":1}`)
	stream.Want(`event: event | data: {"a":1}`)
	testkit.WantNothing(here, other)
}

// Each who joins, on whichever node, while others talk, on whichever node, gets every message once, and those of one
// talker in order.
func TestRoomsJoiningWhileOthersTalkOnOtherNodesLosesAndDoublesNothing(t *testing.T) {
	const nodes, talkers, messages, joiners = 3, 6, 120, 12
	w := testkit.NewTown(t, nodes)
	var wg sync.WaitGroup
	speak, listen := make([]*testkit.Chatter, talkers), make([]*testkit.Chatter, joiners)
	for i := range speak {
		h := w.Houses[i%nodes]
		speak[i] = h.Chat(h.Token(fmt.Sprint("talker", i)))
		speak[i].Say("join_room", `"tea"`)
	}
	for i := range listen {
		h := w.Houses[i%nodes]
		listen[i] = h.Chat(h.Token(fmt.Sprint("listener", i)))
	}
	for i, c := range speak {
		wg.Go(func() {
			for n := range messages {
				c.Say("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i*1000+n))
			}
		})
	}
	for _, c := range listen {
		wg.Go(func() {
			c.Say("join_room", `"milk"`) // another room must not make it forget
			c.Say("join_room", `"tea"`)
			c.Say("join_room", `"water"`)
		})
	}
	wg.Wait()
	w.Settle()
	all, err := w.Houses[0].History.Last(t.Context(), "tea", talkers*messages)
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
func wantOnce(t *testing.T, c *testkit.Chatter, order []string) {
	t.Helper()
	var got []chatMessage
	for _, line := range c.Take() {
		if page, ok := strings.CutPrefix(line, `room_history {"roomId":"tea"`); ok {
			if got != nil {
				t.Errorf("%s: a message came before the history", c.ID())
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
			t.Errorf("%s: message %d of talker %d came after %d", c.ID(), number, talker, n)
		}
		last[talker] = number
		if ids[m.ID] {
			t.Errorf("%s: message %d is doubled", c.ID(), m.Content)
		}
		ids[m.ID] = true
	}
	first := slices.IndexFunc(order, func(id string) bool { return ids[id] })
	if first < 0 {
		first = len(order)
	}
	if n := len(order) - first; n != len(ids) {
		t.Errorf("%s: got %d of the last %d messages", c.ID(), len(ids), n)
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
	h := testkit.New(t, func(o *testkit.Options) { slow.History, o.History = o.History, slow })
	join := func(c *testkit.Chatter, room string) {
		slow.gate <- struct{}{}
		c.Say("join_room", room)
		<-slow.reading
		c.Take()
	}
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	join(ann, `"tea"`)
	join(bob, `"milk"`)
	var wg sync.WaitGroup
	wg.Go(func() { bob.Say("join_room", `"tea"`) })
	<-slow.reading
	ann.Want(`user_joined {"userId":"bob","userName":"Name-bob"}`)
	ann.Say("message", `{"roomId":"tea","content":1}`)
	ann.Say("typing_start", `"tea"`)
	said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":1,"timestamp":"ISO"}`
	ann.Want("message " + said)
	testkit.WantNothing(bob)
	slow.gate <- struct{}{}
	wg.Wait()
	bob.Want(`room_history {"roomId":"tea","messages":[`+said+`]}`, `user_typing {"userId":"ann","userName":"Name-ann"}`)
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
	busy := new(busyHistory)
	h := testkit.New(t, func(o *testkit.Options) { busy.History, o.History = o.History, busy })
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	ann.Say("join_room", `"tea"`)
	busy.say = func() {
		for i := range 500 {
			ann.Say("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i))
		}
	}
	bob.Say("join_room", `"tea"`)
	ann.Say("message", `{"roomId":"tea","content":500}`)
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

// The history that nodes share has a message before the message itself comes from the other node.
func TestRoomsAMessageThatComesLateIsNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewTown(t, 2)
		w.Delay = 300 * time.Millisecond
		a, b := w.Houses[0], w.Houses[1]
		ann, bob := a.Chat(a.Token("ann")), b.Chat(b.Token("bob"))
		ann.Say("join_room", `"tea"`)
		w.Settle()
		ann.Say("message", `{"roomId":"tea","content":1}`)
		bob.Say("join_room", `"tea"`)
		bob.Say("join_room", `"milk"`) // does not make it forget
		said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":1,"timestamp":"ISO"}`
		bob.Want(`room_history {"roomId":"tea","messages":[`+said+`]}`, `room_history {"roomId":"milk","messages":[]}`)
		w.Settle()
		testkit.WantNothing(bob)
		ann.Say("message", `{"roomId":"tea","content":2}`)
		w.Settle()
		bob.Want("message " + strings.Replace(said, `"content":1`, `"content":2`, 1))
		ann.Leave()
		bob.Leave()
	})
}

func TestRoomsSayThatTheyAreAlone(t *testing.T) {
	w := testkit.NewTown(t, 2)
	ann := w.Houses[0].Chat(w.Houses[0].Token("ann"))
	w.Cloud.All()[0].SetAway(true)
	ann.Ask("join_room", `"tea"`)
	ann.Want(`room_history {"roomId":"tea","messages":[]}`, `ack {"ok":true,"partial":true}`)
	ann.Ask("presence", `{"roomId":"tea"}`)
	ann.Want(`ack {"ok":true,"partial":true,"roomId":"tea","users":[{"userId":"ann","userName":"Name-ann","connections":1,"verified":true}],"nameless":0}`)
	ann.Ask("presence", `{"userIds":["bob"]}`)
	ann.Want(`ack {"ok":true,"partial":true,"online":[]}`)
	w.Cloud.All()[0].SetAway(false)
	ann.Ask("leave_room", `"tea"`)
	ann.Want(`ack {"ok":true}`)
}
