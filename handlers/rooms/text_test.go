package rooms_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/store"
)

func TestTextEveryRow(t *testing.T) {
	h := testkit.New(t)
	ann, bob, out := h.WS(""), h.WS(""), h.WS("")
	ann.Say(`{"type":"join","room":"tea"}`)
	testkit.WantNothing(ann)
	bob.Say(`{"type":"join","room":"tea"}`)
	ann.Want(`{"type":"user_joined","room":"tea"}`)
	ann.Say(`{"type":"authenticate","userId":42}`)
	bob.Say(`{"type":"authenticate","userId":"42"}`)
	testkit.WantNothing(ann, bob)
	ann.Say(`{"type":"message","room":"tea","content":"hi"}`)
	bob.Want(`{"type":"message","from":42,"content":"hi","timestamp":MS}`)
	bob.Say(`{"type":"message","room":"tea","content":{"a": [1.0]}}`)
	ann.Want(`{"type":"message","from":"42","content":{"a": [1.0]},"timestamp":MS}`)
	ann.Say(`{"type":"ping"}`)
	ann.Want(`{"type":"pong"}`)
	bob.Say(`{"type":"leave","room":"tea"}`)
	ann.Want(`{"type":"user_left","userId":"42","room":"tea"}`)
	bob.Say(`{"type":"join","room":"tea"}`)
	bob.Say(`{"type":"join","room":"milk"}`)
	out.Say(`{"type":"join","room":"milk"}`)
	ann.Take()
	bob.Take()
	bob.Leave()
	ann.Want(`{"type":"user_left","userId":"42","room":"tea"}`)
	out.Want(`{"type":"user_left","userId":"42","room":"milk"}`)
	if n := h.Rooms.Stats().Ignored.Load(); n != 0 {
		t.Errorf("TextIgnored = %d, want 0", n)
	}
}

// A guest who floods rooms does not push out what others have said: no more of it is kept than its share.
func TestTextOneSenderDoesNotPushOutWhatOthersSaid(t *testing.T) {
	limits := store.HistoryLimits{RoomMessages: 100, RoomBytes: 1 << 20, Messages: 800, Bytes: 1 << 20}
	history, err := store.NewMemoryHistory(limits)
	if err != nil {
		t.Fatal(err)
	}
	h := testkit.New(t, func(o *testkit.Options) { o.History, o.Limits = history, limits })
	ann, mallory := h.Chat(h.Token("ann")), h.WS("")
	ann.Say("join_room", `"tea"`)
	ann.Say("message", `{"roomId":"tea","content":"what was said before"}`)
	for i := range 23 {
		room := fmt.Sprint("flood ", i)
		mallory.Say(`{"type":"join","room":"` + room + `"}`)
		for range 100 {
			mallory.Say(`{"type":"message","room":"` + room + `","content":"x"}`)
		}
	}
	if got, err := history.Last(t.Context(), "tea", 10); err != nil || len(got) != 1 {
		t.Errorf("the room has %d messages, %v, want the one that was said", len(got), err)
	}
	if s := h.Rooms.Stats(); s.NotKept.Load() != 2200 || s.Messages.Load() != 2301 {
		t.Errorf("%d of %d messages not kept, want 2200 of 2301", s.NotKept.Load(), s.Messages.Load())
	}
}

func TestTextBeforeAuthenticate(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.WS(""), h.WS("")
	ann.Say(`{"type":"join","room":"tea"}`)
	bob.Say(`{"type":"join","room":"tea"}`)
	bob.Say(`{"type":"message","room":"tea","content":null}`)
	bob.Say(`{"type":"message","room":"tea"}`)
	bob.Leave()
	ann.Want(`{"type":"user_joined","room":"tea"}`, `{"type":"message","content":null,"timestamp":MS}`,
		`{"type":"message","timestamp":MS}`, `{"type":"user_left","room":"tea"}`)
}

func TestTextIgnoresWhatItDoesNotKnow(t *testing.T) {
	h := testkit.New(t)
	ann := h.WS("")
	odd := []string{
		``, `{`, `null`, `5`, `"ping"`, `["ping"]`, `{}`, `{"type":null}`, `{"type":5}`, `{"type":["ping"]}`, `{"type":"jump"}`,
		`{"type":"ping"}x`, "\xef\xbb\xbf" + `{"type":"ping"}`, strings.Repeat("[", 100_000),
	}
	for _, text := range odd {
		ann.Say(text)
	}
	testkit.WantNothing(ann)
	if n := h.Rooms.Stats().Ignored.Load(); n != uint64(len(odd)) {
		t.Errorf("TextIgnored = %d, want %d", n, len(odd))
	}
	ann.Say(`{"type":"ping","type":"p\u0069ng"}`)
	ann.Want(`{"type":"pong"}`)
}

func TestTextRefusals(t *testing.T) {
	h := testkit.New(t)
	out := h.WS("")
	out.Say(`{"type":"join","room":"tea"}`)
	for in, want := range map[string]string{
		`{"type":"join","room":5}`:                                            `{"type":"error","message":"Invalid room","room":5}`,
		`{"type":"join","room":["tea"]}`:                                      `{"type":"error","message":"Invalid room","room":["tea"]}`,
		`{"type":"join"}`:                                                     `{"type":"error","message":"Invalid room"}`,
		`{"type":"message","room":"tea","content":"x"}`:                       `{"type":"error","message":"Not in this room","room":"tea"}`,
		`{"type":"leave","room":"tea"}`:                                       `{"type":"error","message":"Not in this room","room":"tea"}`,
		`{"type":"join","room":"` + strings.Repeat("x", 600) + `"}`:           `{"type":"error","message":"Invalid room"}`,
		`{"type":"authenticate","userId":{"a":1}}`:                            `{"type":"error","message":"Invalid userId"}`,
		`{"type":"authenticate","userId":[1]}`:                                `{"type":"error","message":"Invalid userId"}`,
		`{"type":"authenticate","userId":"` + strings.Repeat("x", 600) + `"}`: `{"type":"error","message":"Invalid userId"}`,
		`{"type":"renew","token":"` + h.Token("ann") + `"}`:                   `{"type":"error","message":"Authentication failed"}`,
	} {
		ann := h.WS("")
		ann.Say(in)
		ann.Want(want)
	}
	testkit.WantNothing(out)
}

func TestTextWithAToken(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.WS(h.Token("ann", testkit.OnlyRooms("tea"))), h.WS("")
	bob.Say(`{"type":"join","room":"tea"}`)
	ann.Say(`{"type":"join","room":"milk"}`)
	ann.Want(`{"type":"error","message":"Access denied","room":"milk"}`)
	ann.Say(`{"type":"authenticate","userId":"mallory"}`)
	ann.Want(`{"type":"error","message":"The token says who you are"}`)
	ann.Say(`{"type":"authenticate","userId":"ann"}`) // as a client that does not know better
	ann.Say(`{"type":"join","room":"tea"}`)
	testkit.WantNothing(ann)
	ann.Say(`{"type":"message","room":"tea","content":1,"from":"mallory"}`)
	bob.Want(`{"type":"user_joined","userId":"ann","room":"tea"}`, `{"type":"message","from":"ann","content":1,"timestamp":MS}`)

	for name, token := range map[string]string{"a bad token": "x", "an expired one": testkit.Expired()} {
		if _, err := h.TryText(h.Rooms.Text(), token); testkit.Status(err) != 401 {
			t.Errorf("%s: %v, want 401", name, err)
		}
	}
}

func TestTextWhereTokensAreRequired(t *testing.T) {
	h := testkit.New(t, testkit.RequireAuth)
	if _, err := h.TryText(h.Rooms.Text(), ""); testkit.Status(err) != 401 {
		t.Errorf("no token: %v, want 401", err)
	}
	h.WS(h.Token("ann"))
}

func TestTextEndsWithTheTokenUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		ann, bob := h.WS(h.TokenFor(10*time.Minute, "ann")), h.WS(h.TokenFor(10*time.Minute, "bob"))
		time.Sleep(10*time.Minute - 30*time.Second)
		synctest.Wait()
		ann.Want(`{"type":"token_expiring","expiresAt":"ISO"}`)
		bob.Take()
		bob.Say(`{"type":"renew","token":"` + h.TokenFor(time.Hour, "bob") + `"}`)
		bob.Want(`{"type":"renewed","ok":true,"expiresAt":"ISO"}`)
		bob.Say(`{"type":"renew","token":"` + h.Token("ann") + `"}`)
		bob.Want(`{"type":"error","message":"Authentication failed"}`)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.Want("close 1008 token expired")
		testkit.WantNothing(bob)
		ann.Leave()
		bob.Leave()
	})
}

func FuzzTextMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","room":"tea"}`, `{"type":"message","room":"tea","content":{"a":[1]}}`, `{"type":"authenticate","userId":1}`,
		`null`, `[`, `{"type":"leave","room":"\ud800"}`, `{"type":"renew","token":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	h := testkit.New(f)
	ann, bob := h.WS(""), h.WS("")
	bob.Say(`{"type":"join","room":"tea"}`)
	f.Fuzz(func(t *testing.T, data []byte) {
		ann.Session.Text(data)
		for _, line := range append(ann.Take(), bob.Take()...) {
			wantJSON(t, line)
		}
	})
}
