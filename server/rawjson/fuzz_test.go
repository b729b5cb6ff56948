package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"unicode/utf8"
)

// FuzzValue holds everything that reads JSON against encoding/json, which is as strict.
func FuzzValue(f *testing.F) {
	for in := range texts {
		f.Add([]byte(in))
	}
	for _, in := range []string{
		`["a",1]`, `[{"a":[1,2,{"b":"\u0041"}]}]`, `[1e5,-0.1,true,false,null,""]`, `[`, `[]x`, "[\"\x7f\xff\"]", ` { "a" : [1, {"a":2}] , "b":null } `,
		`{"a":1,"a":2}`, `{"\u0061":1}`, `{"a\\":"\\\\","b":"\\"}`, `{"":0}`, `{"_placeholder":true,"num":0}`, `{"num":1.0,"x":[{"_placeholder":true,"num":0}],"_placeholder":true}`,
		``, `-`, `"`, `"\`, `"\u12`, `"\ud800\u`, `"\ud800\u0041"`, `[}`, `[,]`, `]`, `{`, `1e`, `nul`, `[:]`, `{"a":1}}`, `{"a":}`, `{,}`, `{a:1}`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := Check(raw)
		list, splitErr := Split(raw, nil)
		m := Object(raw)
		members := make(map[string]json.RawMessage)
		for key, value, ok := m.Next(); ok; key, value, ok = m.Next() {
			members[string(key)] = value
		}
		m2 := Checked(raw)
		checked := make(map[string]json.RawMessage)
		for key, value, ok := m2.Next(); ok; key, value, ok = m2.Next() {
			checked[string(key)] = value
		}
		Fields(raw, "a", "b")
		found := Placeholders(nil, raw)
		text := string(AppendText(nil, raw))
		Text(raw)
		if string(AppendText([]byte("x"), raw)) != "x"+text {
			t.Fatalf("AppendText(%q) depends on what it appends to", raw)
		}
		if errors.Is(err, ErrDepth) {
			return
		}
		if valid := json.Valid(raw); valid != (err == nil) {
			t.Fatalf("Check(%q) = %v, but valid = %v", raw, err, valid)
		}
		value := TrimSpace(raw)
		if isArray := err == nil && value[0] == '['; isArray != (splitErr == nil) {
			t.Fatalf("Split(%q) = %v", raw, splitErr)
		}
		if isObject := err == nil && value[0] == '{'; isObject != (m.Err() == nil) || isObject != (CheckObject(raw) == nil) {
			t.Fatalf("Object(%q) = %v", raw, m.Err())
		}
		if err != nil {
			return
		}
		switch value[0] {
		case '[':
			checkSplit(t, raw, list)
		case '{':
			checkMembers(t, raw, members)
			checkMembers(t, raw, checked)
		case '"':
			checkString(t, value)
		}
		if len(value) == len(raw) && IsNumber(raw) {
			checkNumber(t, raw, text)
		}
		checkPlaceholders(t, raw, found)
	})
}

func checkSplit(t *testing.T, raw []byte, got []json.RawMessage) {
	var want []json.RawMessage
	if err := json.Unmarshal(raw, &want); err != nil || !slices.EqualFunc(got, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("Split(%q) = %q, want %q (%v)", raw, got, want, err)
	}
}

func checkMembers(t *testing.T, raw []byte, got map[string]json.RawMessage) {
	var want map[string]json.RawMessage
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatalf("Object took %q, encoding/json says %v", raw, err)
	}
	if !utf8.Valid(raw) {
		return // encoding/json replaces bytes in keys
	}
	if len(got) != len(want) {
		t.Fatalf("members of %q = %q, want %q", raw, got, want)
	}
	for key, value := range want {
		if !bytes.Equal(got[key], value) {
			t.Errorf("member %q of %q = %q, want %q", key, raw, got[key], value)
		}
	}
}

func checkString(t *testing.T, raw []byte) {
	var want string
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if got := string(Unquote(raw)); utf8.Valid(raw) && got != want {
		t.Errorf("Unquote(%q) = %q, want %q", raw, got, want)
	}
	if got, _ := Text(raw); utf8.ValidString(got) && utf8.Valid(raw) && got != want {
		t.Errorf("Text(%q) = %q, want %q", raw, got, want)
	}
	quoted := AppendString(nil, want)
	var back string
	if err := json.Unmarshal(quoted, &back); err != nil || back != want || Check(quoted) != nil {
		t.Errorf("AppendString(%q) = %s, which says %q (%v)", want, quoted, back, err)
	}
}

func checkNumber(t *testing.T, raw []byte, text string) {
	want, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return // beyond float64
	}
	if got, err := strconv.ParseFloat(text, 64); err != nil || got != want {
		t.Errorf("AppendText(%s) = %s, another number", raw, text)
	}
	if again := string(AppendText(nil, []byte(text))); again != text {
		t.Errorf("AppendText(%s) = %s, and of that %s", raw, text, again)
	}
	if got, err := NumberText(raw); err == nil && got != text {
		t.Errorf("NumberText(%s) = %s, want %s", raw, got, text)
	}
}

// checkPlaceholders compares with a search in decoded values, which does not know their order.
func checkPlaceholders(t *testing.T, raw []byte, found []Placeholder) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return // a number beyond float64
	}
	seen := make(map[int]int)
	countPlaceholders(v, seen)
	end := 0
	for _, p := range found {
		if p.Start < end || p.End <= p.Start || raw[p.Start] != '{' || raw[p.End-1] != '}' {
			t.Fatalf("Placeholders(%q) = %v", raw, found)
		}
		end = p.End
		seen[p.Num]--
	}
	for num, n := range seen {
		if n > 0 { // more may be found: those that equal keys hide
			t.Fatalf("Placeholders(%q) = %v: %d of number %d are missing", raw, found, n, num)
		}
	}
}

func countPlaceholders(v any, seen map[int]int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			countPlaceholders(e, seen)
		}
	case map[string]any:
		if v["_placeholder"] == true {
			num, ok := v["num"].(float64)
			if !ok || num < 0 || num >= math.MaxInt32 || num != math.Trunc(num) {
				num = -1
			}
			seen[int(num)]++
			return
		}
		for _, e := range v {
			countPlaceholders(e, seen)
		}
	}
}
