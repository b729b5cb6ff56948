package eio3

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestCutQuery(t *testing.T) {
	for packet, want := range map[string][2]string{
		"0/chat?token=a,":          {"0/chat,", "token=a"},
		"0/chat?token=a":           {"0/chat", "token=a"},
		"0/chat?":                  {"0/chat", ""},
		"0/chat,":                  {"0/chat,", ""},
		"0/?a=/,":                  {"0/,", "a=/"},
		"0":                        {"0", ""},
		"":                         {"", ""},
		`2["a","/chat?x,"]`:        {`2["a","/chat?x,"]`, ""},
		`2/chat,1["a?","b"]`:       {`2/chat,1["a?","b"]`, ""},
		`2/chat?a=1,1["a","b"]`:    {`2/chat,1["a","b"]`, "a=1"},
		`51-/chat?a=1,1["a"]`:      {`51-/chat,1["a"]`, "a=1"},
		`2,/chat?a`:                {`2,/chat?a`, ""},
		`0/chat?a=%2C%3F?,{"a":1}`: {`0/chat,{"a":1}`, "a=%2C%3F?"},
	} {
		bare, query := CutQuery([]byte(packet))
		if string(bare) != want[0] || string(query) != want[1] {
			t.Errorf("CutQuery(%q) = %q, %q, want %q", packet, bare, query, want)
		}
	}
}

func TestAuth(t *testing.T) {
	for query, want := range map[string]string{
		"":                           "",
		"token=a.b-c_d":              `{"token":"a.b-c_d"}`,
		"a=1&b=2&a=3":                `{"a":"3","b":"2"}`,
		"a&=x&&b=c=d":                `{"a":"","":"x","b":"c=d"}`,
		"a=h%C3%A9+x%20y":            `{"a":"h` + "\u00e9" + ` x y"}`,
		"a=%&b=%4&c=%zz&d=%ff&e=%22": `{"a":"%","b":"%4","c":"%zz","d":"` + "\ufffd" + `","e":"\""}`,
		"a=1;b=2":                    `{"a":"1;b=2"}`,
	} {
		if got, ok := Auth([]byte(query)); !ok || string(got) != want {
			t.Errorf("Auth(%q) = %s, %v, want %s", query, got, ok, want)
		}
	}
	for _, query := range []string{strings.Repeat("&", 100), "a=" + strings.Repeat("x", maxQueryBytes)} {
		if _, ok := Auth([]byte(query)); ok {
			t.Errorf("%d bytes, %.10q are taken", len(query), query)
		}
	}
}

func TestAppendError(t *testing.T) {
	for _, tc := range []struct{ message, data, want string }{
		{"not you", "", `"not you"`},
		{"not you", "null", `"not you"`},
		{"not you", "false", `"not you"`},
		{"not you", `""`, `"not you"`},
		{"not you", "-0.0", `"not you"`},
		{"not you", "7", "7"},
		{"not you", "[]", "[]"},
		{"not you", `{"code":7}`, `{"code":7}`},
		{"Invalid namespace", "null", `{"message":"Invalid namespace"}`},
	} {
		if got := AppendError(nil, tc.message, []byte(tc.data)); string(got) != tc.want {
			t.Errorf("AppendError(%q, %s) = %s, want %s", tc.message, tc.data, got, tc.want)
		}
	}
}

// FuzzAuth: every query is an object, and one that Go's parser takes says the same there.
func FuzzAuth(f *testing.F) {
	f.Add("0/chat?token=a%20b&c=%zz&&x")
	f.Add(`51-/chat?a=1,1["a"]`)
	f.Fuzz(func(t *testing.T, packet string) {
		bare, query := CutQuery([]byte(packet))
		if len(bare) > len(packet) || query == nil && string(bare) != packet {
			t.Fatalf("%q became %q", packet, bare)
		}
		payload, ok := Auth(query)
		if !ok || payload == nil {
			return
		}
		var auth map[string]string
		if err := json.Unmarshal(payload, &auth); err != nil {
			t.Fatalf("%q became %s: %v", query, payload, err)
		}
		values, err := url.ParseQuery(string(query))
		if err != nil {
			return
		}
		for name, list := range values {
			name, want := strings.ToValidUTF8(name, "?"), list[len(list)-1]
			if got, ok := auth[name]; ok && strings.ToValidUTF8(want, "") == want && got != want && !strings.Contains(name, "?") {
				t.Fatalf("%q: %q is %q, want %q", query, name, got, want)
			}
		}
	})
}
