package socketio

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"signalbox/server/hub"
)

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		in        string
		kind      packetType
		namespace string
		id        string
		args      []string
		payload   string
		count     int
	}{
		"connect":                      {`0`, typeConnect, "/", "", nil, "", 0},
		"connect with auth":            {`0{"token":"x"}`, typeConnect, "/", "", nil, `{"token":"x"}`, 0},
		"connect to a namespace":       {`0/chat,`, typeConnect, "/chat", "", nil, "", 0},
		"connect, no comma":            {`0/chat`, typeConnect, "/chat", "", nil, "", 0},
		"disconnect":                   {`1/chat,`, typeDisconnect, "/chat", "", nil, "", 0},
		"event":                        {`2["a",1]`, typeEvent, "/", "", []string{`"a"`, `1`}, "", 0},
		"event with ack":               {`2/chat,12["a"]`, typeEvent, "/chat", "12", []string{`"a"`}, "", 0},
		"ack id beyond 64 bits (12)":   {`299999999999999999999999["a"]`, typeEvent, "/", "99999999999999999999999", []string{`"a"`}, "", 0},
		"numeric event name":           {`2[7]`, typeEvent, "/", "", []string{`7`}, "", 0},
		"ack":                          {`37["x"]`, typeAck, "/", "7", []string{`"x"`}, "", 0},
		"ack without arguments":        {`37[]`, typeAck, "/", "7", nil, "", 0},
		"binary event":                 {`51-["a",{"_placeholder":true,"num":0}]`, typeBinaryEvent, "/", "", []string{`"a"`, `{"_placeholder":true,"num":0}`}, "", 1},
		"binary event in a namespace":  {`52-/b,3["a"]`, typeBinaryEvent, "/b", "3", []string{`"a"`}, "", 2},
		"binary ack":                   {`61-4[{"_placeholder":true,"num":0}]`, typeBinaryAck, "/", "4", []string{`{"_placeholder":true,"num":0}`}, "", 1},
		"ten attachments":              {`510-["a"]`, typeBinaryEvent, "/", "", []string{`"a"`}, "", 10},
		"spaces inside are kept":       {`2["a", 1 ]`, typeEvent, "/", "", []string{`"a"`, `1`}, "", 0},
		"namespace with a query in it": {`0/chat?a=b,`, typeConnect, "/chat?a=b", "", nil, "", 0},
	} {
		p, err := decode([]byte(tc.in), nil)
		if err != nil {
			t.Errorf("%s: decode(%q): %v", name, tc.in, err)
			continue
		}
		var args []string
		for _, a := range p.args {
			args = append(args, string(a))
		}
		if p.kind != tc.kind || string(p.namespace) != tc.namespace || string(p.id) != tc.id ||
			strings.Join(args, " ") != strings.Join(tc.args, " ") || string(p.payload) != tc.payload || p.attachments != tc.count {
			t.Errorf("%s: decode(%q) = %c %q %q %q %q %d", name, tc.in, p.kind, p.namespace, p.id, args, p.payload, p.attachments)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                           ``,
		"unknown type":                      `7`,
		"letter":                            `x["a"]`,
		"event without payload (7)":         `2`,
		"event with ack id only (7)":        `21`,
		"ack that is an object":             `31{}`,
		"no attachments (9)":                `50-["a"]`,
		"no attachments of an ack (9)":      `60-1["a"]`,
		"event that is an object":           `2{}`,
		"event without a name":              `2[]`,
		"garbage behind (8)":                `2["a"]garbage`,
		"connect with an array (11)":        `0[]`,
		"connect with a string (11)":        `0"x"`,
		"connect with garbage (11)":         `0{"a":1}x`,
		"disconnect with payload":           `1["a"]`,
		"connect error":                     `4{"message":"x"}`,
		"binary without a count":            `5-["a"]`,
		"binary without a dash":             `51["a"]`,
		"binary cut short":                  `5`,
		"eleven attachments (9)":            `511-["a"]`,
		"ten million attachments (9)":       `510000000-["a"]`,
		"negative attachments (9)":          `5-1-["a"]`,
		"ack id of 10,000 digits":           `2` + strings.Repeat("1", 10_000) + `["a"]`,
		"namespace of 10,000 characters":    `0/` + strings.Repeat("n", 10_000) + `,`,
		"binary event whose payload is cut": `51-["a",{"_placeholder":true`,
	} {
		if p, err := decode([]byte(in), nil); err == nil {
			t.Errorf("%s: decode(%.40q) = %+v, want an error", name, in, p)
		}
	}
}

func TestEventNames(t *testing.T) {
	for raw, want := range map[string]string{
		`"a"`: "a", `""`: "", `"\u0061b"`: "ab", `"é"`: "é", `7`: "7", `-1.5`: "-1.5", `"error"`: "error",
	} {
		if got, err := eventName(json.RawMessage(raw)); err != nil || got != want {
			t.Errorf("eventName(%s) = %q, %v, want %q", raw, got, err, want)
		}
	}
	for name, raw := range map[string]string{
		"reserved (10)": `"connect"`, "reserved 2": `"disconnect"`, "reserved 3": `"newListener"`, "reserved, escaped": `"\u0063onnect"`,
		"reserved 4": `"connect_error"`, "reserved 5": `"disconnecting"`, "reserved 6": `"removeListener"`,
		"null": `null`, "object": `{}`, "array": `["a"]`, "true": `true`, "too long": `"` + strings.Repeat("x", 2000) + `"`,
	} {
		if got, err := eventName(json.RawMessage(raw)); err == nil {
			t.Errorf("%s: eventName(%.30s) = %q, want an error", name, raw, got)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	for name, tc := range map[string]struct {
		arg string
		ok  bool
	}{
		"in range":               {`{"a":[{"_placeholder":true,"num":1}]}`, true},
		"none":                   {`{"a":1}`, true},
		"not true":               {`{"_placeholder":1,"num":99}`, true},
		"out of range":           {`{"_placeholder":true,"num":2}`, false},
		"negative":               {`{"_placeholder":true,"num":-1}`, false},
		"a string":               {`{"_placeholder":true,"num":"splice"}`, false},
		"missing":                {`{"_placeholder":true}`, false},
		"a fraction":             {`{"_placeholder":true,"num":0.5}`, false},
		"hidden by an escape":    {`{"_pl\u0061ceholder":true,"num":9}`, false},
		"deep, and out of range": {`[[[{"x":{"_placeholder":true,"num":7}}]]]`, false},
	} {
		err := checkPlaceholders([]json.RawMessage{json.RawMessage(`"name"`), json.RawMessage(tc.arg)}, 2)
		if (err == nil) != tc.ok {
			t.Errorf("%s: checkPlaceholders(%s) = %v, want ok = %v", name, tc.arg, err, tc.ok)
		}
	}
}

// A packet that was decoded and is encoded again is the same packet.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{`0`, `0{"a":1}`, `1`, `2["a",1]`, `2/chat,12["a",{"b":[]}]`, `37["x"]`, `42`, `2`, `421`, `450-`,
		`51-["a",{"_placeholder":true,"num":0}]`, `61-1[]`, `44{"message":"x"}`, `2["\u0063onnect"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(data, nil)
		if err != nil {
			return
		}
		if p.kind != typeEvent {
			return
		}
		name, err := eventName(p.args[0])
		if err != nil {
			return
		}
		m := &hub.Message{Namespace: string(p.namespace), Event: name, RawEvent: p.args[0], Args: p.args[1:]}
		wire := EncodeEvent(m, string(p.id)).Parts()[0].Payload()
		again, err := decode(wire[1:], nil)
		if err != nil {
			t.Fatalf("decode(%q): %v, written for %q", wire, err, data)
		}
		if !bytes.Equal(again.namespace, p.namespace) || !bytes.Equal(again.id, p.id) || len(again.args) != len(p.args) {
			t.Fatalf("%q came back as %q", data, wire)
		}
		for i := range p.args {
			if !bytes.Equal(again.args[i], p.args[i]) {
				t.Fatalf("argument %d of %q came back as %q", i, data, again.args[i])
			}
		}
	})
}
