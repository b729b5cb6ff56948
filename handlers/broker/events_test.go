package broker_test

import (
	"testing"

	"signalbox/handlers/broker"
	"signalbox/handlers/testkit"
)

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
			w := testkit.NewWorld(t, testkit.RootOptions{})
			one, null, roommate, s := w.Connect(t, "1"), w.Connect(t, "n"), w.Connect(t, "m"), w.Connect(t, "s")
			one.Say("join", `{"senderUserId":1}`)
			null.Say("join", `{"senderUserId":null}`)
			roommate.Login("Max", "r")
			s.Login("Sam", "r")
			roommate.Take()
			stats := w.Broker.Stats()
			relayed, joins, times := stats.Relayed.Load(), stats.Joins.Load(), stats.Times.Load()
			undeliverable := stats.Undeliverable[broker.ReasonNoRecipient].Load()
			s.Ask(c.event, c.args...)
			got := toChat
			switch {
			case stats.Relayed.Load() > relayed:
				got = toBroker
			case stats.Joins.Load() > joins:
				got = "join"
			case stats.Times.Load() > times:
				got = "time"
			case stats.Undeliverable[broker.ReasonNoRecipient].Load() > undeliverable:
				got = toNobody
			}
			if got != c.owner {
				t.Errorf("%s went to %s, want %s", c.event, got, c.owner)
			}
			reached := len(one.Take()) + len(null.Take())
			if want := map[bool]int{true: 1, false: 0}[c.owner == toBroker]; reached != want {
				t.Errorf("%d users of the broker got %s, want %d", reached, c.event, want)
			}
			if lines := s.Take(); len(lines) == 0 {
				t.Errorf("the callback of %s was not answered", c.event)
			}
			if c.owner != toChat {
				roommate.Want(t)
			}
		})
	}
}

func TestUserAndRoomOfOneNameAreDifferentAddresses(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	user42, room42, sender := w.Connect(t, "u"), w.Connect(t, "r"), w.Connect(t, "s")
	user42.Say("join", `{"senderUserId":42}`)
	room42.Login("Ann", "42")
	user42.Want(t)

	sender.Ask("e", `{"recipientUserId":42}`)
	sender.Want(t, `ack {"ok":true,"delivered":1}`)
	user42.Want(t, `e {"recipientUserId":42}`)
	room42.Want(t)

	room42.Say("roomMessage", `"x"`)
	room42.Want(t, `roomMessage {"message":"x","from":"Ann"}`)
	user42.Want(t)
}

func TestOneSocketInBrokerAndChat(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Say("join", `{"senderUserId":1}`)
	a.Login("Ann", "r")
	b.Login("Bob", "r")
	a.Take()
	b.Say("e", `{"recipientUserId":1}`)
	b.Say("roomMessage", `2`)
	a.Want(t, `e {"recipientUserId":1}`, `roomMessage {"message":2,"from":"Bob"}`)
	a.Ask("logout") // leaves the chat, not the broker
	a.Take()
	b.Say("e", `{"recipientUserId":1}`)
	a.Want(t, `e {"recipientUserId":1}`)
}
