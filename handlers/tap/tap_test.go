package tap_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/tap"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

func TestTapReachesEveryStream(t *testing.T) {
	h := testkit.New(t)
	one, two := h.Events(), h.Events()
	in := h.Text(h.Tap.Text(), "")
	in.Say(`{"connectionId":"17", "message": {"b":1.0,"a":"\u00e4"}}`)
	in.Say(" {\"connectionId\":17,\n\t\"x\":\"a b\"}\r\n")
	in.Leave()
	want := []string{
		`id: RUN-1 | data: {"connectionId":"17", "message": {"b":1.0,"a":"\u00e4"}}`,
		`id: RUN-2 | data: {"connectionId":17,"x":"a b"}`,
		`id: RUN-3 | data: {"close":{"connectionId":17}}`,
	}
	one.Want(want...)
	two.Want(want...)
	testkit.WantNothing(in)
	late := h.Events()
	testkit.WantNothing(late)
}

func TestTapCloseOfOneThatNeverSpoke(t *testing.T) {
	h := testkit.New(t)
	c := h.Events()
	in := h.Text(h.Tap.Text(), "")
	in.Say(`{"connectionId":0}`)
	in.Leave()
	c.Want(`id: RUN-1 | data: {"close":{}}`)
}

// Who may come in and then is refused for its origin or a limit never was there: nobody hears of it.
func TestTapIsQuietAboutOneThatNeverCame(t *testing.T) {
	h := testkit.New(t)
	c := h.Events()
	h.Text(h.Tap.Text(), "").LeaveWith(app.ReasonNotOpened)
	testkit.WantNothing(c)
}

func TestTapConnectionID(t *testing.T) {
	h := testkit.New(t)
	c := h.Events()
	in := h.Text(h.Tap.Text(), "")
	dropped := 0
	for frame, ok := range map[string]bool{
		`{"connectionId":"a"}`: true, `{"connectionId":"0"}`: true, `{"connectionId":" "}`: true, `{"connectionId":1}`: true,
		`{"connectionId":-0.5}`: true, `{"connectionId":1e999}`: true, `{"connectionId":true}`: true, `{"connectionId":{}}`: true,
		`{"connectionId":0,"connectionId":1}`: true, `{"connection\u0049d":1}`: true,
		`{"connectionId":""}`: false, `{"connectionId":0}`: false, `{"connectionId":-0}`: false, `{"connectionId":0.0e5}`: false,
		`{"connectionId":1e-999}`: false, `{"connectionId":null}`: false, `{"connectionId":false}`: false, `{}`: false, `[]`: false,
		`null`: false, `1`: false, `"connectionId"`: false, `{"connectionId":1`: false, ``: false, `{"a":{"connectionId":1}}`: false,
		`{"connectionId":1,"connectionId":0}`: false, `{"connectionId":"` + strings.Repeat("x", 2000) + `"}`: false,
	} {
		in.Say(frame)
		if got := len(c.Take()); (got == 1) != ok {
			t.Errorf("%.60s: %d messages, want it to go on: %v", frame, got, ok)
		}
		if !ok {
			dropped++
		}
	}
	if n := h.Tap.Stats().Dropped.Load(); n != uint64(dropped) {
		t.Errorf("TapDropped = %d, want %d", n, dropped)
	}
}

// TestNewConnectionIDsCost: each is a leave notice taken back and one written, which are commands of Redis.
func TestNewConnectionIDsCost(t *testing.T) {
	h := testkit.New(t)
	in := h.Text(h.Tap.Text(), "")
	for _, id := range []string{"a", "a", "b", "b", "b"} {
		in.Say(`{"connectionId":"` + id + `"}`)
	}
	if in.Charged != 2*app.WeightCostly {
		t.Errorf("two ids cost %v, want %d", in.Charged, 2*app.WeightCostly)
	}
}

func TestTapReplay(t *testing.T) {
	h := testkit.New(t)
	first := h.Events()
	in := h.Text(h.Tap.Text(), "")
	for i := 1; i <= 3; i++ {
		in.Say(fmt.Sprintf(`{"connectionId":%d}`, i))
	}
	lines := first.Take()
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
		c := h.Stream(h.Tap.Stream(), testkit.Visit("", nil, map[string]string{"Last-Event-ID": tc.last}))
		got := c.Take()[1:]
		if len(got) != tc.want || strings.Join(got, "\n") != strings.Join(lines[3-tc.want:], "\n") {
			t.Errorf("%s: %d messages are replayed, want %d", name, len(got), tc.want)
		}
	}
}

func TestTapReplayIsBounded(t *testing.T) {
	h := testkit.New(t)
	in := h.Text(h.Tap.Text(), "")
	count := func() int {
		c := h.Stream(h.Tap.Stream(), testkit.Visit("", nil, map[string]string{"Last-Event-ID": "1-1"}))
		defer c.Leave()
		return len(c.Take()) - 1
	}
	for range 1000 {
		in.Say(`{"connectionId":1}`)
	}
	if n := count(); n != tap.ReplayMessages {
		t.Errorf("%d messages are kept, want %d", n, tap.ReplayMessages)
	}
	large := `{"connectionId":1,"x":"` + strings.Repeat("x", tap.ReplayBytes/4) + `"}`
	for range 10 {
		in.Say(large)
	}
	if n := count(); n != 3 {
		t.Errorf("%d large messages are kept, want 3", n)
	}
	in.Say(`{"connectionId":1,"x":"` + strings.Repeat("x", tap.ReplayBytes) + `"}`)
	if n := count(); n != 0 {
		t.Errorf("%d messages are kept, want none: the newest is beyond the bound", n)
	}
}

func TestTapAndEventsWhereTokensAreRequired(t *testing.T) {
	h := testkit.New(t, testkit.RequireAuth)
	for name, tc := range map[string]struct {
		token  string
		status int
	}{
		"no token":              {"", 401},
		"a bad token":           {"x", 401},
		"a token without scope": {h.Token("ann"), 403},
		"another scope":         {h.Token("ann", testkit.Scope("taps tapped")), 403},
		"the scope":             {h.Token("ann", testkit.Scope("read tap")), 0},
	} {
		c, err := h.TryText(h.Tap.Text(), tc.token)
		if testkit.Status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("/tap, %s: %v, want %d", name, err, tc.status)
		}
		c.Leave()
		e, err := h.TryStream(h.Tap.Stream(), testkit.Visit(tc.token, nil, nil))
		if testkit.Status(err) != tc.status || (tc.status == 0) != (err == nil) {
			t.Errorf("/events, %s: %v, want %d", name, err, tc.status)
		}
		e.Leave()
	}
	synctest.Test(t, func(t *testing.T) {
		h := testkit.New(t, testkit.RequireAuth)
		token := h.TokenFor(time.Minute, "ann", testkit.Scope("tap"))
		in := h.Text(h.Tap.Text(), token)
		c := h.Stream(h.Tap.Stream(), testkit.Visit(token, nil, nil))
		c.Take()
		time.Sleep(time.Minute)
		synctest.Wait()
		in.Want("close 1008 token expired")
		c.Want(`event: token_expiring | data: {"expiresAt":"ISO"}`, "close")
		in.Leave()
		c.Leave()
	})
}

func FuzzTap(f *testing.F) {
	for _, seed := range []string{`{"connectionId":1}`, "{\"connectionId\":\"a\",\n\"x\":[1,\r\n2]}", `{"connectionId":0}`, `{`, "\xff"} {
		f.Add([]byte(seed))
	}
	h := testkit.New(f)
	c := h.Events()
	in := h.Text(h.Tap.Text(), "")
	f.Fuzz(func(t *testing.T, data []byte) {
		in.Session.Text(data)
		for _, record := range c.Take() {
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
