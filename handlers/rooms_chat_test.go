package handlers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
	"signalbox/server/hub"
)

func TestChatAsksForAToken(t *testing.T) {
	h := newHouse(t)
	good := h.token("ann")
	for name, tc := range map[string]struct {
		auth, header string
		ok           bool
	}{
		"a good token":                        {`{"token":"` + good + `"}`, "", true},
		"a good token in Authorization":       {`{}`, "Bearer " + good, true},
		"none":                                {`{}`, "", false},
		"an empty one":                        {`{"token":""}`, "", false},
		"a number":                            {`{"token":5}`, "Bearer " + good, false},
		"an object":                           {`{"token":{"a":1}}`, "", false},
		"a changed signature":                 {`{"token":"` + good[:len(good)-6] + `AAAAAA"}`, "", false},
		"alg none":                            {`{"token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ."}`, "", false},
		"no object at all":                    {`null`, "", false},
		"an Authorization of another scheme":  {`{}`, "Basic " + good, false},
		"a bad token, a good one in a header": {`{"token":"x"}`, "Bearer " + good, false},
	} {
		c, err := h.tryChat(tc.auth, tc.header)
		if tc.ok != (err == nil) {
			t.Errorf("%s: Connect = %v, want good: %v", name, err, tc.ok)
		}
		if err != nil && err.Error() != "Authentication failed" {
			t.Errorf("%s: the client is told %q", name, err)
		}
		c.leave()
	}
	if n := h.doors.Stats().Unauthorized; n != 9 {
		t.Errorf("Unauthorized = %d, want 9", n)
	}
	if c := h.hub.Counts(); len(c) != 0 {
		t.Errorf("rooms left behind: %v", c)
	}
}

func TestChatJoinMessageLeave(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
	ann.send("join_room", `"tea"`)
	ann.want(`room_history {"roomId":"tea","messages":[]}`)
	bob.ask("join_room", `"tea"`)
	bob.want(`room_history {"roomId":"tea","messages":[]}`, `ack {"ok":true}`)
	ann.want(`user_joined {"userId":"bob","userName":"Name-bob"}`)

	ann.send("message", `{"roomId":"tea","content":"hi","userId":"mallory","userName":"Mallory"}`)
	said := `{"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","content":"hi","timestamp":"ISO"}`
	ann.want("message " + said)
	bob.want("message " + said)

	cat := h.chat(h.token("cat"))
	cat.send("join_room", `"tea"`)
	cat.want(`room_history {"roomId":"tea","messages":[` + said + `]}`)
	ann.want(`user_joined {"userId":"cat","userName":"Name-cat"}`)
	bob.want(`user_joined {"userId":"cat","userName":"Name-cat"}`)

	bob.ask("leave_room", `"tea"`)
	bob.want(`ack {"ok":true}`)
	cat.want(`user_left {"userId":"bob","userName":"Name-bob"}`)
	ann.want(`user_left {"userId":"bob","userName":"Name-bob"}`)
	ann.leave()
	cat.want(`user_left {"userId":"ann","userName":"Name-ann"}`)
	wantNothing(bob)
}

// What a server without kinds has for the account 42 is called so.
func TestNobodyJoinsARoomThatIsCalledLikeAnAccount(t *testing.T) {
	h := newHouse(t)
	ann := h.chat(h.token("42"))
	ann.ask("join_room", `"user:42"`)
	ann.want(`error {"message":"Access denied"}`, `ack {"ok":false,"error":"Access denied"}`)
	guest := h.ws("")
	guest.send(`{"type":"join","room":"user:42"}`)
	guest.want(`{"type":"error","message":"Access denied","room":"user:42"}`)
	if n := h.hub.Count(roomAddress("user:42")); n != 0 {
		t.Errorf("%d are in the room", n)
	}
}

func TestChatJoiningAgainTellsNobodyAndGivesTheHistory(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
	ann.send("join_room", `"tea"`)
	bob.send("join_room", `"tea"`)
	ann.take()
	bob.take()
	bob.send("join_room", `"tea"`)
	bob.want(`room_history {"roomId":"tea","messages":[]}`)
	wantNothing(ann)
}

func TestChatRefusals(t *testing.T) {
	h := newHouse(t)
	stranger := h.chat(h.token("stranger"))
	stranger.send("join_room", `"team-a"`)
	stranger.send("join_room", `"other"`)
	stranger.take()
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
		"a renewal as somebody else":       {"renew", []string{`{"token":"` + h.token("mallory") + `"}`}, "Authentication failed"},
	} {
		t.Run(name, func(t *testing.T) {
			ann := h.chat(h.token("ann", rooms("team-*")))
			defer ann.leave()
			ann.ask(tc.event, tc.args...)
			ann.want(`error {"message":"`+tc.error+`"}`, `ack {"ok":false,"error":"`+tc.error+`"}`)
			ann.send(tc.event, tc.args...)
			ann.want(`error {"message":"` + tc.error + `"}`)
			wantNothing(stranger)
		})
	}
	ann := h.chat(h.token("ann"))
	ann.ask("whatever", `1`)
	ann.want(`ack {"ok":false,"error":"Unknown event"}`)
	ann.session.Event(&app.Event{Name: "message", Args: []json.RawMessage{json.RawMessage(`{"roomId":"other"}`)}, Attachments: [][]byte{{1}}})
	ann.want(`error {"message":"Binary content is not supported"}`)
}

func TestChatRoomClaims(t *testing.T) {
	h := newHouse(t)
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
		c := h.chat(h.token("u", rooms(tc.claim...)))
		if tc.claim == nil {
			c = h.chat(h.token("u"))
		}
		c.ask("join_room", string(jsonText(tc.room)))
		got := c.take()
		if ok := got[len(got)-1] == `ack {"ok":true}`; ok != tc.ok {
			t.Errorf("%s: joined: %v, want %v", name, ok, tc.ok)
		}
	}
}

func TestChatTyping(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
	for _, c := range []*chatter{ann, bob} {
		c.send("join_room", `"tea"`)
	}
	ann.take()
	bob.take()
	ann.ask("typing_start", `"tea"`)
	ann.want(`ack {"ok":true}`)
	bob.want(`user_typing {"userId":"ann","userName":"Name-ann"}`)
	ann.ask("typing_stop", `"tea"`)
	ann.want(`ack {"ok":true}`)
	bob.want(`user_stopped_typing {"userId":"ann"}`)
	ann.send("typing_stop", `"tea"`) // nobody thinks that she is
	wantNothing(ann, bob)
	ann.send("typing_start", `"tea"`)
	bob.take()
	ann.leave()
	bob.want(`user_stopped_typing {"userId":"ann"}`, `user_left {"userId":"ann","userName":"Name-ann"}`)
	bob.send("typing_start", `"tea"`)
	bob.send("leave_room", `"tea"`)
	wantNothing(bob)
}

func TestChatContentStaysAsItCame(t *testing.T) {
	h := newHouse(t)
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"t\u0065a"`)
	ann.take()
	ann.send("message", `{"content":1, "roomId":"x", "roomId":"t\u0065a","content":{"b":1.0, "a":"\ud800<"}}`)
	ann.want(`message {"id":"UUID","roomId":"t\u0065a","userId":"ann","userName":"Name-ann","content":{"b":1.0, "a":"\ud800<"},"timestamp":"ISO"}`)
	ann.send("message", `{"roomId":"tea"}`)
	ann.want(`message {"id":"UUID","roomId":"tea","userId":"ann","userName":"Name-ann","timestamp":"ISO"}`)
	ann.send("join_room", `"tea"`)
	got := strings.Join(ann.take(), "")
	if !strings.Contains(got, `"content":{"b":1.0, "a":"\ud800<"}`) {
		t.Errorf("the history has another content: %s", got)
	}
}

func TestChatHistoryHoldsTheLastFiftyOldestFirst(t *testing.T) {
	h := newHouse(t)
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"tea"`)
	for i := range 120 {
		ann.send("message", fmt.Sprintf(`{"roomId":"tea","content":%d}`, i))
	}
	ann.take()
	bob := h.chat(h.token("bob"))
	bob.send("join_room", `"tea"`)
	page := historyOf(t, strings.TrimPrefix(bob.take()[0], "room_history "))
	wantContents(t, page, 70, 120)

	ask := func(args string) string {
		bob.ask("room_history_before", args)
		got := bob.take()
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
	wantContents(t, historyOf(t, ask(fmt.Sprintf(`{"roomId":"tea","before":"%s","limit":3}`, soon.UTC().Format(isoLayout)))), 117, 120)
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
	h := newHouse(t)
	ann := h.chat(h.token("ann"))
	ann.send("join_room", `"tea"`)
	long := strings.Repeat("x", maxPageBytes/3)
	for i := range 5 {
		ann.send("message", fmt.Sprintf(`{"roomId":"tea","content":"%d%s"}`, i, long))
	}
	ann.send("message", `{"roomId":"tea","content":"5`+strings.Repeat("x", 2*maxPageBytes)+`"}`)
	ann.take()
	bob := h.chat(h.token("bob"))
	bob.send("join_room", `"tea"`)
	text := strings.TrimPrefix(bob.take()[0], "room_history ")
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
			bob.ask("room_history_before", `{"roomId":"tea","limit":200,"before":"`+page.Messages[0].ID+`"}`)
			text = strings.TrimPrefix(bob.take()[0], "ack ")
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
	h := newHouse(t)
	h.hub.MaxRoomsPerMember = 3 // the account and the broadcast are two
	ann := h.chat(h.token("ann"))
	ann.ask("join_room", `"1"`)
	ann.take()
	ann.ask("join_room", `"2"`)
	ann.want(`error {"message":"Too many rooms"}`, `ack {"ok":false,"error":"Too many rooms"}`)
}

func TestChatEndsWithTheTokenUnlessRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ann, bob := h.chat(h.tokenFor(10*time.Minute, "ann")), h.chat(h.tokenFor(10*time.Minute, "bob", rooms("tea", "milk")))
		bob.send("join_room", `"tea"`)
		bob.send("join_room", `"milk"`)
		bob.take()
		ann.send("join_room", `"tea"`)
		ann.take()
		bob.take()
		time.Sleep(10*time.Minute - 31*time.Second)
		synctest.Wait()
		wantNothing(ann, bob)
		time.Sleep(time.Second)
		synctest.Wait()
		ann.want(`token_expiring {"expiresAt":"ISO"}`)
		bob.want(`token_expiring {"expiresAt":"ISO"}`)
		bob.ask("renew", `{"token":"`+h.tokenFor(time.Hour, "bob", rooms("tea"))+`"}`)
		bob.want(`ack {"ok":true,"expiresAt":"ISO","left":["milk"]}`)
		if h.hub.Count(hub.Room{Kind: hub.KindRoom, Name: "milk"}) != 0 {
			t.Error("bob stays in a room that the newer token does not open")
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		ann.want("disconnect false")
		ann.leave()
		bob.want(`user_left {"userId":"ann","userName":"Name-ann"}`)
		bob.leave() // the timer of the lease ends
		if s := h.doors.Stats(); s.Expired != 1 || s.Renewed != 1 {
			t.Errorf("Expired = %d, Renewed = %d, want 1 and 1", s.Expired, s.Renewed)
		}
	})
}

func TestChatShutdownTellsNobody(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.chat(h.token("ann")), h.chat(h.token("bob"))
	ann.send("join_room", `"tea"`)
	bob.send("join_room", `"tea"`)
	ann.take()
	bob.take()
	bob.leaveWith(reasonShutdown)
	wantNothing(ann)
}
