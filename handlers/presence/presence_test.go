package presence_test

import (
	"encoding/json"
	"strings"
	"testing"

	"signalbox/handlers/presence"
	"signalbox/handlers/testkit"
	"signalbox/server/app"
	"signalbox/server/hub"
)

func TestPresenceAcrossDoors(t *testing.T) {
	h := testkit.New(t)
	if places := h.Online("ann"); len(places) != 0 {
		t.Errorf("Online = %v before anybody came", places)
	}
	chat, ws := h.Chat(h.Token("ann")), h.WS(h.Token("ann"))
	note, demo, stream := h.Proved(h.Notification, "ann"), h.Proved(h.Demo, "ann"), h.UserEvents("ann")
	liar := h.WS("")
	liar.Say(`{"type":"authenticate","userId":"ann"}`)
	chat.Say("join_room", `"tea"`)
	chat.Say("join_room", `"milk"`)
	broker := h.Chat(h.Token("broker"))
	h.Hub.Join(broker.Member(), hub.Room{Kind: hub.KindUser, Name: "ann"})

	places := h.Online("ann")
	var got []string
	for _, p := range places {
		got = append(got, p.Door+" "+strings.Join(p.Rooms, ","))
		if p.Verified != (p.Door != presence.DoorBroker) || (p.Since == nil) != (p.Door == presence.DoorBroker) || p.ClientID == "" {
			t.Errorf("place %+v", p)
		}
	}
	if want := "broker ;chat milk,tea;demo ;events ;notification ;ws "; strings.Join(got, ";") != want {
		t.Errorf("Online = %q, want %q", strings.Join(got, ";"), want)
	}
	if text, err := json.Marshal(places[0]); err != nil || string(text) != `{"door":"broker","clientId":"`+broker.ID()+`","rooms":[],"verified":false}` {
		t.Errorf("as JSON: %s, %v", text, err)
	}

	if n, complete := h.Presence.Disconnect(t.Context(), "ann", true); n != 5 || !complete {
		t.Errorf("Disconnect = %d, want 5: the sink of the fake broker socket cannot be told", n)
	}
	for _, g := range []*testkit.Guest{chat.Guest, ws.Guest, note.Guest, demo.Guest, stream.Guest} {
		if !g.Closed() {
			t.Errorf("%s is still there", g.ID())
		}
	}
	if liar.Closed() {
		t.Error("somebody who only says to be the user was disconnected")
	}
	for _, leave := range []func(){chat.Leave, ws.Leave, note.Leave, demo.Leave, stream.Leave, broker.Leave, liar.Leave} {
		leave()
	}
	if len(h.Online("ann")) > 0 || !h.Presence.Empty() {
		t.Error("somebody is left behind")
	}
}

func TestPresenceOfARoom(t *testing.T) {
	h := testkit.New(t)
	one, two := h.Chat(h.Token("ann")), h.Chat(h.Token("ann"))
	named, nameless := h.WS(""), h.WS("")
	named.Say(`{"type":"authenticate","userId":5}`)
	h.Watch("tea", h.Token("cat"))
	for _, c := range []*testkit.Chatter{one, two} {
		c.Say("join_room", `"tea"`)
	}
	for _, c := range []*testkit.Texter{named, nameless} {
		c.Say(`{"type":"join","room":"tea"}`)
	}
	asker := h.Chat(h.Token("asker"))
	asker.Ask("presence", `{"roomId":"tea"}`)
	asker.Want(`ack {"ok":true,"roomId":"tea","users":[` +
		`{"userId":"ann","userName":"Name-ann","connections":2,"verified":true},` +
		`{"userId":5,"userName":"5","connections":1,"verified":false}],"nameless":1}`)
	asker.Ask("presence", `{"roomId":"empty"}`)
	asker.Want(`ack {"ok":true,"roomId":"empty","users":[],"nameless":0}`)
	asker.Ask("presence", `{"userIds":["ann","bob",5,"asker"]}`)
	asker.Want(`ack {"ok":true,"online":["ann","asker"]}`)
	for _, bad := range []string{`{"userIds":"ann"}`, `{"userIds":[` + strings.Repeat("1,", 100) + `1]}`, `5`} {
		asker.Ask("presence", bad)
		asker.Want(`error {"message":"Invalid message"}`, `ack {"ok":false,"error":"Invalid message"}`)
	}
}

func TestPresenceOfManyConnectionsOfOneUser(t *testing.T) {
	h := testkit.New(t)
	clients := make([]*testkit.Chatter, 20)
	for i := range clients {
		clients[i] = h.Chat(h.Token("ann"))
	}
	for i := range clients {
		clients[(i*7)%20].Leave()
		if n := len(h.Online("ann")); n != 19-i {
			t.Fatalf("%d are online after %d left", n, i+1)
		}
	}
}

// Somebody who goes is in a room as who it is, until it is not there any more.
func TestPresenceOfARoomWhileSomebodyGoes(t *testing.T) {
	for _, reason := range []string{"transport close", app.ReasonShutdown} {
		h := testkit.New(t)
		ann := h.Chat(h.Token("ann"))
		ann.Say("join_room", `"tea"`)
		for range 2 {
			h.Presence.GoOffline(ann.Member())
			users, nameless, _ := h.Presence.RoomUsers(t.Context(), "tea")
			if len(users) != 1 || nameless != 0 || len(h.Online("ann")) != 0 {
				t.Errorf("%d users in the room, %d without a name, online: %v, want one and offline", len(users), nameless, h.Online("ann"))
			}
		}
		ann.Session.Close(reason)
		if n := h.Hub.Count(hub.Room{Kind: hub.KindRoom, Name: "tea"}); n != 0 || !h.Presence.Empty() {
			t.Errorf("%s: somebody is left behind", reason)
		}
	}
}
