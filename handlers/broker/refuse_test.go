package broker_test

import (
	"strings"
	"testing"

	"signalbox/handlers/broker"
	"signalbox/handlers/testkit"
)

func TestUndeliverable(t *testing.T) {
	cases := map[string]struct {
		event  string
		args   []string
		reason broker.Reason
	}{
		"no data":                               {"e", nil, broker.ReasonNoData},
		"null":                                  {"e", []string{`null`}, broker.ReasonNoData},
		"null, then an address":                 {"e", []string{`null`, `{"recipientUserId":1}`}, broker.ReasonNoData},
		"an object without an address":          {"e", []string{`{"x":1}`}, broker.ReasonNoRecipient},
		"an address further down":               {"e", []string{`{"x":{"recipientUserId":1}}`}, broker.ReasonNoRecipient},
		"an address in a list":                  {"e", []string{`[{"recipientUserId":1}]`}, broker.ReasonNoRecipient},
		"an address in another case":            {"e", []string{`{"recipientuserid":1}`}, broker.ReasonNoRecipient},
		"an inherited address":                  {"e", []string{`{"__proto__":{"recipientUserId":1}}`}, broker.ReasonNoRecipient},
		"a string":                              {"e", []string{`"recipientUserId"`}, broker.ReasonNoRecipient},
		"a number":                              {"e", []string{`1`}, broker.ReasonNoRecipient},
		"true":                                  {"e", []string{`true`}, broker.ReasonNoRecipient},
		"a list":                                {"e", []string{`[]`}, broker.ReasonNoRecipient},
		"an event named error":                  {"error", []string{`{"recipientUserId":1}`}, broker.ReasonReservedEvent},
		"an event named error without data":     {"error", nil, broker.ReasonReservedEvent},
		"the user undefined is not no address":  {"e", []string{`{"senderUserId":"undefined"}`}, broker.ReasonNoRecipient},
		"join without data":                     {"join", nil, broker.ReasonNoData},
		"join with null":                        {"join", []string{`null`}, broker.ReasonNoData},
		"join with a string":                    {"join", []string{`"1"`}, broker.ReasonNoSender},
		"join without senderUserId":             {"join", []string{`{"recipientUserId":1}`}, broker.ReasonNoSender},
		"join with an id beyond what is kept":   {"join", []string{`{"senderUserId":"` + strings.Repeat("x", broker.MaxIDBytes) + `"}`}, broker.ReasonIDTooLong},
		"an event of Object's own, constructor": {"constructor", nil, broker.ReasonNoData},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := testkit.NewWorld(t, testkit.RootOptions{})
			a, b := w.Connect(t, "a"), w.Connect(t, "b")
			for _, id := range []string{`1`, `"undefined"`, `"null"`, `""`} {
				a.Say("join", `{"senderUserId":`+id+`}`)
			}
			b.Say(c.event, c.args...)
			b.Want(t)
			b.Ask(c.event, c.args...)
			b.Want(t, `ack {"ok":false,"error":"`+c.reason.String()+`"}`)
			a.Want(t)
			stats := w.Broker.Stats()
			for reason := range stats.Undeliverable {
				want := uint64(0)
				if reason == int(c.reason) {
					want = 2
				}
				if n := stats.Undeliverable[reason].Load(); n != want {
					t.Errorf("undeliverable, %s: %d, want %d", broker.Reason(reason), n, want)
				}
			}
			// The client is served as before.
			b.Ask("e", `{"recipientUserId":1}`)
			b.Want(t, `ack {"ok":true,"delivered":1}`)
		})
	}
}

func TestAnArgumentThatIsBytesHasNoAddress(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Say("join", `{"senderUserId":1}`)
	const data = `{"_placeholder":true,"num":0,"recipientUserId":1,"senderUserId":1}`
	b.Event(true, [][]byte{{1}}, "e", data)
	b.Want(t, `ack {"ok":false,"error":"recipientUserId is missing"}`)
	b.Event(true, [][]byte{{1}}, "join", data)
	b.Want(t, `ack {"ok":false,"error":"senderUserId is missing"}`)
	a.Want(t)
	b.Ask("e", data) // without attachments it is an object like any other
	a.Want(t, "e "+data)
}

func TestWithAuthentication(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{Gate: testkit.Proven(t)})
	five, six := w.Connect(t, "5"), w.Connect(t, "6")
	const notOneself = `ack {"ok":false,"error":"senderUserId is not your own"}`

	five.Ask("join", `{"senderUserId":6}`)
	five.Want(t, notOneself)
	five.Say("time")
	if got := five.Take(); len(got) != 1 || strings.Contains(got[0], "recipientUserId") {
		t.Errorf("time after a refused join = %q, want no recipientUserId", got)
	}
	six.Ask("e", `{"recipientUserId":6}`)
	six.Want(t, `ack {"ok":true,"delivered":0}`)

	for _, id := range []string{`5`, `"5"`, `5.0`} {
		five.Ask("join", `{"senderUserId":`+id+`}`)
		five.Want(t, `ack {"ok":true}`)
	}
	for _, data := range []string{
		`{"recipientUserId":5}`,
		`{"recipientUserId":5,"senderUserId":6}`,
		`{"recipientUserId":5,"senderUserId":"6"}`,
		`{"senderUserId":5,"recipientUserId":5,"senderUserId":6}`,
	} {
		six.Ask("e", data)
		six.Want(t, `ack {"ok":true,"delivered":1}`)
		five.Want(t, "e "+data)
	}
	for _, data := range []string{
		`{"recipientUserId":5,"senderUserId":5}`,
		`{"recipientUserId":5,"senderUserId":"5"}`,
		`{"recipientUserId":5,"senderUserId":null}`,
		`{"recipientUserId":5,"senderUserId":""}`,
		`{"recipientUserId":5,"senderUserId":[6,7]}`,
		`{"senderUserId":6,"recipientUserId":5,"sender\u0055serId":5}`,
		`{"senderUserId":6,"recipientUserId":5,"senderUserId":5}`,
	} {
		six.Say("e", data)
		six.Ask("e", data)
		six.Want(t, notOneself)
		five.Want(t)
	}
}

func TestASocketJoinsNoMoreRoomsThanTheHubAllows(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	w.Hub.MaxRoomsPerMember = 2
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	for _, step := range []struct{ id, want string }{
		{`1`, `ack {"ok":true}`},
		{`"1"`, `ack {"ok":true}`},
		{`2`, `ack {"ok":true}`},
		{`3`, `ack {"ok":false,"error":"this socket is in too many rooms"}`},
		{`1`, `ack {"ok":true}`},
	} {
		a.Ask("join", `{"senderUserId":`+step.id+`}`)
		a.Want(t, step.want)
	}
	b.Ask("e", `{"recipientUserId":3}`)
	b.Want(t, `ack {"ok":true,"delivered":0}`)

	b.Login("Bob", "r")
	a.Ask("login", `{"name":"Ann","room":"r"}`)
	a.Want(t, `ack {"error":"this socket is in too many rooms"}`)
	if users, err := w.Users.GetRoomUsers(t.Context(), "r"); len(users) != 1 || err != nil {
		t.Errorf("GetRoomUsers = %v, %v, want Bob alone", users, err)
	}
	a.Ask("roomMessage", `1`)
	a.Want(t, `ack {"ok":false,"error":"not logged in"}`)
	if got := b.LastUsers(); got != `[{"id":"b","name":"Bob","room":"r"}]` {
		t.Errorf("Bob's last list = %s, want Bob alone", got)
	}
}
