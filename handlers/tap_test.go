package handlers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/app"
)

func TestTapReachesEveryStream(t *testing.T) {
	h := newHouse(t)
	one, two := h.events(), h.events()
	tap := h.text(h.doors.Tap.Text(), "")
	tap.send(`{"connectionId":"17", "message": {"b":1.0,"a":"\u00e4"}}`)
	tap.send(" {\"connectionId\":17,\n\t\"x\":\"a b\"}\r\n")
	tap.leave()
	want := []string{
		`id: RUN-1 | data: {"connectionId":"17", "message": {"b":1.0,"a":"\u00e4"}}`,
		`id: RUN-2 | data: {"connectionId":17,"x":"a b"}`,
		`id: RUN-3 | data: {"close":{"connectionId":17}}`,
	}
	one.want(want...)
	two.want(want...)
	wantNothing(tap)
	late := h.events()
	wantNothing(late)
}

func TestTapCloseOfOneThatNeverSpoke(t *testing.T) {
	h := newHouse(t)
	c := h.events()
	tap := h.text(h.doors.Tap.Text(), "")
	tap.send(`{"connectionId":0}`)
	tap.leave()
	c.want(`id: RUN-1 | data: {"close":{}}`)
}

// Who may come in and then is refused for its origin or a limit never was there: nobody hears of it.
func TestTapIsQuietAboutOneThatNeverCame(t *testing.T) {
	h := newHouse(t)
	c := h.events()
	h.text(h.doors.Tap.Text(), "").leaveWith(app.ReasonNotOpened)
	wantNothing(c)
}

func TestTapConnectionID(t *testing.T) {
	h := newHouse(t)
	c := h.events()
	tap := h.text(h.doors.Tap.Text(), "")
	dropped := 0
	for in, ok := range map[string]bool{
		`{"connectionId":"a"}`: true, `{"connectionId":"0"}`: true, `{"connectionId":" "}`: true, `{"connectionId":1}`: true,
		`{"connectionId":-0.5}`: true, `{"connectionId":1e999}`: true, `{"connectionId":true}`: true, `{"connectionId":{}}`: true,
		`{"connectionId":0,"connectionId":1}`: true, `{"connection\u0049d":1}`: true,
		`{"connectionId":""}`: false, `{"connectionId":0}`: false, `{"connectionId":-0}`: false, `{"connectionId":0.0e5}`: false,
		`{"connectionId":1e-999}`: false, `{"connectionId":null}`: false, `{"connectionId":false}`: false, `{}`: false, `[]`: false,
		`null`: false, `1`: false, `"connectionId"`: false, `{"connectionId":1`: false, ``: false, `{"a":{"connectionId":1}}`: false,
		`{"connectionId":1,"connectionId":0}`: false, `{"connectionId":"` + strings.Repeat("x", 2000) + `"}`: false,
	} {
		tap.send(in)
		if got := len(c.take()); (got == 1) != ok {
			t.Errorf("%.60s: %d messages, want it to go on: %v", in, got, ok)
		}
		if !ok {
			dropped++
		}
	}
	if n := h.doors.Stats().TapDropped; n != uint64(dropped) {
		t.Errorf("TapDropped = %d, want %d", n, dropped)
	}
}

func TestTapReplay(t *testing.T) {
	h := newHouse(t)
	first := h.events()
	tap := h.text(h.doors.Tap.Text(), "")
	for i := 1; i <= 3; i++ {
		tap.send(fmt.Sprintf(`{"connectionId":%d}`, i))
	}
	lines := first.take()
	id := func(i int) string {
		id, _, _ := strings.Cut(strings.TrimPrefix(lines[i], "id: "), " ")
		return id
	}
	run, _, _ := strings.Cut(id(0), "-")
	for name, tc := range map[string]struct {
		last string
		want int
	}{
		"nothing said":             {"", 0},
		"the first":                {id(0), 2},
		"the last":                 {id(2), 0},
		"all missed":               {run + "-0", 3},
		"an earlier process":       {"1-77", 3},
		"a process of the future":  {"zzzzzzzzz-1", 0},
		"a number of the future":   {run + "-99", 0},
		"a number beyond 64 bits":  {run + "-99999999999999999999", 0},
		"not an id of ours":        {"5", 0},
		"nothing that makes sense": {"-", 0},
	} {
		c := h.stream(h.doors.Events.All(), visit("", nil, map[string]string{"Last-Event-ID": tc.last}))
		got := c.take()[1:]
		if len(got) != tc.want || strings.Join(got, "\n") != strings.Join(lines[3-tc.want:], "\n") {
			t.Errorf("%s: %d messages are replayed, want %d", name, len(got), tc.want)
		}
	}
}

func TestTapReplayIsBounded(t *testing.T) {
	h := newHouse(t)
	tap := h.text(h.doors.Tap.Text(), "")
	count := func() int {
		c := h.stream(h.doors.Events.All(), visit("", nil, map[string]string{"Last-Event-ID": "1-1"}))
		defer c.leave()
		return len(c.take()) - 1
	}
	for range 1000 {
		tap.send(`{"connectionId":1}`)
	}
	if n := count(); n != replayMessages {
		t.Errorf("%d messages are kept, want %d", n, replayMessages)
	}
	large := `{"connectionId":1,"x":"` + strings.Repeat("x", replayBytes/4) + `"}`
	for range 10 {
		tap.send(large)
	}
	if n := count(); n != 3 {
		t.Errorf("%d large messages are kept, want 3", n)
	}
	tap.send(`{"connectionId":1,"x":"` + strings.Repeat("x", replayBytes) + `"}`)
	if n := count(); n != 0 {
		t.Errorf("%d messages are kept, want none: the newest is beyond the bound", n)
	}
}

func TestTapAndEventsWhereTokensAreRequired(t *testing.T) {
	h := newHouse(t, requireAuth)
	for name, tc := range map[string]struct {
		token  string
		status int
	}{
		"no token":              {"", 401},
		"a bad token":           {"x", 401},
		"a token without scope": {h.token("ann"), 403},
		"another scope":         {h.token("ann", scope("taps tapped")), 403},
		"the scope":             {h.token("ann", scope("read tap")), 0},
	} {
		c, err := h.tryText(h.doors.Tap.Text(), tc.token)
		if status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("/tap, %s: %v, want %d", name, err, tc.status)
		}
		c.leave()
		e, err := h.tryStream(h.doors.Events.All(), visit(tc.token, nil, nil))
		if status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("/events, %s: %v, want %d", name, err, tc.status)
		}
		e.leave()
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, requireAuth)
		token := h.tokenFor(time.Minute, "ann", scope("tap"))
		tap := h.text(h.doors.Tap.Text(), token)
		c := h.stream(h.doors.Events.All(), visit(token, nil, nil))
		c.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		tap.want("close 1008 token expired")
		c.want(`event: token_expiring | data: {"expiresAt":"ISO"}`, "close")
		tap.leave()
		c.leave()
	})
}

func FuzzTap(f *testing.F) {
	for _, seed := range []string{`{"connectionId":1}`, "{\"connectionId\":\"a\",\n\"x\":[1,\r\n2]}", `{"connectionId":0}`, `{`, "\xff"} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	c := h.events()
	tap := h.text(h.doors.Tap.Text(), "")
	f.Fuzz(func(t *testing.T, data []byte) {
		tap.session.Text(data)
		for _, record := range c.take() {
			lines := strings.Split(record, " | ")
			if strings.Contains(string(data), " | ") {
				continue // looks like a line break, and is none
			}
			if len(lines) != 2 || strings.ContainsAny(record, "\r\n") {
				t.Fatalf("a record of other lines: %q", record)
			}
			if !json.Valid([]byte(strings.TrimPrefix(lines[1], "data: "))) {
				t.Fatalf("data is no JSON: %q", record)
			}
		}
	})
}
