package rawjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// walk returns what Members finds in raw, and whether it is an object.
func walk(raw string) (map[string]string, bool) {
	m := Object([]byte(raw))
	found := make(map[string]string)
	for key, value, ok := m.Next(); ok; key, value, ok = m.Next() {
		found[string(key)] = string(value)
	}
	return found, m.Err() == nil
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
			got, ok := walk(c.in)
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
	for _, in := range []string{``, ` `, `[]`, `"{}"`, `1`, `null`, `{`, `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":"`, `{"a":"\`,
		`{"a":}`, `{,}`, `{"a":1]`, `{a:1}`, `{"a":1}}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":[}`} {
		if _, ok := walk(in); ok {
			t.Errorf("%q is an object", in)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	all := func(raw string) []Placeholder { return Placeholders(nil, []byte(raw)) }
	for name, tc := range map[string]struct {
		in   string
		want []int
	}{
		"none":                           {`{"a":[1,{"num":2}]}`, []int{}},
		"the argument itself":            {`{"_placeholder":true,"num":0}`, []int{0}},
		"deep inside":                    {`{"a":[{"b":{"_placeholder":true,"num":1}}]}`, []int{1}},
		"as they come":                   {`[{"_placeholder":true,"num":2},{"_placeholder":true,"num":0}]`, []int{2, 0}},
		"in any order":                   {`{"num":1,"x":{"num":3},"_placeholder":true}`, []int{1}},
		"not true":                       {`[{"_placeholder":false,"num":1},{"_placeholder":"true","num":1},{"_placeholder":1,"num":1}]`, []int{}},
		"no whole number":                {`[{"_placeholder":true,"num":"1"},{"_placeholder":true},{"_placeholder":true,"num":-1},{"_placeholder":true,"num":0.5}]`, []int{-1, -1, -1, -1}},
		"a number in other words":        {`[{"_placeholder":true,"num":1.0},{"_placeholder":true,"num":1e1},{"_placeholder":true,"num":-0}]`, []int{1, 10, 0}},
		"the last of equal keys, false":  {`{"_placeholder":true,"num":1,"_placeholder":false}`, []int{}},
		"the last of equal keys":         {`{"_placeholder":false,"num":3,"num":0,"_placeholder":true}`, []int{0}},
		"the last number is an object":   {`{"_placeholder":true,"num":1,"num":{}}`, []int{-1}},
		"the last is an object":          {`{"_placeholder":true,"_placeholder":{"_placeholder":1},"num":1}`, []int{}},
		"escaped keys":                   {`{"\u005fplaceholder":true,"n\u0075m":1}`, []int{1}},
		"a string that looks like one":   {`["{\"_placeholder\":true,\"num\":1}","_placeholder",true,"num",1]`, []int{}},
		"beyond any number":              {`{"_placeholder":true,"num":1e99}`, []int{-1}},
		"a value follows a string":       {`{"_placeholder":"x","num":1,"a":true}`, []int{}},
		"one inside another":             {`[{"_placeholder":true,"num":0},{"_placeholder":true,"x":[{"_placeholder":true,"num":3}],"num":1}]`, []int{0, 1}},
		"one inside what looks like one": {`{"num":0,"x":{"_placeholder":true,"num":3},"_placeholder":1}`, []int{3}},
	} {
		var got []int
		for _, p := range all(tc.in) {
			got = append(got, p.Num)
			if !strings.HasPrefix(tc.in[p.Start:p.End], "{") || !json.Valid([]byte(tc.in[p.Start:p.End])) {
				t.Errorf("%s: %q is no object", name, tc.in[p.Start:p.End])
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: Placeholders(%s) = %v, want %v", name, tc.in, got, tc.want)
		}
	}
}

func TestDeepValuesNeedNoStack(t *testing.T) {
	const depth = 1_000_000
	if got := Placeholders(nil, []byte(strings.Repeat(`[{"a":`, depth)+`{"_placeholder":true,"num":1}`+strings.Repeat(`}]`, depth))); len(got) != 1 {
		t.Errorf("Placeholders = %v, want one", got)
	}
	if got := string(AppendText(nil, []byte(strings.Repeat("[", depth)+"7"+strings.Repeat("]", depth)))); got != "7" {
		t.Errorf("AppendText = %.20q, want 7", got)
	}
}
