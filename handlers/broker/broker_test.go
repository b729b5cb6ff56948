package broker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/app"
)

func TestJoinMakesASocketOfAUser(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Ask("join", `{"senderUserId":42,"recipientUserId":-1}`)
	a.Want(t, `ack {"ok":true}`)
	b.Want(t) // a join is not relayed, whoever -1 is
	b.Ask("hello", `{"recipientUserId":42,"x":1}`)
	a.Want(t, `hello {"recipientUserId":42,"x":1}`)
	b.Want(t, `ack {"ok":true,"delivered":1}`)
}

// TestJoinWeighs: a join may cost a command of Redis, and counts as more than a message.
func TestJoinWeighs(t *testing.T) {
	a := testkit.NewWorld(t, testkit.RootOptions{}).Connect(t, "a")
	a.Ask("join", `{"senderUserId":42}`)
	a.Ask("hello", `{"recipientUserId":42}`)
	if a.Charged != app.WeightCostly {
		t.Errorf("a join and a message cost %v, want %d", a.Charged, app.WeightCostly)
	}
}

func TestIDsAreTextAsInJavaScript(t *testing.T) {
	cases := map[string]struct {
		join, recipient string
		same            bool
	}{
		"number and string":              {`5`, `"5"`, true},
		"string and number":              {`"5"`, `5`, true},
		"a number with a fraction of 0":  {`5.0`, `5`, true},
		"an exponent":                    {`5e0`, `5`, true},
		"minus zero":                     {`-0`, `0`, true},
		"null is the id null":            {`null`, `"null"`, true},
		"true":                           {`true`, `"true"`, true},
		"1e21":                           {`1e21`, `"1e+21"`, true},
		"beyond 2^53 neighbours are one": {`9007199254740993`, `9007199254740992`, true},
		"an escaped letter":              {`"\u0041"`, `"A"`, true},
		"a list":                         {`[1,"2"]`, `"1,2"`, true},
		"an object":                      {`{"a":1}`, `{"b":2}`, true},
		"leading zeros":                  {`"05"`, `5`, false},
		"upper and lower case":           {`"a"`, `"A"`, false},
		"an id with a space":             {`"5 "`, `5`, false},
		"two halves of other characters": {`"\ud83d"`, `"\ud83e"`, false},
		"a name that looks internal":     {`"user:5"`, `5`, false},
		"a socket id is not an address":  {`"5"`, `"a"`, false},
		"an empty id is an id":           {`""`, `""`, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := testkit.NewWorld(t, testkit.RootOptions{})
			a, b := w.Connect(t, "a"), w.Connect(t, "b")
			a.Say("join", `{"senderUserId":`+c.join+`}`)
			data := `{"recipientUserId":` + c.recipient + `}`
			b.Ask("e", data)
			if c.same {
				a.Want(t, "e "+data)
				b.Want(t, `ack {"ok":true,"delivered":1}`)
			} else {
				a.Want(t)
				b.Want(t, `ack {"ok":true,"delivered":0}`)
			}
		})
	}
}

func TestRelayIsByteForByte(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Say("join", `{"senderUserId":"u"}`)
	for _, data := range []string{
		`{"z":1.0,"a":1e2,"recipientUserId":"u","e":"\u00e9\/<&>","s":"é"}`,
		`{ "recipientUserId" : "u" , "n" : [ 1 , 2.50 ] }`,
		`{"recipientUserId":"nobody","deep":{"recipientUserId":1},"recipientUserId":"u"}`,
		`{"recipientUser\u0049d":"u"}`,
		`{"recipientUserId":"\u0075"}`,
		`{"a":"\"recipientUserId\":\"x\"","recipientUserId":"u"}`,
		`{"a":"\\","recipientUserId":"u"}`,
		`{"recipientUserId":"u","__proto__":{"recipientUserId":"x"}}`,
		"{\"recipientUserId\":\"u\",\"line\":\"\u2028\"}",
	} {
		b.Say("e", data)
		a.Want(t, "e "+data)
	}
	b.Want(t)
}

func TestNameOfARelayedEventIsByteForByte(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Say("join", `{"senderUserId":1}`)
	for raw, name := range map[string]string{`5`: "5", `"\u0061"`: "a", `""`: "", `"a b"`: "a b"} {
		b.Session.Event(&app.Event{
			Name:    name,
			RawName: json.RawMessage(raw),
			Args:    []json.RawMessage{json.RawMessage(`{"recipientUserId":1}`)},
		})
		a.Want(t, strings.Trim(raw, `"`)+` {"recipientUserId":1}`)
	}
}

func TestWhoGetsARelayedEvent(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	phone, laptop, other, stranger := w.Connect(t, "p"), w.Connect(t, "l"), w.Connect(t, "o"), w.Connect(t, "s")
	phone.Say("join", `{"senderUserId":1}`)
	laptop.Say("join", `{"senderUserId":1}`)
	other.Say("join", `{"senderUserId":2}`)

	t.Run("every socket of the user once, from a sender that has not joined", func(t *testing.T) {
		stranger.Ask("e", `{"recipientUserId":1}`)
		phone.Want(t, `e {"recipientUserId":1}`)
		laptop.Want(t, `e {"recipientUserId":1}`)
		other.Want(t)
		stranger.Want(t, `ack {"ok":true,"delivered":2}`)
	})
	t.Run("a sender that addresses itself gets it back once", func(t *testing.T) {
		phone.Ask("e", `{"recipientUserId":1,"senderUserId":1}`)
		phone.Want(t, `e {"recipientUserId":1,"senderUserId":1}`, `ack {"ok":true,"delivered":2}`)
		laptop.Want(t, `e {"recipientUserId":1,"senderUserId":1}`)
	})
	t.Run("nobody is connected", func(t *testing.T) {
		stranger.Ask("e", `{"recipientUserId":"nobody"}`)
		stranger.Want(t, `ack {"ok":true,"delivered":0}`)
	})
	t.Run("a second join with another id keeps both", func(t *testing.T) {
		other.Say("join", `{"senderUserId":3}`)
		stranger.Say("e", `{"recipientUserId":2}`)
		stranger.Say("e", `{"recipientUserId":3}`)
		other.Want(t, `e {"recipientUserId":2}`, `e {"recipientUserId":3}`)
	})
	t.Run("joining twice as the same user is joining once", func(t *testing.T) {
		other.Ask("join", `{"senderUserId":3}`)
		stranger.Say("e", `{"recipientUserId":3}`)
		other.Want(t, `ack {"ok":true}`, `e {"recipientUserId":3}`)
	})
	t.Run("who has gone gets nothing", func(t *testing.T) {
		w.End(laptop)
		stranger.Ask("e", `{"recipientUserId":1}`)
		phone.Want(t, `e {"recipientUserId":1}`)
		laptop.Want(t)
		stranger.Want(t, `ack {"ok":true,"delivered":1}`)
	})
	t.Run("one sender talks to several users in turn", func(t *testing.T) {
		long := `"` + strings.Repeat("x", 100) + `"`
		phone.Say("join", `{"senderUserId":`+long+`}`)
		for range 2 {
			for _, id := range []string{`1`, `2`, `"1"`, `3`, long} {
				stranger.Ask("e", `{"recipientUserId":`+id+`}`)
				stranger.Want(t, `ack {"ok":true,"delivered":1}`)
			}
		}
	})
}

func TestRelayWithMoreThanOneArgument(t *testing.T) {
	const data = `{"recipientUserId":1,"file":{"_placeholder":true,"num":0}}`
	cases := map[string]struct {
		args        []string
		attachments [][]byte
		want        string
	}{
		"only the first argument goes on": {
			args: []string{`{"recipientUserId":1}`, `{"secret":1}`, `2`},
			want: `e {"recipientUserId":1}`,
		},
		"with its attachment": {
			args: []string{data}, attachments: [][]byte{{1, 2}},
			want: "e " + data + " <0102>",
		},
		"without the attachments of the others": {
			args: []string{data, `{"_placeholder":true,"num":1}`}, attachments: [][]byte{{1}, {2}},
			want: "e " + data + " <01>",
		},
		"no attachment is its own": {
			args: []string{`{"recipientUserId":1,"num":1}`, `{"_placeholder":true,"num":0}`}, attachments: [][]byte{{1}},
			want: `e {"recipientUserId":1,"num":1}`,
		},
		"attachments out of order": {
			args: []string{`{"recipientUserId":1,"a":{"_placeholder":true,"num":1},"b":[{"num":0,"_placeholder":true}]}`,
				`{"_placeholder":true,"num":2}`},
			attachments: [][]byte{{1}, {2}, {3}},
			want: `e {"recipientUserId":1,"a":{"_placeholder":true,"num":1},"b":[{"num":0,"_placeholder":true}]}` +
				" <01> <02>",
		},
		"its attachment is not the first": {
			args:        []string{`{"recipientUserId":1,"a":{"_placeholder":true,"num":1}}`, `{"_placeholder":true,"num":0}`},
			attachments: [][]byte{{1}, {2}},
			want:        `e {"recipientUserId":1,"a":{"_placeholder":true,"num":1}} <01> <02>`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := testkit.NewWorld(t, testkit.RootOptions{})
			a, b := w.Connect(t, "a"), w.Connect(t, "b")
			a.Say("join", `{"senderUserId":1}`)
			b.Event(true, c.attachments, "e", c.args...)
			a.Want(t, c.want)
			b.Want(t, `ack {"ok":true,"delivered":1}`)
		})
	}
}

func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		a, b := w.Connect(t, "a"), w.Connect(t, "b")
		now := func() string { return fmt.Sprint(time.Now().UnixMilli()) }
		b.Say("join", `{"senderUserId":1}`)

		a.Say("time", `{"recipientUserId":1}`)
		a.Want(t, `time {"time":`+now()+`}`)
		time.Sleep(1500 * time.Millisecond)
		for _, id := range []string{`1`, `"1"`, `5.0`, `null`, `true`, `{"a":[1]}`, `""`} {
			a.Say("join", `{"senderUserId":`+id+`}`)
			a.Say("time", `{"recipientUserId":1}`)
			a.Want(t, `time {"recipientUserId":`+id+`,"time":`+now()+`}`)
		}
		a.Say("join", `{}`) // changes nothing
		for _, args := range [][]string{{}, {`null`}, {`"x"`}, {`7`}, {`[]`}, {`{}`}} {
			a.Ask("time", args...)
			a.Want(t, `time {"recipientUserId":"","time":`+now()+`}`, `ack {"ok":true}`)
		}
		b.Want(t) // nobody else hears of it
	})
}

func TestEventsOfOneSenderStayInOrder(t *testing.T) {
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Say("join", `{"senderUserId":1}`)
	var want []string
	for i := range 500 {
		data := fmt.Sprintf(`{"recipientUserId":1,"n":%d}`, i)
		b.Say("e", data)
		want = append(want, "e "+data)
	}
	a.Want(t, want...)
	stats := w.Broker.Stats()
	if stats.Joins.Load() != 1 || stats.Relayed.Load() != 500 || stats.Delivered.Load() != 500 {
		t.Errorf("%d joins, %d relayed, %d delivered, want 1, 500, 500", stats.Joins.Load(), stats.Relayed.Load(), stats.Delivered.Load())
	}
}
