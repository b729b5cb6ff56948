package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/hub"
)

func TestJoinMakesASocketOfAUser(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.ask("join", `{"senderUserId":42,"recipientUserId":-1}`)
	a.want(t, `ack {"ok":true}`)
	b.want(t) // a join is not relayed, whoever -1 is
	b.ask("hello", `{"recipientUserId":42,"x":1}`)
	a.want(t, `hello {"recipientUserId":42,"x":1}`)
	b.want(t, `ack {"ok":true,"delivered":1}`)
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
			w := newWorld(t, RootOptions{})
			a, b := w.connect(t, "a"), w.connect(t, "b")
			a.send("join", `{"senderUserId":`+c.join+`}`)
			data := `{"recipientUserId":` + c.recipient + `}`
			b.ask("e", data)
			if c.same {
				a.want(t, "e "+data)
				b.want(t, `ack {"ok":true,"delivered":1}`)
			} else {
				a.want(t)
				b.want(t, `ack {"ok":true,"delivered":0}`)
			}
		})
	}
}

func TestRelayIsByteForByte(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.send("join", `{"senderUserId":"u"}`)
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
		b.send("e", data)
		a.want(t, "e "+data)
	}
	b.want(t)
}

func TestWhoGetsARelayedEvent(t *testing.T) {
	w := newWorld(t, RootOptions{})
	phone, laptop, other, stranger := w.connect(t, "p"), w.connect(t, "l"), w.connect(t, "o"), w.connect(t, "s")
	phone.send("join", `{"senderUserId":1}`)
	laptop.send("join", `{"senderUserId":1}`)
	other.send("join", `{"senderUserId":2}`)

	t.Run("every socket of the user once, from a sender that has not joined", func(t *testing.T) {
		stranger.ask("e", `{"recipientUserId":1}`)
		phone.want(t, `e {"recipientUserId":1}`)
		laptop.want(t, `e {"recipientUserId":1}`)
		other.want(t)
		stranger.want(t, `ack {"ok":true,"delivered":2}`)
	})
	t.Run("a sender that addresses itself gets it back once", func(t *testing.T) {
		phone.ask("e", `{"recipientUserId":1,"senderUserId":1}`)
		phone.want(t, `e {"recipientUserId":1,"senderUserId":1}`, `ack {"ok":true,"delivered":2}`)
		laptop.want(t, `e {"recipientUserId":1,"senderUserId":1}`)
	})
	t.Run("nobody is connected", func(t *testing.T) {
		stranger.ask("e", `{"recipientUserId":"nobody"}`)
		stranger.want(t, `ack {"ok":true,"delivered":0}`)
	})
	t.Run("a second join with another id keeps both", func(t *testing.T) {
		other.send("join", `{"senderUserId":3}`)
		stranger.send("e", `{"recipientUserId":2}`)
		stranger.send("e", `{"recipientUserId":3}`)
		other.want(t, `e {"recipientUserId":2}`, `e {"recipientUserId":3}`)
	})
	t.Run("joining twice as the same user is joining once", func(t *testing.T) {
		other.ask("join", `{"senderUserId":3}`)
		stranger.send("e", `{"recipientUserId":3}`)
		other.want(t, `ack {"ok":true}`, `e {"recipientUserId":3}`)
	})
	t.Run("who has gone gets nothing", func(t *testing.T) {
		w.close(laptop)
		stranger.ask("e", `{"recipientUserId":1}`)
		phone.want(t, `e {"recipientUserId":1}`)
		laptop.want(t)
		stranger.want(t, `ack {"ok":true,"delivered":1}`)
	})
	t.Run("one sender talks to several users in turn", func(t *testing.T) {
		long := `"` + strings.Repeat("x", 100) + `"`
		phone.send("join", `{"senderUserId":`+long+`}`)
		for range 2 {
			for _, id := range []string{`1`, `2`, `"1"`, `3`, long} {
				stranger.ask("e", `{"recipientUserId":`+id+`}`)
				stranger.want(t, `ack {"ok":true,"delivered":1}`)
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
			w := newWorld(t, RootOptions{})
			a, b := w.connect(t, "a"), w.connect(t, "b")
			a.send("join", `{"senderUserId":1}`)
			b.event(true, c.attachments, "e", c.args...)
			a.want(t, c.want)
			b.want(t, `ack {"ok":true,"delivered":1}`)
		})
	}
}

func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, RootOptions{})
		a, b := w.connect(t, "a"), w.connect(t, "b")
		now := func() string { return fmt.Sprint(time.Now().UnixMilli()) }
		b.send("join", `{"senderUserId":1}`)

		a.send("time", `{"recipientUserId":1}`)
		a.want(t, `time {"time":`+now()+`}`)
		time.Sleep(1500 * time.Millisecond)
		for _, id := range []string{`1`, `"1"`, `5.0`, `null`, `true`, `{"a":[1]}`, `""`} {
			a.send("join", `{"senderUserId":`+id+`}`)
			a.send("time", `{"recipientUserId":1}`)
			a.want(t, `time {"recipientUserId":`+id+`,"time":`+now()+`}`)
		}
		a.send("join", `{}`) // changes nothing
		for _, args := range [][]string{{}, {`null`}, {`"x"`}, {`7`}, {`[]`}, {`{}`}} {
			a.ask("time", args...)
			a.want(t, `time {"recipientUserId":"","time":`+now()+`}`, `ack {"ok":true}`)
		}
		b.want(t) // nobody else hears of it
	})
}

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
		"an event without a name":               {"", []string{`{"recipientUserId":1}`}, ReasonReservedEvent},
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
	w := newWorld(t, RootOptions{Authenticate: func(hs hub.Handshake) (Identity, error) {
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

func TestASocketJoinsNoMoreIDsThanAllowed(t *testing.T) {
	w := newWorld(t, RootOptions{MaxIDs: 2})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	for _, step := range []struct{ id, want string }{
		{`1`, `ack {"ok":true}`},
		{`"1"`, `ack {"ok":true}`},
		{`2`, `ack {"ok":true}`},
		{`3`, `ack {"ok":false,"error":"this socket has joined too many ids"}`},
		{`1`, `ack {"ok":true}`},
	} {
		a.ask("join", `{"senderUserId":`+step.id+`}`)
		a.want(t, step.want)
	}
	b.ask("e", `{"recipientUserId":3}`)
	b.want(t, `ack {"ok":true,"delivered":0}`)
}

func TestDebugLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	w := newWorldLog(t, RootOptions{}, log)
	a := w.connect(t, "a")
	fill := func(n int) string {
		return `{"recipientUserId":1,"senderUserId":7,"x":"` + strings.Repeat("x", n) + `"}`
	}
	short := len(fill(0))
	cases := map[string]struct {
		event string
		args  []string
		want  []string
	}{
		"a short event": {"e", []string{`{"recipientUserId":1,"senderUserId":7.0}`},
			[]string{`level=DEBUG msg="event received" sid=a event=e sender=7 data="{\"recipientUserId\":1,\"senderUserId\":7.0}"`}},
		"63 characters are shown": {"e", []string{fill(63 - short)},
			[]string{strings.ReplaceAll(fill(63-short), `"`, `\"`) + `"`}},
		"64 are, with dots": {"e", []string{fill(64 - short)},
			[]string{strings.ReplaceAll(fill(64-short), `"`, `\"`) + `..."`}},
		"the rest is not": {"e", []string{fill(500)},
			[]string{strings.ReplaceAll(fill(500)[:64], `"`, `\"`) + `..."`}},
		"no sender and no data": {"e", nil,
			[]string{`event=e sender=undefined data=undefined`, `msg="event not delivered" sid=a event=e reason="data is missing or null"`}},
		"a join": {"join", []string{`{"senderUserId":"u"}`}, []string{`event=join sender=u data=`}},
		"a time": {"time", nil, []string{`event=time sender=undefined`}},
		"a long name": {strings.Repeat("n", 1000), []string{`{"recipientUserId":1}`},
			[]string{"event=" + strings.Repeat("n", 64) + "... "}},
		"nothing of chats": {"roomMessage", []string{`"secret"`}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out.Reset()
			a.send(c.event, c.args...)
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("log = %s, want in it %s", out.String(), want)
				}
			}
			if lines := strings.Count(out.String(), "\n"); lines != len(c.want) {
				t.Errorf("log = %s, want %d lines", out.String(), len(c.want))
			}
		})
	}
}

func TestClipCutsNoCharacterInHalf(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"abc":                          "abc",
		strings.Repeat("é", 63):        strings.Repeat("é", 63),
		strings.Repeat("é", 64):        strings.Repeat("é", 64) + "...",
		strings.Repeat("😀", 31):        strings.Repeat("😀", 31),
		strings.Repeat("😀", 33):        strings.Repeat("😀", 32) + "...",
		"x" + strings.Repeat("😀", 40):  "x" + strings.Repeat("😀", 31) + "...",
		strings.Repeat("\xff", 300):    strings.Repeat("\xff", 64) + "...",
		strings.Repeat("\u20ac", 1000): strings.Repeat("\u20ac", 64) + "...",
	} {
		if got := clip([]byte(in)); got != want {
			t.Errorf("clip(%.20q...) = %q, want %q", in, got, want)
		}
	}
}

func TestEventsOfOneSenderStayInOrder(t *testing.T) {
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.send("join", `{"senderUserId":1}`)
	var want []string
	for i := range 500 {
		data := fmt.Sprintf(`{"recipientUserId":1,"n":%d}`, i)
		b.send("e", data)
		want = append(want, "e "+data)
	}
	a.want(t, want...)
	stats := w.root.Stats()
	if stats.Joins != 1 || stats.Relayed != 500 || stats.Delivered != 500 {
		t.Errorf("Stats = %+v, want 1 join, 500 relayed, 500 delivered", stats)
	}
}
