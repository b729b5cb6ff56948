package handlers

import (
	"context"
	"slices"
	"strings"
	"testing"

	"signalbox/server/hub"
)

func TestPresenceOverNodes(t *testing.T) {
	w := newTown(t, 3)
	a, b, c := w.houses[0], w.houses[1], w.houses[2]
	chat, note, stream := a.chat(a.token("ann")), b.proved(b.doors.Notification, "ann"), c.userEvents("ann")
	chat.send("join_room", `"tea"`)
	broker := c.chat(c.token("broker"))
	c.hub.Join(broker.member, hub.Room{Kind: hub.KindUser, Name: "ann"})
	for i, h := range w.houses {
		var got []string
		for _, p := range h.online("ann") {
			got = append(got, p.Door+" "+strings.Join(p.Rooms, ","))
			if p.Verified != (p.Door != DoorBroker) || (p.Since == nil) != (p.Door == DoorBroker) || p.ClientID == "" {
				t.Errorf("node %d: place %+v", i, p)
			}
		}
		if want := "broker ;chat tea;events ;notification "; strings.Join(got, ";") != want {
			t.Errorf("node %d: Online = %q, want %q", i, strings.Join(got, ";"), want)
		}
		online, complete := h.doors.Presence.AreOnline(t.Context(), []string{"bob", "ann", "broker", ""})
		if !complete || !slices.Equal(online, []bool{false, true, true, false}) {
			t.Errorf("node %d: AreOnline = %v, %v", i, online, complete)
		}
	}
	n, complete := b.doors.Presence.Disconnect(t.Context(), "ann", true)
	if n != 3 || !complete {
		t.Errorf("Disconnect = %d, %v, want 3: the sink of the fake broker socket cannot be told", n, complete)
	}
	for _, g := range []*guest{chat.guest, note.guest, stream.guest} {
		if !g.Closed() {
			t.Errorf("%s is still there", g.id)
		}
	}
	chat.want(`room_history {"roomId":"tea","messages":[]}`, "disconnect true")
}

func TestPresenceOfARoomOverNodes(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	b.watch("tea", b.token("cat"))
	for _, c := range []*chatter{a.chat(a.token("ann")), b.chat(b.token("ann")), b.chat(b.token("bob"))} {
		c.send("join_room", `"tea"`)
	}
	for _, userID := range []string{`5`, `"5"`, `null`, `"<"`} {
		c := b.ws("")
		c.send(`{"type":"authenticate","userId":` + userID + `}`)
		c.send(`{"type":"join","room":"tea"}`)
	}
	a.ws("").send(`{"type":"join","room":"tea"}`)
	same := a.ws("")
	same.send(`{"type":"authenticate","userId":"<"}`)
	same.send(`{"type":"join","room":"tea"}`)
	for i, h := range w.houses {
		users, nameless, complete := h.doors.Presence.RoomUsers(t.Context(), "tea")
		var got []string
		for _, u := range users {
			got = append(got, string(compactJSON(u)))
		}
		want := []string{
			`{"userId":"5","userName":"5","connections":1,"verified":false}`,
			`{"userId":"<","userName":"<","connections":2,"verified":false}`,
			`{"userId":"ann","userName":"Name-ann","connections":2,"verified":true}`,
			`{"userId":"bob","userName":"Name-bob","connections":1,"verified":true}`,
			`{"userId":5,"userName":"5","connections":1,"verified":false}`,
			`{"userId":null,"userName":"null","connections":1,"verified":false}`,
		}
		if !slices.Equal(got, want) || nameless != 1 || !complete {
			t.Errorf("node %d: RoomUsers =\n\t%s, %d nameless, %v", i, strings.Join(got, "\n\t"), nameless, complete)
		}
	}
}

// A question about text that is no UTF-8 must not become one about somebody else.
func TestPresenceTakesIDsAsTheyAre(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	odd, room := b.ws(""), `"\ud800"`
	odd.send(`{"type":"authenticate","userId":1}`)
	odd.send(`{"type":"join","room":` + room + `}`)
	name, _ := stringValue([]byte(room))
	for _, name := range []string{name, "\ufffd"} {
		users, _, _ := a.doors.Presence.RoomUsers(t.Context(), name)
		if want := name != "\ufffd"; (len(users) == 1) != want {
			t.Errorf("%q: %d users", name, len(users))
		}
		rooms, _ := a.doors.ListRooms(t.Context(), []hub.Kind{hub.KindRoom}, name)
		if want := name != "\ufffd"; (len(rooms) == 1) != want {
			t.Errorf("%q: the rooms %v", name, rooms)
		}
	}
	w.settle()
	see := a.watch(name, a.token("see"))
	w.cloud.all()[1].setAway(true)
	w.die(1, 0)
	see.want(`event: user_left | data: {"userId":1,"userName":"1"}`)
}

func TestPresenceWithoutAllNodes(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	a.chat(a.token("ann")).send("join_room", `"tea"`)
	b.chat(b.token("ann")).send("join_room", `"tea"`)
	p, ctx := a.doors.Presence, t.Context()
	check := func(what string) {
		t.Helper()
		places, c1 := p.Online(ctx, "ann")
		users, _, c2 := p.RoomUsers(ctx, "tea")
		online, c3 := p.AreOnline(ctx, []string{"ann", "bob"})
		rooms, c4 := a.doors.ListRooms(ctx, []hub.Kind{hub.KindRoom}, "")
		if c1 || c2 || c3 || c4 {
			t.Errorf("%s: complete: %v %v %v %v", what, c1, c2, c3, c4)
		}
		if len(places) != 1 || len(users) != 1 || users[0].Connections != 1 || !slices.Equal(online, []bool{true, false}) ||
			!slices.Equal(rooms, []RoomCount{{hub.Room{Kind: hub.KindRoom, Name: "tea"}, 1}}) {
			t.Errorf("%s: got %v, %v, %v, %v", what, places, users, online, rooms)
		}
		if _, c := p.Disconnect(ctx, "bob", false); c {
			t.Errorf("%s: Disconnect is complete", what)
		}
		if online, c := p.AreOnline(ctx, []string{"ann"}); !c || !online[0] {
			t.Errorf("%s: it takes nobody else to know who is here", what)
		}
	}
	w.cloud.all()[0].setAway(true)
	check("away")
	w.cloud.all()[0].setAway(false)
	for _, answer := range []string{``, `{`, `{}x`, `"x"`, `[5]x`} {
		for topic := range w.cloud.all()[1].asks {
			w.cloud.all()[1].asks[topic] = func(context.Context, []byte) []byte { return []byte(answer) }
		}
		check("an answer like " + answer)
	}
}

func TestQuestionsThatCannotBeRead(t *testing.T) {
	w := newTown(t, 1)
	for topic, call := range w.cloud.all()[0].asks {
		if !strings.HasPrefix(topic, "presence.") && topic != topicRooms {
			continue
		}
		for _, body := range []string{``, `{`, `5`, `["x!"]`, `{"userId":5,"room":5,"prefix":5}`} {
			if got := call(t.Context(), []byte(body)); got != nil {
				t.Errorf("%s %s: %s", topic, body, got)
			}
		}
	}
	for _, topic := range []string{topicClaimed, topicExecuted} {
		w.cloud.all()[0].tells[topic](nil)
	}
}

func TestListRooms(t *testing.T) {
	w := newTown(t, 2)
	a, b := w.houses[0], w.houses[1]
	for i, h := range w.houses {
		c := h.chat(h.token("ann"))
		c.send("join_room", `"tea"`)
		if i == 1 {
			c.send("join_room", `"team"`)
		}
		h.hub.Join(c.member, hub.NamespaceRoom("/chat", "tea"))
		h.hub.Join(c.member, hub.NamespaceRoom("/chat", "milk"))
	}
	list := func(h *house, prefix string, kinds ...hub.Kind) string {
		rooms, complete := h.doors.ListRooms(t.Context(), kinds, prefix)
		if !complete {
			t.Error("not complete")
		}
		var got []string
		for _, r := range rooms {
			got = append(got, r.Room.Kind.String()+" "+strings.ReplaceAll(r.Room.Name, "\x00", " ")+strings.Repeat("+", r.Members))
		}
		return strings.Join(got, ";")
	}
	for _, h := range []*house{a, b} {
		for _, tc := range []struct {
			prefix string
			kinds  []hub.Kind
			want   string
		}{
			{"", []hub.Kind{hub.KindRoom}, "room tea++;room team+"},
			{"team", []hub.Kind{hub.KindRoom}, "room team+"},
			{"tea", []hub.Kind{hub.KindNamespace, hub.KindRoom, hub.KindUser}, "room tea++;room team+;namespace /chat tea++"},
			{"", []hub.Kind{hub.KindAccount}, "account ann++"},
			{"", nil, ""},
		} {
			if got := list(h, tc.prefix, tc.kinds...); got != tc.want {
				t.Errorf("ListRooms(%v, %q) = %q, want %q", tc.kinds, tc.prefix, got, tc.want)
			}
		}
	}
}
