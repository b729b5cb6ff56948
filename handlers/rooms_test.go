package handlers

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func wantJSON(t *testing.T, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("not JSON: %q", text)
	}
}

func (h *house) watch(room, token string) *listener {
	h.t.Helper()
	return h.stream(h.doors.Rooms.Watch(), visit(token, map[string]string{"room": room}, nil))
}

func TestRoomsMeetAtEveryDoor(t *testing.T) {
	h := newHouse(t)
	chat, text := h.chat(h.token("ann")), h.ws("")
	watch := h.watch("tea", h.token("cat"))
	wantNothing(watch)
	chat.send("join_room", `"tea"`)
	chat.take()
	watch.want(`event: user_joined | data: {"userId":"ann","userName":"Name-ann"}`)
	text.send(`{"type":"authenticate","userId":7}`)
	text.send(`{"type":"join","room":"tea"}`)
	chat.want(`user_joined {"userId":7,"userName":"7"}`)
	watch.want(`event: user_joined | data: {"userId":7,"userName":"7"}`)

	text.send("{\"type\":\"message\",\"room\":\"tea\",\"content\":{\"a\":\n1}}")
	said := `{"id":"UUID","roomId":"tea","userId":7,"userName":"7","content":{"a":` + "\n" + `1},"timestamp":"ISO"}`
	chat.want("message " + said)
	watch.want(`event: message | data: ` + strings.ReplaceAll(said, "\n", ""))
	wantNothing(text)

	chat.send("message", `{"roomId":"tea","content":"hello"}`)
	text.want(`{"type":"message","from":"ann","content":"hello","timestamp":MS}`)
	watch.want(`event: message | data: {"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":"hello","timestamp":"ISO"}`)
	chat.take()

	chat.send("typing_start", `"tea"`)
	wantNothing(text, watch, chat)
	chat.leave()
	text.want(`{"type":"user_left","userId":"ann","room":"tea"}`)
	text.leave()
	watch.want(`event: user_left | data: {"userId":"ann","userName":"Name-ann"}`, `event: user_left | data: {"userId":7,"userName":"7"}`)

	// What was said at one door is in the history at the other.
	dan := h.chat(h.token("dan"))
	dan.send("join_room", `"tea"`)
	if got := dan.take()[0]; strings.Count(got, `"id":`) != 2 {
		t.Errorf("history of both doors: %s", got)
	}
}

func TestRoomsOfDifferentKindsDoNotMeet(t *testing.T) {
	h := newHouse(t)
	other, _ := h.hub, 0
	lobby := h.guest(func(g *guest) hub.Sink { return textSink{g} })
	for _, kind := range []hub.Kind{hub.KindUser, hub.KindLobby, hub.KindAccount, hub.KindTopic} {
		other.Join(lobby.member, hub.Room{Kind: kind, Name: "tea"})
	}
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"tea"`)
	ann.send("message", `{"roomId":"tea","content":1}`)
	wantNothing(lobby)
}

func TestWatchingARoom(t *testing.T) {
	h := newHouse(t)
	tea := map[string]string{"room": "tea"}
	for name, tc := range map[string]struct {
		token  string
		params map[string]string
		status int
	}{
		"no token":                   {"", tea, 401},
		"a bad token":                {"x", tea, 401},
		"a token of other rooms":     {h.token("ann", rooms("milk")), tea, 403},
		"a token of no room":         {h.token("ann", rooms()), tea, 403},
		"no room":                    {h.token("ann"), nil, 403},
		"one called like an account": {h.token("ann"), map[string]string{"room": "user:ann"}, 403},
		"a token that opens it":      {h.token("ann", rooms("t*")), tea, 0},
		"a token that opens any one": {h.token("ann"), tea, 0},
	} {
		c, err := h.tryStream(h.doors.Rooms.Watch(), visit(tc.token, tc.params, nil))
		if status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
		c.leave()
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		c := h.watch("tea", h.tokenFor(10*time.Second, "ann"))
		time.Sleep(9 * time.Second)
		synctest.Wait()
		c.want(`event: token_expiring | data: {"expiresAt":"ISO"}`)
		time.Sleep(time.Second)
		synctest.Wait()
		c.want("close")
		c.leave()
	})
}

// Each who joins while others talk gets every message once: in the history or after it.
func TestRoomsJoiningWhileOthersTalkLosesAndDoublesNothing(t *testing.T) {
	h := newHouse(t)
	const talkers, messages, joiners = 4, 200, 20
	var wg sync.WaitGroup
	speak := make([]*chatter, talkers)
	for i := range speak {
		speak[i] = h.chat(h.token(fmt.Sprint("talker", i)))
		speak[i].send("join_room", `"tea"`)
	}
	listen := make([]*chatter, joiners)
	for i := range listen {
		listen[i] = h.chat(h.token(fmt.Sprint("listener", i)))
	}
	for _, c := range speak {
		wg.Go(func() {
			for range messages {
				c.send("message", `{"roomId":"tea","content":1}`)
			}
		})
	}
	for _, c := range listen {
		wg.Go(func() { c.send("join_room", `"tea"`) })
	}
	wg.Wait()
	var last []string
	for _, c := range listen {
		var ids []string
		for _, line := range c.take() {
			if page, ok := strings.CutPrefix(line, "room_history "); ok {
				if ids != nil {
					t.Fatal("a message came before the history")
				}
				ids = []string{}
				for _, m := range historyOf(t, page) {
					ids = append(ids, m.ID)
				}
			} else if strings.HasPrefix(line, "message ") {
				ids = append(ids, uuidPattern.FindString(line))
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
	h := newHouse(b)
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"tea"`)
	e := &app.Event{Name: "message", Args: []json.RawMessage{json.RawMessage(`{"roomId":"tea","content":"some words that somebody says"}`)}}
	b.ReportAllocs()
	for b.Loop() {
		ann.session.Event(e)
		ann.lines = ann.lines[:0]
	}
}
