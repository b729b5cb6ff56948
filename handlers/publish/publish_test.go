package publish_test

import (
	"encoding/json"
	"errors"
	"testing"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

func TestPublishGoesWhereTheTableSays(t *testing.T) {
	type doors struct{ chat, ws, events, user, room, notification, demo bool }
	h := testkit.New(t)
	chat, ws := h.Chat(h.Token("ann")), h.WS("")
	events, user, room := h.Events(), h.UserEvents("ann"), h.Watch("tea", h.Token("ann"))
	other := h.UserEvents("bob")
	notification := h.Proved(h.Notification, "ann")
	demo := h.Proved(h.Demo, "ann")
	chat.Say("join_room", `"tea"`)
	ws.Say(`{"type":"join","room":"tea"}`)
	for _, g := range []*testkit.Guest{chat.Guest, ws.Guest, room.Guest} {
		g.Take()
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
		n, _, complete, err := h.Publisher.Publish(t.Context(), channel, []byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		want := 0
		check := func(g *testkit.Guest, gets bool, line string) {
			t.Helper()
			if gets {
				want++
				g.Want(line)
			} else {
				g.Want()
			}
		}
		check(chat.Guest, to.chat, `news {"n": 1.0}`)
		check(ws.Guest, to.ws, payload)
		check(events.Guest, to.events, "event: update | data: "+payload)
		check(user.Guest, to.user, `event: news | data: {"n": 1.0}`)
		check(other.Guest, channel == "broadcast", `event: news | data: {"n": 1.0}`)
		check(room.Guest, to.room, `event: news | data: {"n": 1.0}`)
		check(notification.Guest, to.notification, payload)
		check(demo.Guest, to.demo, payload)
		if n != want || !complete {
			t.Errorf("Publish(%s) = %d, %v, want %d, true", channel, n, complete, want)
		}
	}
}

func TestPublishForms(t *testing.T) {
	h := testkit.New(t)
	user := h.UserEvents("ann")
	events := h.Events()
	publish := func(channel, payload string) error {
		_, _, _, err := h.Publisher.Publish(t.Context(), channel, []byte(payload))
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
		"no type":                     {"user:ann", `{"data":1}`, app.ErrMessage, ""},
		"an empty type":               {"user:ann", `{"type":"","data":1}`, app.ErrMessage, ""},
		"a type that is a number":     {"user:ann", `{"type":5,"data":1}`, app.ErrMessage, ""},
		"a type with a line break":    {"user:ann", `{"type":"a\ndata: x","data":1}`, app.ErrMessage, ""},
		"half a character":            {"user:ann", `{"type":"\ud800","data":1}`, app.ErrMessage, ""},
		"a type of Socket.IO's own":   {"user:ann", `{"type":"disconnect","data":1}`, app.ErrMessage, ""},
		"no object":                   {"user:ann", `[1]`, app.ErrMessage, ""},
		"bad JSON":                    {"user:ann", `{"type":"a"`, app.ErrMessage, ""},
		"nothing":                     {"user:ann", ``, app.ErrMessage, ""},
		"no UTF-8":                    {"user:ann", "{\"type\":\"a\",\"data\":\"\xff\"}", app.ErrMessage, ""},
		"a channel nobody knows":      {"notifications", `{"type":"a"}`, app.ErrChannel, ""},
		"a user without an id":        {"user:", `{"type":"a"}`, app.ErrChannel, ""},
		"a kind of channel of ours":   {"tap:x", `{"type":"a"}`, app.ErrChannel, ""},
		"a channel with a wrong case": {"User:ann", `{"type":"a"}`, app.ErrChannel, ""},
	} {
		if err := publish(tc.channel, tc.payload); !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: %v, want %v", name, err, tc.err)
		}
		if tc.line == "" {
			testkit.WantNothing(user)
		} else {
			user.Want(tc.line)
		}
	}
	if err := publish("update", `[1]`); err != nil {
		t.Errorf("anything may be published on update: %v", err)
	}
	events.Want("event: update | data: [1]")
}

func FuzzPublish(f *testing.F) {
	for _, seed := range []string{`{"type":"a","data":1}`, `{"type":"a"}`, "{\"type\":\"a\",\n\"data\":[\r1]}", `{"type":"a\n"}`, `[`} {
		f.Add([]byte(seed))
	}
	h := testkit.New(f)
	user, note := h.UserEvents("ann"), h.Proved(h.Notification, "ann")
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, _, _, err := h.Publisher.Publish(t.Context(), "user:ann", payload)
		if (err == nil) != (n == 2) {
			t.Fatalf("Publish = %d, %v", n, err)
		}
		user.Take()
		for _, line := range note.Take() {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %q", line)
			}
		}
	})
}
