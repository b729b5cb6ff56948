package presence_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"signalbox/handlers/presence"
	"signalbox/handlers/testkit"
	"signalbox/server/auth"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

func TestPresenceOverNodes(t *testing.T) {
	w := testkit.NewTown(t, 3)
	a, b, c := w.Houses[0], w.Houses[1], w.Houses[2]
	chat, note, stream := a.Chat(a.Token("ann")), b.Proved(b.Notification, "ann"), c.UserEvents("ann")
	chat.Say("join_room", `"tea"`)
	broker := c.Chat(c.Token("broker"))
	c.Hub.Join(broker.Member(), hub.Room{Kind: hub.KindUser, Name: "ann"})
	for i, h := range w.Houses {
		var got []string
		for _, p := range h.Online("ann") {
			got = append(got, p.Door+" "+strings.Join(p.Rooms, ","))
			if p.Verified != (p.Door != presence.DoorBroker) || (p.Since == nil) != (p.Door == presence.DoorBroker) || p.ClientID == "" {
				t.Errorf("node %d: place %+v", i, p)
			}
		}
		if want := "broker ;chat tea;events ;notification "; strings.Join(got, ";") != want {
			t.Errorf("node %d: Online = %q, want %q", i, strings.Join(got, ";"), want)
		}
		online, complete := h.Presence.AreOnline(t.Context(), []string{"bob", "ann", "broker", ""}, new(auth.Identity))
		if !complete || !slices.Equal(online, []bool{false, true, true, false}) {
			t.Errorf("node %d: AreOnline = %v, %v", i, online, complete)
		}
	}
	n, complete := b.Presence.Disconnect(t.Context(), "ann", true)
	if n != 3 || !complete {
		t.Errorf("Disconnect = %d, %v, want 3: the sink of the fake broker socket cannot be told", n, complete)
	}
	for _, g := range []*testkit.Guest{chat.Guest, note.Guest, stream.Guest} {
		if !g.Closed() {
			t.Errorf("%s is still there", g.ID())
		}
	}
	chat.Want(`room_history {"roomId":"tea","messages":[]}`, "disconnect true")
}

func TestPresenceOfARoomOverNodes(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	b.Watch("tea", b.Token("cat"))
	for _, c := range []*testkit.Chatter{a.Chat(a.Token("ann")), b.Chat(b.Token("ann")), b.Chat(b.Token("bob"))} {
		c.Say("join_room", `"tea"`)
	}
	for _, userID := range []string{`5`, `"5"`, `null`, `"<"`} {
		c := b.WS("")
		c.Say(`{"type":"authenticate","userId":` + userID + `}`)
		c.Say(`{"type":"join","room":"tea"}`)
	}
	a.WS("").Say(`{"type":"join","room":"tea"}`)
	same := a.WS("")
	same.Say(`{"type":"authenticate","userId":"<"}`)
	same.Say(`{"type":"join","room":"tea"}`)
	for i, h := range w.Houses {
		users, nameless, complete := h.Presence.RoomUsers(t.Context(), "tea")
		var got []string
		for _, u := range users {
			text, _ := rawjson.Marshal(u)
			got = append(got, string(text))
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
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	odd, room := b.WS(""), `"\ud800"`
	odd.Say(`{"type":"authenticate","userId":1}`)
	odd.Say(`{"type":"join","room":` + room + `}`)
	name, _ := rawjson.Text([]byte(room))
	for _, name := range []string{name, "\ufffd"} {
		users, _, _ := a.Presence.RoomUsers(t.Context(), name)
		if want := name != "\ufffd"; (len(users) == 1) != want {
			t.Errorf("%q: %d users", name, len(users))
		}
		rooms, _, _ := a.Presence.ListRooms(t.Context(), []hub.Kind{hub.KindRoom}, name, nil, 1000)
		if want := name != "\ufffd"; (len(rooms) == 1) != want {
			t.Errorf("%q: the rooms %v", name, rooms)
		}
	}
	w.Settle()
	see := a.Watch(name, a.Token("see"))
	w.Cloud.All()[1].SetAway(true)
	w.Die(1, 0)
	see.Want(`event: user_left | data: {"userId":1,"userName":"1"}`)
}

func TestPresenceWithoutAllNodes(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	a.Chat(a.Token("ann")).Say("join_room", `"tea"`)
	b.Chat(b.Token("ann")).Say("join_room", `"tea"`)
	p, ctx := a.Presence, t.Context()
	check := func(what string) {
		t.Helper()
		places, c1 := p.Online(ctx, "ann")
		users, _, c2 := p.RoomUsers(ctx, "tea")
		online, c3 := p.AreOnline(ctx, []string{"ann", "bob"}, new(auth.Identity))
		rooms, _, c4 := a.Presence.ListRooms(ctx, []hub.Kind{hub.KindRoom}, "", nil, 1000)
		if c1 || c2 || c3 || c4 {
			t.Errorf("%s: complete: %v %v %v %v", what, c1, c2, c3, c4)
		}
		if len(places) != 1 || len(users) != 1 || users[0].Connections != 1 || !slices.Equal(online, []bool{true, false}) ||
			!slices.Equal(rooms, []hub.RoomCount{{Room: hub.Room{Kind: hub.KindRoom, Name: "tea"}, Members: 1}}) {
			t.Errorf("%s: got %v, %v, %v, %v", what, places, users, online, rooms)
		}
		if _, c := p.Disconnect(ctx, "bob", false); c {
			t.Errorf("%s: Disconnect is complete", what)
		}
		if online, c := p.AreOnline(ctx, []string{"ann"}, new(auth.Identity)); !c || !online[0] {
			t.Errorf("%s: it takes nobody else to know who is here", what)
		}
	}
	w.Cloud.All()[0].SetAway(true)
	check("away")
	w.Cloud.All()[0].SetAway(false)
	for _, answer := range []string{``, `{`, `{}x`, `"x"`, `[5]x`} {
		for topic := range w.Cloud.All()[1].Asks {
			w.Cloud.All()[1].Asks[topic] = func(context.Context, []byte) []byte { return []byte(answer) }
		}
		check("an answer like " + answer)
	}
}

func TestQuestionsThatCannotBeRead(t *testing.T) {
	w := testkit.NewTown(t, 1)
	for topic, call := range w.Cloud.All()[0].Asks {
		if !strings.HasPrefix(topic, "presence.") && topic != presence.TopicRooms {
			continue
		}
		for _, body := range []string{``, `{`, `5`, `["x!"]`, `{"userId":5,"room":5,"prefix":5,"rooms":5}`} {
			if got := call(t.Context(), []byte(body)); got != nil {
				t.Errorf("%s %s: %s", topic, body, got)
			}
		}
	}
	w.Cloud.All()[0].Tells[presence.TopicClaimed](nil)
}

func TestListRooms(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	for i, h := range w.Houses {
		c := h.Chat(h.Token("ann"))
		c.Say("join_room", `"tea"`)
		if i == 1 {
			c.Say("join_room", `"team"`)
		}
		h.Hub.Join(c.Member(), hub.NamespaceRoom("/chat", "tea"))
		h.Hub.Join(c.Member(), hub.NamespaceRoom("/chat", "milk"))
	}
	list := func(h *testkit.House, prefix string, kinds ...hub.Kind) string {
		rooms, _, complete := h.Presence.ListRooms(t.Context(), kinds, prefix, nil, 1000)
		if !complete {
			t.Error("not complete")
		}
		var got []string
		for _, r := range rooms {
			got = append(got, r.Room.Kind.String()+" "+strings.ReplaceAll(r.Room.Name, "\x00", " ")+strings.Repeat("+", r.Members))
		}
		return strings.Join(got, ";")
	}
	for _, h := range []*testkit.House{a, b} {
		for _, tc := range []struct {
			prefix string
			kinds  []hub.Kind
			want   string
		}{
			{"", []hub.Kind{hub.KindRoom}, "room tea++;room team+"},
			{"team", []hub.Kind{hub.KindRoom}, "room team+"},
			{"tea", []hub.Kind{hub.KindNamespace, hub.KindRoom, hub.KindUser}, "namespace /chat tea++;room tea++;room team+"},
			{"", []hub.Kind{hub.KindAccount}, "account ann++"},
			{"", nil, ""},
		} {
			if got := list(h, tc.prefix, tc.kinds...); got != tc.want {
				t.Errorf("ListRooms(%v, %q) = %q, want %q", tc.kinds, tc.prefix, got, tc.want)
			}
		}
	}
}

// Whose token is limited to some rooms learns who is in them, and nothing of others.
func TestPresenceForALimitedToken(t *testing.T) {
	w := testkit.NewTown(t, 2)
	a, b := w.Houses[0], w.Houses[1]
	for i, room := range []string{"tea", "teapot", "milk"} {
		for _, h := range w.Houses {
			user := room + string(rune('a'+i))
			if h == b {
				user += "-far"
			}
			h.Chat(h.Token(user)).Say("join_room", `"`+room+`"`)
		}
	}
	b.Chat(b.Token("idle"))
	w.Settle()
	const all = `{"userIds":["teaa","teaa-far","teapotb","teapotb-far","milkc","milkc-far","idle","asker","x"]}`
	for name, tc := range map[string]struct {
		rooms []string
		want  string
	}{
		"one room": {[]string{"tea"}, `"teaa","teaa-far","asker"`},
		"a prefix": {[]string{"tea*"}, `"teaa","teaa-far","teapotb","teapotb-far","asker"`},
		"no room":  {[]string{}, `"asker"`},
		"any room": {nil, `"teaa","teaa-far","teapotb","teapotb-far","milkc","milkc-far","idle","asker"`},
	} {
		var change []func(*auth.Claims)
		if tc.rooms != nil {
			change = append(change, testkit.OnlyRooms(tc.rooms...))
		}
		asker := a.Chat(a.Token("asker", change...))
		asker.Ask("presence", all)
		if got, want := asker.Take(), `ack {"ok":true,"online":[`+tc.want+`]}`; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
		asker.Leave()
	}
	w.Leave(1) // its people are still there
	asker := a.Chat(a.Token("asker", testkit.OnlyRooms("tea")))
	asker.Ask("presence", all)
	asker.Want(`ack {"ok":true,"online":["teaa","teaa-far","asker"]}`)
}
