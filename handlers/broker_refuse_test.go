package handlers

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"signalbox/server/app"
)

func TestUndeliverable(t *testing.T) {
	cases := map[string]struct {
		event  string
		args   []string
		reason Reason
	}{
		"no data":                               {"e", nil, ReasonNoData},
		"null":                                  {"e", []string{`null`}, ReasonNoData},
		"null, then an address":                 {"e", []string{`null`, `{"recipientUserId":1}`}, ReasonNoData},
		"an object without an address":          {"e", []string{`{"x":1}`}, ReasonNoRecipient},
		"an address further down":               {"e", []string{`{"x":{"recipientUserId":1}}`}, ReasonNoRecipient},
		"an address in a list":                  {"e", []string{`[{"recipientUserId":1}]`}, ReasonNoRecipient},
		"an address in another case":            {"e", []string{`{"recipientuserid":1}`}, ReasonNoRecipient},
		"an inherited address":                  {"e", []string{`{"__proto__":{"recipientUserId":1}}`}, ReasonNoRecipient},
		"a string":                              {"e", []string{`"recipientUserId"`}, ReasonNoRecipient},
		"a number":                              {"e", []string{`1`}, ReasonNoRecipient},
		"true":                                  {"e", []string{`true`}, ReasonNoRecipient},
		"a list":                                {"e", []string{`[]`}, ReasonNoRecipient},
		"an event named error":                  {"error", []string{`{"recipientUserId":1}`}, ReasonReservedEvent},
		"an event named error without data":     {"error", nil, ReasonReservedEvent},
		"the user undefined is not no address":  {"e", []string{`{"senderUserId":"undefined"}`}, ReasonNoRecipient},
		"join without data":                     {"join", nil, ReasonNoData},
		"join with null":                        {"join", []string{`null`}, ReasonNoData},
		"join with a string":                    {"join", []string{`"1"`}, ReasonNoSender},
		"join without senderUserId":             {"join", []string{`{"recipientUserId":1}`}, ReasonNoSender},
		"join with an id beyond what is kept":   {"join", []string{`{"senderUserId":"` + strings.Repeat("x", MaxIDBytes) + `"}`}, ReasonIDTooLong},
		"an event of Object's own, constructor": {"constructor", nil, ReasonNoData},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, RootOptions{})
			a, b := w.connect(t, "a"), w.connect(t, "b")
			for _, id := range []string{`1`, `"undefined"`, `"null"`, `""`} {
				a.send("join", `{"senderUserId":`+id+`}`)
			}
			b.send(c.event, c.args...)
			b.want(t)
			b.ask(c.event, c.args...)
			b.want(t, `ack {"ok":false,"error":"`+c.reason.String()+`"}`)
			a.want(t)
			for reason, n := range w.root.Stats().Undeliverable {
				want := uint64(0)
				if reason == c.reason {
					want = 2
				}
				if n != want {
					t.Errorf("undeliverable, %s: %d, want %d", reason, n, want)
				}
			}
			// The client is served as before.
			b.ask("e", `{"recipientUserId":1}`)
			b.want(t, `ack {"ok":true,"delivered":1}`)
		})
	}
}

func TestAnArgumentThatIsBytesHasNoAddress(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.send("join", `{"senderUserId":1}`)
	const data = `{"_placeholder":true,"num":0,"recipientUserId":1,"senderUserId":1}`
	b.event(true, [][]byte{{1}}, "e", data)
	b.want(t, `ack {"ok":false,"error":"recipientUserId is missing"}`)
	b.event(true, [][]byte{{1}}, "join", data)
	b.want(t, `ack {"ok":false,"error":"senderUserId is missing"}`)
	a.want(t)
	b.ask("e", data) // without attachments it is an object like any other
	a.want(t, "e "+data)
}

func TestWithAuthentication(t *testing.T) {
	w := newWorld(t, RootOptions{Authenticate: func(hs app.Handshake) (Identity, error) {
		var auth struct{ User string }
		if err := json.Unmarshal(hs.Auth, &auth); err != nil {
			return Identity{}, err
		}
		switch auth.User {
		case "bad":
			return Identity{}, errors.New("Authentication failed")
		case "nobody":
			return Identity{}, nil
		}
		return Identity{UserID: auth.User}, nil
	}})
	for _, id := range []string{"bad", "nobody"} {
		if c, err := w.tryConnect(id); err == nil || c.session != nil {
			t.Errorf("Connect(%s) = %v, %v, want an error", id, c.session, err)
		}
	}
	five, six := w.connect(t, "5"), w.connect(t, "6")
	const notOneself = `ack {"ok":false,"error":"senderUserId is not your own"}`

	five.ask("join", `{"senderUserId":6}`)
	five.want(t, notOneself)
	five.send("time")
	if got := five.take(); len(got) != 1 || strings.Contains(got[0], "recipientUserId") {
		t.Errorf("time after a refused join = %q, want no recipientUserId", got)
	}
	six.ask("e", `{"recipientUserId":6}`)
	six.want(t, `ack {"ok":true,"delivered":0}`)

	for _, id := range []string{`5`, `"5"`, `5.0`} {
		five.ask("join", `{"senderUserId":`+id+`}`)
		five.want(t, `ack {"ok":true}`)
	}
	for _, data := range []string{
		`{"recipientUserId":5}`,
		`{"recipientUserId":5,"senderUserId":6}`,
		`{"recipientUserId":5,"senderUserId":"6"}`,
		`{"senderUserId":5,"recipientUserId":5,"senderUserId":6}`,
	} {
		six.ask("e", data)
		six.want(t, `ack {"ok":true,"delivered":1}`)
		five.want(t, "e "+data)
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
		six.send("e", data)
		six.ask("e", data)
		six.want(t, notOneself)
		five.want(t)
	}
}

func TestASocketJoinsNoMoreRoomsThanTheHubAllows(t *testing.T) {
	w := newWorld(t, RootOptions{})
	w.hub.MaxRoomsPerMember = 2
	a, b := w.connect(t, "a"), w.connect(t, "b")
	for _, step := range []struct{ id, want string }{
		{`1`, `ack {"ok":true}`},
		{`"1"`, `ack {"ok":true}`},
		{`2`, `ack {"ok":true}`},
		{`3`, `ack {"ok":false,"error":"this socket is in too many rooms"}`},
		{`1`, `ack {"ok":true}`},
	} {
		a.ask("join", `{"senderUserId":`+step.id+`}`)
		a.want(t, step.want)
	}
	b.ask("e", `{"recipientUserId":3}`)
	b.want(t, `ack {"ok":true,"delivered":0}`)

	b.login("Bob", "r")
	a.ask("login", `{"name":"Ann","room":"r"}`)
	a.want(t, `ack {"error":"this socket is in too many rooms"}`)
	if users, err := w.users.GetRoomUsers(t.Context(), "r"); len(users) != 1 || err != nil {
		t.Errorf("GetRoomUsers = %v, %v, want Bob alone", users, err)
	}
	a.ask("roomMessage", `1`)
	a.want(t, `ack {"ok":false,"error":"not logged in"}`)
	if got := b.lastUsers(); got != `[`+user("b", "Bob", "r")+`]` {
		t.Errorf("Bob's last list = %s, want Bob alone", got)
	}
}
