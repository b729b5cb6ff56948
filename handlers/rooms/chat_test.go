package rooms_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/rooms"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

func TestChatAsksForAToken(t *testing.T) {
	h := testkit.New(t)
	good := h.Token("ann")
	for name, tc := range map[string]struct {
		auth, header string
		ok           bool
	}{
		"a good token":                        {`{"token":"` + good + `"}`, "", true},
		"a good token in Authorization":       {`{}`, "Bearer " + good, true},
		"none":                                {`{}`, "", false},
		"an empty one":                        {`{"token":""}`, "", false},
		"a number":                            {`{"token":5}`, "Bearer " + good, false},
		"in another case":                     {`{"Token":"` + good + `"}`, "", false},
		"in another case beside none":         {`{"token":"x","TOKEN":"` + good + `"}`, "", false},
		"an object":                           {`{"token":{"a":1}}`, "", false},
		"a changed signature":                 {`{"token":"` + good[:len(good)-6] + `AAAAAA"}`, "", false},
		"alg none":                            {`{"token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ."}`, "", false},
		"no object at all":                    {`null`, "", false},
		"an Authorization of another scheme":  {`{}`, "Basic " + good, false},
		"a bad token, a good one in a header": {`{"token":"x"}`, "Bearer " + good, false},
	} {
		c, err := h.TryChat(tc.auth, tc.header)
		if tc.ok != (err == nil) {
			t.Errorf("%s: Connect = %v, want good: %v", name, err, tc.ok)
		}
		if err != nil && err.Error() != "Authentication failed" {
			t.Errorf("%s: the client is told %q", name, err)
		}
		c.Leave()
	}
	if n := h.Gate.Stats().Unauthorized.Load(); n != 11 {
		t.Errorf("Unauthorized = %d, want 11", n)
	}
	if c := h.Hub.Counts(); len(c) != 0 {
		t.Errorf("rooms left behind: %v", c)
	}
}

func TestChatJoinMessageLeave(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	ann.Say("join_room", `"tea"`)
	ann.Want(`room_history {"roomId":"tea","messages":[]}`)
	bob.Ask("join_room", `"tea"`)
	bob.Want(`room_history {"roomId":"tea","messages":[]}`, `ack {"ok":true}`)
	ann.Want(`user_joined {"userId":"bob","userName":"Name-bob"}`)

	ann.Say("message", `{"roomId":"tea","content":"hi","userId":"mallory","userName":"Mallory"}`)
	said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":"hi","timestamp":"ISO"}`
	ann.Want("message " + said)
	bob.Want("message " + said)

	cat := h.Chat(h.Token("cat"))
	cat.Say("join_room", `"tea"`)
	cat.Want(`room_history {"roomId":"tea","messages":[` + said + `]}`)
	ann.Want(`user_joined {"userId":"cat","userName":"Name-cat"}`)
	bob.Want(`user_joined {"userId":"cat","userName":"Name-cat"}`)

	bob.Ask("leave_room", `"tea"`)
	bob.Want(`ack {"ok":true}`)
	cat.Want(`user_left {"userId":"bob","userName":"Name-bob"}`)
	ann.Want(`user_left {"userId":"bob","userName":"Name-bob"}`)
	ann.Leave()
	cat.Want(`user_left {"userId":"ann","userName":"Name-ann"}`)
	testkit.WantNothing(bob)
}

// What a server without kinds has for the account 42 is called so.
func TestNobodyJoinsARoomThatIsCalledLikeAnAccount(t *testing.T) {
	h := testkit.New(t)
	ann := h.Chat(h.Token("42"))
	ann.Ask("join_room", `"user:42"`)
	ann.Want(`error {"message":"Access denied"}`, `ack {"ok":false,"error":"Access denied"}`)
	guest := h.WS("")
	guest.Say(`{"type":"join","room":"user:42"}`)
	guest.Want(`{"type":"error","message":"Access denied","room":"user:42"}`)
	if n := h.Hub.Count(hub.Room{Kind: hub.KindRoom, Name: "user:42"}); n != 0 {
		t.Errorf("%d are in the room", n)
	}
}

func TestChatJoiningAgainTellsNobodyAndGivesTheHistory(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	ann.Say("join_room", `"tea"`)
	bob.Say("join_room", `"tea"`)
	ann.Take()
	bob.Take()
	bob.Say("join_room", `"tea"`)
	bob.Want(`room_history {"roomId":"tea","messages":[]}`)
	testkit.WantNothing(ann)
}

func TestChatRefusals(t *testing.T) {
	h := testkit.New(t)
	stranger := h.Chat(h.Token("stranger"))
	stranger.Say("join_room", `"team-a"`)
	stranger.Say("join_room", `"other"`)
	stranger.Take()
	for name, tc := range map[string]struct {
		event string
		args  []string
		error string
	}{
		"a room the token does not open":   {"join_room", []string{`"other"`}, "Access denied"},
		"a room that is a number":          {"join_room", []string{`5`}, "Invalid room"},
		"a room that is an array":          {"join_room", []string{`["team-a"]`}, "Invalid room"},
		"a room that is null":              {"join_room", []string{`null`}, "Invalid room"},
		"a room without a name":            {"join_room", []string{`""`}, "Invalid room"},
		"no room":                          {"join_room", nil, "Invalid room"},
		"a room with a very long name":     {"join_room", []string{`"team-` + strings.Repeat("x", 600) + `"`}, "Invalid room"},
		"leaving where one is not":         {"leave_room", []string{`"team-a"`}, "Not in this room"},
		"a message where one is not":       {"message", []string{`{"roomId":"team-a","content":"x"}`}, "Not in this room"},
		"a message to an array":            {"message", []string{`{"roomId":["team-a"],"content":"x"}`}, "Invalid room"},
		"a message without a room":         {"message", []string{`{"content":"x"}`}, "Invalid room"},
		"a message that is text":           {"message", []string{`"x"`}, "Invalid message"},
		"a message that is null":           {"message", []string{`null`}, "Invalid message"},
		"a message without data":           {"message", nil, "Invalid message"},
		"typing where one is not":          {"typing_start", []string{`"team-a"`}, "Not in this room"},
		"typing in an array":               {"typing_start", []string{`["team-a"]`}, "Invalid room"},
		"no more typing where one is not":  {"typing_stop", []string{`"team-a"`}, "Not in this room"},
		"older messages where one is not":  {"room_history_before", []string{`{"roomId":"team-a"}`}, "Not in this room"},
		"who is in a room one may not see": {"presence", []string{`{"roomId":"other"}`}, "Access denied"},
		"a renewal without a token":        {"renew", nil, "Authentication failed"},
		"a renewal with a bad token":       {"renew", []string{`{"token":"x"}`}, "Authentication failed"},
		"a renewal as somebody else":       {"renew", []string{`{"token":"` + h.Token("mallory") + `"}`}, "Authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			ann := h.Chat(h.Token("ann", testkit.OnlyRooms("team-*")))
			defer ann.Leave()
			ann.Ask(tc.event, tc.args...)
			ann.Want(`error {"message":"`+tc.error+`"}`, `ack {"ok":false,"error":"`+tc.error+`"}`)
			ann.Say(tc.event, tc.args...)
			ann.Want(`error {"message":"` + tc.error + `"}`)
			testkit.WantNothing(stranger)
		})
	}
	ann := h.Chat(h.Token("ann"))
	ann.Ask("whatever", `1`)
	ann.Want(`ack {"ok":false,"error":"Unknown event"}`)
	ann.Session.Event(&app.Event{Name: "message", Args: []json.RawMessage{json.RawMessage(`{"roomId":"other"}`)}, Attachments: [][]byte{{1}}})
	ann.Want(`error {"message":"Binary content is not supported"}`)
}

func TestChatRoomClaims(t *testing.T) {
	h := testkit.New(t)
	for name, tc := range map[string]struct {
		claim []string
		room  string
		ok    bool
	}{
		"no claim":          {nil, "any", true},
		"an empty claim":    {[]string{}, "any", false},
		"the name":          {[]string{"a", "b"}, "b", true},
		"another name":      {[]string{"a"}, "ab", false},
		"a prefix":          {[]string{"team-*"}, "team-x", true},
		"the prefix itself": {[]string{"team-*"}, "team-", true},
		"another prefix":    {[]string{"team-*"}, "teax", false},
		"everything":        {[]string{"*"}, "any", true},
		"by case":           {[]string{"Team"}, "team", false},
	} {
		c := h.Chat(h.Token("u", testkit.OnlyRooms(tc.claim...)))
		if tc.claim == nil {
			c = h.Chat(h.Token("u"))
		}
		c.Ask("join_room", string(rawjson.String(tc.room)))
		got := c.Take()
		if ok := got[len(got)-1] == `ack {"ok":true}`; ok != tc.ok {
			t.Errorf("%s: joined: %v, want %v", name, ok, tc.ok)
		}
	}
}

func TestChatTyping(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	for _, c := range []*testkit.Chatter{ann, bob} {
		c.Say("join_room", `"tea"`)
	}
	ann.Take()
	bob.Take()
	ann.Ask("typing_start", `"tea"`)
	ann.Want(`ack {"ok":true}`)
	bob.Want(`user_typing {"userId":"ann","userName":"Name-ann"}`)
	ann.Ask("typing_stop", `"tea"`)
	ann.Want(`ack {"ok":true}`)
	bob.Want(`user_stopped_typing {"userId":"ann"}`)
	ann.Say("typing_stop", `"tea"`) // nobody thinks that she is
	testkit.WantNothing(ann, bob)
	ann.Say("typing_start", `"tea"`)
	bob.Take()
	ann.Leave()
	bob.Want(`user_stopped_typing {"userId":"ann"}`, `user_left {"userId":"ann","userName":"Name-ann"}`)
	bob.Say("typing_start", `"tea"`)
	bob.Say("leave_room", `"tea"`)
	testkit.WantNothing(bob)
}

func TestChatContentStaysAsItCame(t *testing.T) {
	h := testkit.New(t)
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"t\u0065a"`)
	ann.Take()
	ann.Say("message", `{"content":1, "roomId":"x", "roomId":"t\u0065a","content":{"b":1.0, "a":"\ud800<"}}`)
	ann.Want(`message {"id":"UUID","roomId":"t\u0065a","userId":"ann","userName":"Name-ann","content":{"b":1.0, "a":"\ud800<"},"timestamp":"ISO"}`)
	ann.Say("message", `{"roomId":"tea"}`)
	ann.Want(`message {"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","timestamp":"ISO"}`)
	ann.Say("join_room", `"tea"`)
	got := strings.Join(ann.Take(), "")
	if !strings.Contains(got, `"content":{"b":1.0, "a":"\ud800<"}`) {
		t.Errorf("the history has another content: %s", got)
	}
}

func TestChatHistoryHoldsTheLastFiftyOldestFirst(t *testing.T) {
	h := testkit.New(t)
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"tea"`)
	for i := range 120 {
		ann.Say("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i))
	}
	ann.Take()
	bob := h.Chat(h.Token("bob"))
	bob.Say("join_room", `"tea"`)
	page := historyOf(t, strings.TrimPrefix(bob.Take()[0], "room_history "))
	wantContents(t, page, 70, 120)

	ask := func(args string) string {
		bob.Ask("room_history_before", args)
		got := bob.Take()
		answer, ok := strings.CutPrefix(got[len(got)-1], "ack ")
		if !ok {
			t.Fatalf("no answer to %s: %q", args, got)
		}
		return answer
	}
	older := historyOf(t, ask(`{"roomId":"tea","before":"`+page[0].ID+`","limit":20}`))
	wantContents(t, older, 50, 70)
	wantContents(t, historyOf(t, ask(`{"roomId":"tea","before":"`+older[0].ID+`"}`)), 0, 50)
	wantContents(t, historyOf(t, ask(`{"roomId":"tea"}`)), 70, 120)
	wantContents(t, historyOf(t, ask(`{"roomId":"tea","limit":100000}`)), 0, 120)
	soon := time.Now().Add(time.Hour)
	wantContents(t, historyOf(t, ask(fmt.Sprintf(`{"roomId":"tea","before":%d,"limit":3}`, soon.UnixMilli()))), 117, 120)
	wantContents(t, historyOf(t, ask(fmt.Sprintf(`{"roomId":"tea","before":"%s","limit":3}`, soon.UTC().Format("2006-01-02T15:04:05.000Z")))), 117, 120)
	for _, bad := range []string{
		`{"roomId":"tea","before":"nobody"}`, `{"roomId":"tea","before":""}`, `{"roomId":"tea","before":{}}`,
		`{"roomId":"tea","before":true}`, `{"roomId":"tea","before":-1}`,
	} {
		if got := ask(bad); got != `{"ok":false,"error":"Unknown message"}` {
			t.Errorf("%s: %s", bad, got)
		}
	}
	for _, bad := range []string{
		`{"roomId":"tea","limit":0}`, `{"roomId":"tea","limit":1.5}`, `{"roomId":"tea","limit":"5"}`, `[]`,
	} {
		if got := ask(bad); got != `{"ok":false,"error":"Invalid message"}` {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

type chatMessage struct {
	ID      string
	Content int
}

// A room full of long messages must not fill the outbox of everybody who joins it.
func TestChatPagesOfLongMessagesAreShort(t *testing.T) {
	h := testkit.New(t)
	ann := h.Chat(h.Token("ann"))
	ann.Say("join_room", `"tea"`)
	long := strings.Repeat("x", rooms.MaxPageBytes/3)
	for i := range 5 {
		ann.Say("message", fmt.Sprintf(`{"roomId":"tea","content":"%d%s"}`, i, long))
	}
	ann.Say("message", `{"roomId":"tea","content":"5`+strings.Repeat("x", 2*rooms.MaxPageBytes)+`"}`)
	ann.Take()
	bob := h.Chat(h.Token("bob"))
	bob.Say("join_room", `"tea"`)
	text := strings.TrimPrefix(bob.Take()[0], "room_history ")
	// One that is longer than a page is a page by itself; of the others two are in each.
	for _, want := range []string{"5", "34", "12", "0", ""} {
		var page struct {
			Messages []struct{ ID, Content string }
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range page.Messages {
			got += m.Content[:1]
		}
		if got != want {
			t.Fatalf("a page has the messages %q, want %q", got, want)
		}
		if len(page.Messages) > 0 {
			bob.Ask("room_history_before", `{"roomId":"tea","limit":200,"before":"`+page.Messages[0].ID+`"}`)
			text = strings.TrimPrefix(bob.Take()[0], "ack ")
		}
	}
}

func historyOf(t *testing.T, text string) []chatMessage {
	t.Helper()
	var h struct{ Messages []chatMessage }
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return h.Messages
}

func wantContents(t *testing.T, got []chatMessage, from, to int) {
	t.Helper()
	if len(got) != to-from {
		t.Fatalf("got %d messages, want %d to %d", len(got), from, to)
	}
	for i := range got {
		if got[i].Content != from+i {
			t.Fatalf("message %d is %d, want %d", i, got[i].Content, from+i)
		}
	}
}

func TestChatTooManyRooms(t *testing.T) {
	h := testkit.New(t)
	h.Hub.MaxRoomsPerMember = 3 // the account and the broadcast are two
	ann := h.Chat(h.Token("ann"))
	ann.Ask("join_room", `"1"`)
	ann.Take()
	ann.Ask("join_room", `"2"`)
	ann.Want(`error {"message":"Too many rooms"}`, `ack {"ok":false,"error":"Too many rooms"}`)
}

func TestChatEndsWithTheTokenUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t)
		ann, bob := h.Chat(h.TokenFor(10*time.Minute, "ann")), h.Chat(h.TokenFor(10*time.Minute, "bob", testkit.OnlyRooms("tea", "milk")))
		bob.Say("join_room", `"tea"`)
		bob.Say("join_room", `"milk"`)
		bob.Take()
		ann.Say("join_room", `"tea"`)
		ann.Take()
		bob.Take()
		time.Sleep(10*time.Minute - 31*time.Second)
		synctest.Wait()
		testkit.WantNothing(ann, bob)
		time.Sleep(time.Second)
		synctest.Wait()
		ann.Want(`token_expiring {"expiresAt":"ISO"}`)
		bob.Want(`token_expiring {"expiresAt":"ISO"}`)
		bob.Ask("renew", `{"token":"`+h.TokenFor(time.Hour, "bob", testkit.OnlyRooms("tea"))+`"}`)
		bob.Want(`ack {"ok":true,"expiresAt":"ISO","left":["milk"]}`)
		if h.Hub.Count(hub.Room{Kind: hub.KindRoom, Name: "milk"}) != 0 {
			t.Error("bob stays in a room that the newer token does not open")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.Want("disconnect false")
		ann.Leave()
		bob.Want(`user_left {"userId":"ann","userName":"Name-ann"}`)
		bob.Leave() // the timer of the lease ends
		if s := h.Gate.Stats(); s.Expired.Load() != 1 || s.Renewed.Load() != 1 {
			t.Errorf("Expired = %d, Renewed = %d, want 1 and 1", s.Expired.Load(), s.Renewed.Load())
		}
	})
}

func TestChatShutdownTellsNobody(t *testing.T) {
	h := testkit.New(t)
	ann, bob := h.Chat(h.Token("ann")), h.Chat(h.Token("bob"))
	ann.Say("join_room", `"tea"`)
	bob.Say("join_room", `"tea"`)
	ann.Take()
	bob.Take()
	bob.LeaveWith(app.ReasonShutdown)
	testkit.WantNothing(ann)
}

// TestCostlyEventsWeigh: what costs commands of Redis counts as more than a message.
func TestCostlyEventsWeigh(t *testing.T) {
	h := testkit.New(t)
	c := h.Text(h.Rooms.Text(), "")
	c.Say(`{"type":"join","room":"tea"}`)
	c.Say(`{"type":"message","room":"tea","content":1}`)
	c.Say(`{"type":"leave","room":"tea"}`)
	c.Say(`{"type":"renew","token":"x"}`)
	if c.Charged != 3*app.WeightCostly {
		t.Errorf("a join, a message, a leave and a renewal cost %v, want %d", c.Charged, 3*app.WeightCostly)
	}
}
