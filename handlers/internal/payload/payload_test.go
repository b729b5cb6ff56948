package payload

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// objects are arguments as clients send them, and broken ones.
var objects = []string{
	`{}`, `{"a":1}`, `{"recipientUserId":1,"senderUserId":"x"}`, ` { "recipientUserId" : [1, {"a":2}] , "b":null } `,
	`{"recipientUserId":1,"recipientUserId":2}`, `{"recipientUser\u0049d":1}`, `{"a":{"recipientUserId":1}}`,
	`{"a":"\"recipientUserId\":1","senderUserId":true}`, `{"a\\":"\\\\","recipientUserId":"\\"}`, `{"":0}`,
	`{"recipientUserId":{"_placeholder":true,"num":0}}`, `[1,2]`, `"x"`, `7`, `null`, ``,
	`{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":"`, `{"a":"\`, `{"a":}`, `{,}`, `{"a":1]`, `{a:1}`, `{"a":1}}`,
}

// walkMembers returns what members finds in raw, by the text of the key.
func walkMembers(raw string) (map[string]string, bool) {
	walk, ok := MembersOf([]byte(raw))
	found := make(map[string]string)
	for {
		key, value, ok := walk.Next()
		if !ok {
			break
		}
		found[string(appendUnescaped(nil, key))] = string(value)
	}
	return found, ok
}

func TestMembers(t *testing.T) {
	cases := map[string]struct {
		in   string
		want map[string]string
	}{
		"every kind of value": {
			`{"s":"x","n":-1.5e3,"t":true,"f":false,"z":null,"o":{"a":{"b":[]}},"l":[1,[2],"]"]}`,
			map[string]string{"s": `"x"`, "n": "-1.5e3", "t": "true", "f": "false", "z": "null", "o": `{"a":{"b":[]}}`, "l": `[1,[2],"]"]`},
		},
		"space everywhere":         {" \t\r\n{ \"a\" \n:\t1 , \"b\":[ 1 , 2 ] } ", map[string]string{"a": "1", "b": "[ 1 , 2 ]"}},
		"brackets inside a string": {`{"a":"}]{[,:\"","b":"\\"}`, map[string]string{"a": `"}]{[,:\""`, "b": `"\\"`}},
		"the last of equal keys":   {`{"a":1,"\u0061":2}`, map[string]string{"a": "2"}},
		"an escaped quote in a key": {`{"a\"b":1,"\\":2}`,
			map[string]string{`a"b`: "1", `\`: "2"}},
		"nothing": {`{}`, map[string]string{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := walkMembers(c.in)
			if !ok || len(got) != len(c.want) {
				t.Fatalf("members of %s = %q, %v, want %q", c.in, got, ok, c.want)
			}
			for k, v := range c.want {
				if got[k] != v {
					t.Errorf("member %q = %s, want %s", k, got[k], v)
				}
			}
		})
	}
	for _, in := range []string{``, ` `, `[]`, `"{}"`, `1`, `null`} {
		if _, ok := walkMembers(in); ok {
			t.Errorf("%q is an object", in)
		}
	}
}

func TestMembersOfDeepValueNeedNoStack(t *testing.T) {
	const depth = 1_000_000
	got, _ := walkMembers(`{"a":` + strings.Repeat(`[{"a":`, depth) + `1` + strings.Repeat(`}]`, depth) + `,"recipientUserId":1}`)
	if got["recipientUserId"] != "1" {
		t.Errorf("recipientUserId = %s, want 1", got["recipientUserId"])
	}
}

func FuzzMembers(f *testing.F) {
	for _, in := range objects {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, isObject := walkMembers(raw)
		if n := placeholders([]byte(raw), 3); n < 0 || n > 3 {
			t.Errorf("placeholders(%q) = %d, want 0 to 3", raw, n)
		}
		if !json.Valid([]byte(raw)) || !utf8.ValidString(raw) {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(raw), &want); err != nil || want == nil {
			if isObject {
				t.Errorf("%q is an object", raw)
			}
			return
		}
		for key := range got {
			if !utf8.ValidString(key) {
				return // half a surrogate pair, which encoding/json replaces
			}
		}
		if len(got) != len(want) {
			t.Fatalf("members of %q = %q, want %q", raw, got, want)
		}
		for key, value := range want {
			if got[key] != string(value) {
				t.Errorf("member %q of %q = %q, want %q", key, raw, got[key], value)
			}
		}
	})
}

func TestPlaceholders(t *testing.T) {
	cases := map[string]struct {
		in   string
		want int
	}{
		"none":                          {`{"a":[1,{"num":2}]}`, 0},
		"the argument itself":           {`{"_placeholder":true,"num":0}`, 1},
		"deep inside":                   {`{"a":[{"b":{"_placeholder":true,"num":1}}]}`, 2},
		"the highest counts":            {`[{"_placeholder":true,"num":2},{"_placeholder":true,"num":0}]`, 3},
		"in any order":                  {`{"num":1,"x":{"num":3},"_placeholder":true}`, 2},
		"not true":                      {`[{"_placeholder":false,"num":1},{"_placeholder":"true","num":1},{"_placeholder":1,"num":1}]`, 0},
		"no number":                     {`[{"_placeholder":true,"num":"1"},{"_placeholder":true},{"_placeholder":true,"num":-1}]`, 0},
		"the last of equal keys, false": {`{"_placeholder":true,"num":1,"_placeholder":false}`, 0},
		"the last of equal keys":        {`{"_placeholder":false,"num":3,"num":0,"_placeholder":true}`, 1},
		"a later value is an object":    {`{"_placeholder":true,"num":1,"num":{}}`, 2},
		"escaped keys":                  {`{"\u005fplaceholder":true,"n\u0075m":1}`, 2},
		"a string that looks like one":  {`["{\"_placeholder\":true,\"num\":1}","_placeholder",true,"num",1]`, 0},
		"more than there are":           {`{"_placeholder":true,"num":9}`, 4},
		"beyond any number":             {`{"_placeholder":true,"num":1e99}`, 0},
		"a value follows a string":      {`{"_placeholder":"x","num":1,"a":true}`, 0},
	}
	for name, c := range cases {
		if got := placeholders([]byte(c.in), 4); got != c.want {
			t.Errorf("%s: placeholders(%s) = %d, want %d", name, c.in, got, c.want)
		}
	}
}
