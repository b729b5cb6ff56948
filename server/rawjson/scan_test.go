package rawjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestSplitArray(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []string // nil: refused
	}{
		"empty":                     {`[]`, []string{}},
		"spaces":                    {" [ 1 ,\t\"a\" \n, { } ] ", []string{`1`, `"a"`, `{ }`}},
		"numbers as they stand":     {`[1.0,1e2,-0,12345678901234567890]`, []string{`1.0`, `1e2`, `-0`, `12345678901234567890`}},
		"escapes as they stand":     {`["\u00e9\"\\\/","` + "é" + `"]`, []string{`"\u00e9\"\\\/"`, `"é"`}},
		"nested":                    {`["a",{"b":[1,{"c":null}],"d":true},[[]]]`, []string{`"a"`, `{"b":[1,{"c":null}],"d":true}`, `[[]]`}},
		"long string":               {`["` + strings.Repeat("x", 100) + `"]`, []string{`"` + strings.Repeat("x", 100) + `"`}},
		"nothing":                   {``, nil},
		"an object":                 {`{}`, nil},
		"not closed":                {`["a"`, nil},
		"rubbish behind":            {`["a"]x`, nil},
		"comma at the end":          {`["a",]`, nil},
		"comma at the end, object":  {`[{"a":1,}]`, nil},
		"no comma":                  {`["a" "b"]`, nil},
		"leading zero":              {`[01]`, nil},
		"plus":                      {`[+1]`, nil},
		"bare point":                {`[1.]`, nil},
		"bare exponent":             {`[1e]`, nil},
		"literal cut short":         {`[tru]`, nil},
		"key without quotes":        {`[{a:1}]`, nil},
		"key without value":         {`[{"a"}]`, nil},
		"crossed brackets":          {`[{"a":[}]]`, nil},
		"control character":         {"[\"a\nb\"]", nil},
		"control character, long":   {"[\"0123456789abcdef\x00\"]", nil},
		"unknown escape":            {`["\x"]`, nil},
		"unicode escape cut short":  {`["\u12"]`, nil},
		"backslash at the end":      {`["\`, nil},
		"a hundred thousand levels": {strings.Repeat("[", 100_000), nil},
		"NaN":                       {`[NaN]`, nil},
	} {
		got, err := Split([]byte(tc.in), nil)
		if (err == nil) != (tc.want != nil) {
			t.Errorf("%s: Split(%.40q) error = %v, want error %v", name, tc.in, err, tc.want == nil)
			continue
		}
		if err != nil {
			continue
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: Split(%.40q) = %q, want %q", name, tc.in, got, tc.want)
			continue
		}
		for i := range got {
			if string(got[i]) != tc.want[i] {
				t.Errorf("%s: element %d = %q, want %q", name, i, got[i], tc.want[i])
			}
		}
	}
}

func TestNestingStopsAtTheLimit(t *testing.T) {
	nested := func(n int) []byte {
		return []byte("[" + strings.Repeat("[", n) + strings.Repeat("]", n) + "]")
	}
	if _, err := Split(nested(MaxDepth), nil); err != nil {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
	if _, err := Split(nested(MaxDepth+1), nil); !errors.Is(err, ErrDepth) {
		t.Errorf("%d levels: %v, want ErrDepth", MaxDepth+1, err)
	}
}

func BenchmarkSplit(b *testing.B) {
	data := []byte(`["offer",{"recipientUserId":42,"senderUserId":17,"sdp":"v=0\r\no=- 46117 2 IN IP4 127.0.0.1","list":[1,2,3]}]`)
	args := make([]json.RawMessage, 0, 8)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Split(data, args[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
