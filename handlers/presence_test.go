package handlers

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"signalbox/server/hub"
)

func TestPresenceAcrossDoors(t *testing.T) {
	h := newHouse(t)
	if places := h.online("ann"); len(places) != 0 {
		t.Errorf("Online = %v before anybody came", places)
	}
	chat, ws := h.chat(h.token("ann")), h.ws(h.token("ann"))
	note, demo, stream := h.proved(h.doors.Notification, "ann"), h.proved(h.doors.Demo, "ann"), h.userEvents("ann")
	liar := h.ws("")
	liar.send(`{"type":"authenticate","userId":"ann"}`)
	chat.send("join_room", `"tea"`)
	chat.send("join_room", `"milk"`)
	broker := h.chat(h.token("broker"))
	h.hub.Join(broker.member, hub.Room{Kind: hub.KindUser, Name: "ann"})

	places := h.online("ann")
	var got []string
	for _, p := range places {
		got = append(got, p.Door+" "+strings.Join(p.Rooms, ","))
		if p.Verified != (p.Door != DoorBroker) || (p.Since == nil) != (p.Door == DoorBroker) || p.ClientID == "" {
			t.Errorf("place %+v", p)
		}
	}
	if want := "broker ;chat milk,tea;demo ;events ;notification ;ws "; strings.Join(got, ";") != want {
		t.Errorf("Online = %q, want %q", strings.Join(got, ";"), want)
	}
	if text, err := json.Marshal(places[0]); err != nil || string(text) != `{"door":"broker","clientId":"`+broker.id+`","rooms":[],"verified":false}` {
		t.Errorf("as JSON: %s, %v", text, err)
	}

	if n, complete := h.doors.Presence.Disconnect(t.Context(), "ann", true); n != 5 || !complete {
		t.Errorf("Disconnect = %d, want 5: the sink of the fake broker socket cannot be told", n)
	}
	for _, g := range []*guest{chat.guest, ws.guest, note.guest, demo.guest, stream.guest} {
		if !g.Closed() {
			t.Errorf("%s is still there", g.id)
		}
	}
	if liar.Closed() {
		t.Error("somebody who only says to be the user was disconnected")
	}
	for _, leave := range []func(){chat.leave, ws.leave, note.leave, demo.leave, stream.leave, broker.leave, liar.leave} {
		leave()
	}
	if len(h.online("ann")) > 0 || len(h.doors.Presence.people) != 0 || len(h.doors.Presence.users) != 0 {
		t.Error("somebody is left behind")
	}
}

// online returns the connections of a user, of which nothing may be missing.
func (h *house) online(userID string) []Place {
	h.t.Helper()
	places, complete := h.doors.Presence.Online(context.Background(), userID)
	if !complete {
		h.t.Errorf("Online(%q) is not complete", userID)
	}
	return places
}

func TestPresenceOfARoom(t *testing.T) {
	h := newHouse(t)
	one, two := h.chat(h.token("ann")), h.chat(h.token("ann"))
	named, nameless := h.ws(""), h.ws("")
	named.send(`{"type":"authenticate","userId":5}`)
	h.watch("tea", h.token("cat"))
	for _, c := range []*chatter{one, two} {
		c.send("join_room", `"tea"`)
	}
	for _, c := range []*texter{named, nameless} {
		c.send(`{"type":"join","room":"tea"}`)
	}
	asker := h.chat(h.token("asker"))
	asker.ask("presence", `{"roomId":"tea"}`)
	asker.want(`ack {"ok":true,"roomId":"tea","users":[` +
		`{"userId":"ann","userName":"Name-ann","connections":2,"verified":true},` +
		`{"userId":5,"userName":"5","connections":1,"verified":false}],"nameless":1}`)
	asker.ask("presence", `{"roomId":"empty"}`)
	asker.want(`ack {"ok":true,"roomId":"empty","users":[],"nameless":0}`)
	asker.ask("presence", `{"userIds":["ann","bob",5,"asker"]}`)
	asker.want(`ack {"ok":true,"online":["ann","asker"]}`)
	for _, bad := range []string{`{"userIds":"ann"}`, `{"userIds":[` + strings.Repeat("1,", 100) + `1]}`, `5`} {
		asker.ask("presence", bad)
		asker.want(`error {"message":"Invalid message"}`, `ack {"ok":false,"error":"Invalid message"}`)
	}
}

func TestPresenceOfManyConnectionsOfOneUser(t *testing.T) {
	h := newHouse(t)
	clients := make([]*chatter, 20)
	for i := range clients {
		clients[i] = h.chat(h.token("ann"))
	}
	for i := range clients {
		clients[(i*7)%20].leave()
		if n := len(h.online("ann")); n != 19-i {
			t.Fatalf("%d are online after %d left", n, i+1)
		}
	}
}

// Somebody who goes is in a room as who it is, until it is not there any more.
func TestPresenceOfARoomWhileSomebodyGoes(t *testing.T) {
	for _, reason := range []string{"transport close", reasonShutdown} {
		h := newHouse(t)
		ann := h.chat(h.token("ann"))
		ann.send("join_room", `"tea"`)
		for range 2 {
			h.doors.Presence.goOffline(ann.member)
			users, nameless, _ := h.doors.Presence.RoomUsers(t.Context(), "tea")
			if len(users) != 1 || nameless != 0 || len(h.online("ann")) != 0 {
				t.Errorf("%d users in the room, %d without a name, online: %v, want one and offline", len(users), nameless, h.online("ann"))
			}
		}
		ann.session.Close(reason)
		if n := h.hub.Count(roomAddress("tea")); n != 0 || len(h.doors.Presence.people) != 0 || len(h.doors.Presence.users) != 0 {
			t.Errorf("%s: somebody is left behind", reason)
		}
	}
}
