package rooms_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/store"
)

func wantJSON(t *testing.T, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("not JSON: %q", text)
	}
}

func TestRoomsMeetAtEveryDoor(t *testing.T) {
	h := testkit.New(t)
	chat, text := h.Chat(h.Token("ann")), h.WS("")
	watch := h.Watch("tea", h.Token("cat"))
	testkit.WantNothing(watch)
	chat.Say("join_room", `"tea"`)
	chat.Take()
	watch.Want(`event: user_joined | data: {"userId":"ann","userName":"Name-ann"}`)
	text.Say(`{"type":"authenticate","userId":7}`)
	text.Say(`{"type":"join","room":"tea"}`)
	chat.Want(`user_joined {"userId":7,"userName":"7"}`)
	watch.Want(`event: user_joined | data: {"userId":7,"userName":"7"}`)

	text.Say("{\"type\":\"message\",\"room\":\"tea\",\"content\":{\"a\":\n1}}")
	said := `{"id":"UUID","roomId":"tea","userId":7,"userName":"7","content":{"a":` + "\n" + `1},"timestamp":"ISO"}`
	chat.Want("message " + said)
	watch.Want(`event: message | data: ` + strings.ReplaceAll(said, "\n", ""))
	testkit.WantNothing(text)

	chat.Say("message", `{"roomId":"tea","content":"hello"}`)
	text.Want(`{"type":"message","from":"ann","content":"hello","timestamp":MS}`)
	watch.Want(`event: message | data: {"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":"hello","timestamp":"ISO"}`)
	chat.Take()

	chat.Say("typing_start", `"tea"`)
	testkit.WantNothing(text, watch, chat)
	chat.Leave()
	text.Want(`{"type":"user_left","userId":"ann","room":"tea"}`)
	text.Leave()
	watch.Want(`event: user_left | data: {"userId":"ann","userName":"Name-ann"}`, `event: user_left | data: {"userId":7,"userName":"7"}`)

	// What was said at one door is in the history at the other.
	dan := h.Chat(h.Token("dan"))
	dan.Say("join_room", `"tea"`)
	if got := dan.Take()[0]; strings.Count(got, `"id":`) != 2 {
		t.Errorf("history of both doors: %s", got)
	}
}

func TestRoomsOfDifferentKindsDoNotMeet(t *testing.T) {
	h := testkit.New(t)
	other := h.Hub
	lobby := h.WS("")
	for _, kind := range []hub.Kind{hub.KindUser, hub.KindLobby, hub.KindAccount, hub.KindTopic} {
		other.Join(lobby.Member(), hub.Room{Kind: kind, Name: "tea"})
	}
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"tea"`)
	ann.Say("message", `{"roomId":"tea","content":1}`)
	testkit.WantNothing(lobby)
}

func TestWatchingARoom(t *testing.T) {
	h := testkit.New(t)
	tea := map[string]string{"room": "tea"}
	for name, tc := range map[string]struct {
		token  string
		params map[string]string
		status int
	}{
		"no token":                   {"", tea, 401},
		"a bad token":                {"x", tea, 401},
		"a token of other rooms":     {h.Token("ann", testkit.OnlyRooms("milk")), tea, 403},
		"a token of no room":         {h.Token("ann", testkit.OnlyRooms()), tea, 403},
		"no room":                    {h.Token("ann"), nil, 403},
		"one called like an account": {h.Token("ann"), map[string]string{"room": "user:ann"}, 403},
		"a long name":                {h.Token("ann"), map[string]string{"room": strings.Repeat("x", 511)}, 403},
		"the longest name":           {h.Token("ann"), map[string]string{"room": strings.Repeat("x", 510)}, 0},
		"a token that opens it":      {h.Token("ann", testkit.OnlyRooms("t*")), tea, 0},
		"a token that opens any one": {h.Token("ann"), tea, 0},
	} {
		c, err := h.TryStream(h.Rooms.Watch(), testkit.Visit(tc.token, tc.params, nil))
		if testkit.Status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
		c.Leave()
	}
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		c := h.Watch("tea", h.TokenFor(10*time.Second, "ann"))
		time.Sleep(9 * time.Second)
		synctest.Wait()
		c.Want(`event: token_expiring | data: {"expiresAt":"ISO"}`)
		time.Sleep(time.Second)
		synctest.Wait()
		c.Want("close")
		c.Leave()
	})
}

// Each who joins while others talk gets every message once: in the history or after it.
func TestRoomsJoiningWhileOthersTalkLosesAndDoublesNothing(t *testing.T) {
	h := testkit.New(t)
	const talkers, messages, joiners = 4, 200, 20
	var wg sync.WaitGroup
	speak := make([]*testkit.Chatter, talkers)
	for i := range speak {
		speak[i] = h.Chat(h.Token(fmt.Sprint("talker", i)))
		speak[i].Say("join_room", `"tea"`)
	}
	listen := make([]*testkit.Chatter, joiners)
	for i := range listen {
		listen[i] = h.Chat(h.Token(fmt.Sprint("listener", i)))
	}
	for _, c := range speak {
		wg.Go(func() {
			for range messages {
				c.Say("message", `{"roomId":"tea","content":1}`)
			}
		})
	}
	for _, c := range listen {
		wg.Go(func() { c.Say("join_room", `"tea"`) })
	}
	wg.Wait()
	var last []string
	for _, c := range listen {
		var ids []string
		for _, line := range c.Take() {
			if page, ok := strings.CutPrefix(line, "room_history "); ok {
				if ids != nil {
					t.Fatal("a message came before the history")
				}
				ids = []string{}
				for _, m := range historyOf(t, page) {
					ids = append(ids, m.ID)
				}
			} else if strings.HasPrefix(line, "message ") {
				ids = append(ids, testkit.UuidPattern.FindString(line))
			}
		}
		unique := slices.Compact(slices.Sorted(slices.Values(ids)))
		if len(unique) != len(ids) {
			t.Errorf("%d messages are doubled", len(ids)-len(unique))
		}
		if last != nil && !slices.Equal(tail(ids, 50), tail(last, 50)) {
			t.Error("two who were there saw different ends")
		}
		last = ids
	}
}

func tail(s []string, n int) []string { return s[max(0, len(s)-n):] }

func BenchmarkRoomsMessage(b *testing.B) {
	h := testkit.New(b)
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"tea"`)
	e := &app.Event{Name: "message", Args: []json.RawMessage{json.RawMessage(`{"roomId":"tea","content":"some words that somebody says"}`)}}
	b.ReportAllocs()
	for b.Loop() {
		ann.Session.Event(e)
		ann.Lines = ann.Lines[:0]
	}
}

// Each message can fail; the log is not to grow with them.
func TestFailuresOfTheHistoryAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := testkit.New(t, func(o *testkit.Options) {
			var err error
			if o.History, err = store.NewMemoryHistory(store.HistoryLimits{RoomBytes: 1000}); err != nil {
				t.Fatal(err)
			}
			o.Log = slog.New(slog.NewTextHandler(&out, nil))
		})
		c := h.WS("")
		c.Say(`{"type":"join","room":"tea"}`)
		long := `{"type":"message","room":"tea","content":"` + strings.Repeat("x", 2000) + `"}`
		for range 500 {
			c.Say(long)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 || h.Rooms.Stats().HistoryErrors.Load() != 500 {
			t.Errorf("%d lines for %d failures, want one for 500: %s", n, h.Rooms.Stats().HistoryErrors.Load(), out.String())
		}
		time.Sleep(time.Minute)
		c.Say(long)
		c.Say(long)
		if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), "failures=500\n") {
			t.Errorf("%d lines after a minute, want two, the second with 500 failures: %s", n, out.String())
		}
		c.Leave()
	})
}
