package handlers

import (
	"errors"
	"slices"
	"testing"
)

func TestPublishGoesWhereTheTableSays(t *testing.T) {
	type doors struct{ chat, ws, events, user, room, notification, demo bool }
	h := newHouse(t)
	chat, ws := h.chat(h.token("ann")), h.ws("")
	events, user, room := h.events(), h.userEvents("ann"), h.watch("tea", h.token("ann"))
	other := h.userEvents("bob")
	notification := h.proved(h.doors.Notification, "ann")
	demo := h.proved(h.doors.Demo, "ann")
	chat.send("join_room", `"tea"`)
	ws.send(`{"type":"join","room":"tea"}`)
	for _, g := range []*guest{chat.guest, ws.guest, room.guest} {
		g.take()
	}
	for channel, to := range map[string]doors{
		"update":    {events: true},
		"broadcast": {chat: true, user: true, notification: true},
		"user:ann":  {chat: true, user: true, notification: true},
		"room:tea":  {chat: true, ws: true, room: true},
		"room:ann":  {},
		"user:tea":  {},
	} {
		payload := `{"type":"news","data":{"n": 1.0}}`
		n, complete, err := h.doors.Publisher.Publish(t.Context(), channel, []byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		want := 0
		check := func(g *guest, gets bool, line string) {
			t.Helper()
			if gets {
				want++
				g.want(line)
			} else {
				g.want()
			}
		}
		check(chat.guest, to.chat, `news {"n": 1.0}`)
		check(ws.guest, to.ws, payload)
		check(events.guest, to.events, "event: update | data: "+payload)
		check(user.guest, to.user, `event: news | data: {"n": 1.0}`)
		check(other.guest, channel == "broadcast", `event: news | data: {"n": 1.0}`)
		check(room.guest, to.room, `event: news | data: {"n": 1.0}`)
		check(notification.guest, to.notification, payload)
		check(demo.guest, to.demo, payload)
		if n != want || !complete {
			t.Errorf("Publish(%s) = %d, %v, want %d, true", channel, n, complete, want)
		}
	}
}

func TestPublishForms(t *testing.T) {
	h := newHouse(t)
	user := h.userEvents("ann")
	events := h.events()
	publish := func(channel, payload string) error {
		_, _, err := h.doors.Publisher.Publish(t.Context(), channel, []byte(payload))
		return err
	}
	for name, tc := range map[string]struct {
		channel, payload string
		err              error
		line             string
	}{
		"data of any kind":            {"user:ann", `{"type":"a","data":[1]}`, nil, `event: a | data: [1]`},
		"null data":                   {"user:ann", `{"type":"a","data":null}`, nil, `event: a | data: null`},
		"no data: the whole":          {"user:ann", `{"type":"message","content":"Hello!"}`, nil, `event: message | data: {"type":"message","content":"Hello!"}`},
		"line breaks":                 {"user:ann", "{\"type\":\"a\",\n\"data\":{\"b\":\r\n1}}", nil, `event: a | data: {"b":1}`},
		"an escaped type":             {"user:ann", `{"type":"\u0061","data":1}`, nil, `event: a | data: 1`},
		"no type":                     {"user:ann", `{"data":1}`, ErrType, ""},
		"an empty type":               {"user:ann", `{"type":"","data":1}`, ErrType, ""},
		"a type that is a number":     {"user:ann", `{"type":5,"data":1}`, ErrType, ""},
		"a type with a line break":    {"user:ann", `{"type":"a\ndata: x","data":1}`, ErrType, ""},
		"half a character":            {"user:ann", `{"type":"\ud800","data":1}`, ErrType, ""},
		"a type of Socket.IO's own":   {"user:ann", `{"type":"disconnect","data":1}`, ErrType, ""},
		"no object":                   {"user:ann", `[1]`, ErrType, ""},
		"bad JSON":                    {"user:ann", `{"type":"a"`, ErrPayload, ""},
		"nothing":                     {"user:ann", ``, ErrPayload, ""},
		"no UTF-8":                    {"user:ann", "{\"type\":\"a\",\"data\":\"\xff\"}", ErrPayload, ""},
		"a channel nobody knows":      {"notifications", `{"type":"a"}`, ErrChannel, ""},
		"a user without an id":        {"user:", `{"type":"a"}`, ErrChannel, ""},
		"a kind of channel of ours":   {"tap:x", `{"type":"a"}`, ErrChannel, ""},
		"a channel with a wrong case": {"User:ann", `{"type":"a"}`, ErrChannel, ""},
	} {
		if err := publish(tc.channel, tc.payload); !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		if tc.line == "" {
			wantNothing(user)
		} else {
			user.want(tc.line)
		}
	}
	if err := publish("update", `[1]`); err != nil {
		t.Errorf("anything may be published on update: %v", err)
	}
	events.want("event: update | data: [1]")
}

func TestSubscribe(t *testing.T) {
	h := newHouse(t)
	var got []string
	cancel := h.doors.Publisher.Subscribe("room:*", func(channel string, payload []byte) { got = append(got, channel+" "+string(payload)) })
	for _, channel := range []string{"room:1", "user:1", "room:a:b", "broadcast"} {
		if _, _, err := h.doors.Publisher.Publish(t.Context(), channel, []byte(`{"type":"a"}`)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	cancel()
	_, _, _ = h.doors.Publisher.Publish(t.Context(), "room:1", []byte(`{"type":"late"}`))
	if want := []string{`room:1 {"type":"a"}`, `room:a:b {"type":"a"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, tc := range []struct {
		pattern, name string
		fits          bool
	}{
		{"room:*", "room:", true}, {"*", "", true}, {"a*b*c", "abc", true}, {"a*b*c", "a-b-b-c", true}, {"a*b*c", "acb", false},
		{"a*a", "a", false}, {"a*a", "aa", true}, {"update", "update", true}, {"update", "updates", false}, {"", "", true}, {"", "a", false},
		{"*b", "ab", true}, {"*b", "ba", false}, {"**", "x", true},
	} {
		if fits(tc.pattern, tc.name) != tc.fits {
			t.Errorf("fits(%q, %q) = %v", tc.pattern, tc.name, !tc.fits)
		}
	}
}

func FuzzPublish(f *testing.F) {
	for _, seed := range []string{`{"type":"a","data":1}`, `{"type":"a"}`, "{\"type\":\"a\",\n\"data\":[\r1]}", `{"type":"a\n"}`, `[`} {
		f.Add([]byte(seed))
	}
	h := newHouse(f)
	user, note := h.userEvents("ann"), h.proved(h.doors.Notification, "ann")
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, _, err := h.doors.Publisher.Publish(t.Context(), "user:ann", payload)
		if (err == nil) != (n == 2) {
			t.Fatalf("Publish = %d, %v", n, err)
		}
		user.take()
		for _, line := range note.take() {
			wantJSON(t, line)
		}
	})
}
