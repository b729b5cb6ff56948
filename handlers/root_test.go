package handlers

import "testing"

// TestWhoOwnsAnEvent is the table of events on "/" that broker and chat both could take.
func TestWhoOwnsAnEvent(t *testing.T) {
	const toBroker, toChat, toNobody = "broker", "chat", "nobody"
	cases := map[string]struct {
		event string
		args  []string
		owner string
	}{
		"join, though addressed":           {"join", []string{`{"senderUserId":2,"recipientUserId":1}`}, "join"},
		"time, though addressed":           {"time", []string{`{"recipientUserId":1}`}, "time"},
		"login without an address":         {"login", []string{`{"name":"a","room":"b"}`}, toChat},
		"login that is addressed":          {"login", []string{`{"name":"a","room":"b","recipientUserId":1}`}, toBroker},
		"login without data":               {"login", nil, toChat},
		"logout":                           {"logout", nil, toChat},
		"logout that is addressed":         {"logout", []string{`{"recipientUserId":1}`}, toBroker},
		"ping":                             {"ping", nil, toChat},
		"ping that is addressed":           {"ping", []string{`{"recipientUserId":1}`}, toBroker},
		"roomMessage":                      {"roomMessage", []string{`"x"`}, toChat},
		"roomMessage that is addressed":    {"roomMessage", []string{`{"recipientUserId":1,"x":2}`}, toBroker},
		"roomMessage addressed to null":    {"roomMessage", []string{`{"recipientUserId":null}`}, toBroker},
		"roomMessage addressed further in": {"roomMessage", []string{`{"x":{"recipientUserId":1}}`}, toChat},
		"another event that is addressed":  {"offer", []string{`{"recipientUserId":1}`}, toBroker},
		"another event that is not":        {"offer", []string{`{"x":1}`}, toNobody},
		"an event in another case":         {"Login", []string{`{"name":"a","room":"b"}`}, toNobody},
		"a name that every object has":     {"toString", []string{`"x"`}, toNobody},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, RootOptions{})
			one, null, roommate, s := w.connect(t, "1"), w.connect(t, "n"), w.connect(t, "m"), w.connect(t, "s")
			one.send("join", `{"senderUserId":1}`)
			null.send("join", `{"senderUserId":null}`)
			roommate.login("Max", "r")
			s.login("Sam", "r")
			roommate.take()
			before := w.root.Stats()
			s.ask(c.event, c.args...)
			after := w.root.Stats()
			got := toChat
			switch {
			case after.Relayed > before.Relayed:
				got = toBroker
			case after.Joins > before.Joins:
				got = "join"
			case after.Times > before.Times:
				got = "time"
			case after.Undeliverable[ReasonNoRecipient] > before.Undeliverable[ReasonNoRecipient]:
				got = toNobody
			}
			if got != c.owner {
				t.Errorf("%s went to %s, want %s", c.event, got, c.owner)
			}
			reached := len(one.take()) + len(null.take())
			if want := map[bool]int{true: 1, false: 0}[c.owner == toBroker]; reached != want {
				t.Errorf("%d users of the broker got %s, want %d", reached, c.event, want)
			}
			if lines := s.take(); len(lines) == 0 {
				t.Errorf("the callback of %s was not answered", c.event)
			}
			if c.owner != toChat {
				roommate.want(t)
			}
		})
	}
}

func TestUserAndRoomOfOneNameAreDifferentAddresses(t *testing.T) {
	w := newWorld(t, RootOptions{})
	user42, room42, sender := w.connect(t, "u"), w.connect(t, "r"), w.connect(t, "s")
	user42.send("join", `{"senderUserId":42}`)
	room42.login("Ann", "42")
	user42.want(t)

	sender.ask("e", `{"recipientUserId":42}`)
	sender.want(t, `ack {"ok":true,"delivered":1}`)
	user42.want(t, `e {"recipientUserId":42}`)
	room42.want(t)

	room42.send("roomMessage", `"x"`)
	room42.want(t, `roomMessage {"message":"x","from":"Ann"}`)
	user42.want(t)
}

func TestOneSocketInBrokerAndChat(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.send("join", `{"senderUserId":1}`)
	a.login("Ann", "r")
	b.login("Bob", "r")
	a.take()
	b.send("e", `{"recipientUserId":1}`)
	b.send("roomMessage", `2`)
	a.want(t, `e {"recipientUserId":1}`, `roomMessage {"message":2,"from":"Bob"}`)
	a.ask("logout") // leaves the chat, not the broker
	a.take()
	b.send("e", `{"recipientUserId":1}`)
	a.want(t, `e {"recipientUserId":1}`)
}
