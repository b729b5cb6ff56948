package msgpack

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"signalbox/server/rawjson"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUnpack(t *testing.T) {
	for name, tt := range map[string]struct{ wire, want string }{
		"every number":             {"9b 7f cc80 cdffff ceffffffff cfffffffffffffffff e0 d080 d18000 d280000000 d38000000000000000 d300000000000000ff", `[127,128,65535,4294967295,18446744073709551615,-32,-128,-32768,-2147483648,-9223372036854775808,255]`},
		"floats":                   {"96 ca3fc00000 cb3ff0000000000000 cb8000000000000000 cb7ff8000000000000 cb7ff0000000000000 cafff00000", `[1.5,1,0,null,null,null]`},
		"exponents":                {"94 cb4415af1d78b58c40 cb444b1ae4d6e2ef50 cb3eb0c6f7a0b5ed8d cb3e7ad7f29abcaf48", `[100000000000000000000,1e+21,0.000001,1e-7]`},
		"nil and booleans":         {"93 c0 c2 c3", `[null,false,true]`},
		"strings":                  {"94 a161 d90162 da000163 db0000000164", `["a","b","c","d"]`},
		"escapes":                  {"a9 22 5c 08 0c 0a 0d 09 1f 7f", `"\"\\\b\f\n\r\t\u001f` + "\x7f" + `"`},
		"line separators":          {"a6 e280a8 e280a9", "\"\u2028\u2029\""},
		"bytes that are not UTF-8": {"a5 61 ff c3 62 80", "\"a\ufffd\ufffdb\ufffd\""},
		"arrays":                   {"93 90 dc000101 dd0000000102", `[[],[1],[2]]`},
		"maps":                     {"93 80 de0001a16101 df00000001a16202", `[{},{"a":1},{"b":2}]`},
		"a key twice":              {"82 a16101 a16102", `{"a":1,"a":2}`},
		"keys of other types":      {"86 0101 ff02 c203 c004 cb3ff800000000000005 cb7ff000000000000006", `{"1":1,"-1":2,"false":3,"null":4,"1.5":5,"Infinity":6}`},
		"bytes":                    {"93 c400 c5000101 c600000002 0203", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`},
		"timestamp of 32 bits":     {"d6ff 6553f100", `"2023-11-14T22:13:20.000Z"`},
		"timestamp of 64 bits":     {"d7ff 1d5353006553f100", `"2023-11-14T22:13:20.123Z"`},
		"timestamp of 96 bits":     {"c70cff 3b8b87c0 fffffffffffffffe", `"1969-12-31T23:59:58.999Z"`},
		"a fraction before 1970":   {"c70cff 0007a120 ffffffffffffffff", `"1969-12-31T23:59:59.001Z"`},
		"a year beyond 9999":       {"c70cff 00000000 0000003afff44180", `"+010000-01-01T00:00:00.000Z"`},
		"a year before 0":          {"c70cff 00000000 fffffff1868b83ff", `"-000001-12-31T23:59:59.000Z"`},
		"no date any more":         {"92 c70cff 00000000 7fffffffffffffff c70cff 00000000 8000000000000000", `[null,null]`},
		"the last date":            {"92 c70cff 00000000 000007dba8218000 c70cff 000f4240 000007dba8218000", `["+275760-09-13T00:00:00.000Z",null]`},
		"a date of old":            {"d700 0000018bcfe5687b", `"2023-11-14T22:13:20.123Z"`},
		"undefined of old":         {"d40000", `null`},
		"undefined in a map":       {"82 a161 d40000 a162 82 a163 01 a164 d40000", `{"b":{"c":1}}`},
		"nothing but undefined":    {"81 a161 d40000", `{}`},
		"undefined in an array":    {"92 d40000 01", `[null,1]`},
		"ArrayBuffers of old":      {"93 c7030001 0203 c8000100 04 c7080001 02030405060708", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`},
		"other extensions":         {"93 d40105 d5000102 c703ff 000000", `[[1,{"_placeholder":true,"num":0}],[0,{"_placeholder":true,"num":1}],[-1,{"_placeholder":true,"num":2}]]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := (Form{}).Value(unhex(t, tt.wire))
			if err != nil || string(got) != tt.want {
				t.Errorf("Value(%s) = %s, %v, want %s", tt.wire, got, err, tt.want)
			}
		})
	}
}

// TestUnpackForms holds what is written another way where it is wanted.
func TestUnpackForms(t *testing.T) {
	wire := "95 c40201ff cf0020000000000001 cf0020000000000000 d38000000000000000 cfffffffffffffffff"
	want := `[{"type":"Buffer","data":[1,255]},9007199254740992,9007199254740992,-9223372036854776000,18446744073709552000]`
	got, attachments, err := Form{Doubles: true, Inline: true}.Value(unhex(t, wire))
	if string(got) != want || attachments != nil || err != nil {
		t.Errorf("%s = %s, %v, %v, want %s", wire, got, attachments, err, want)
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, wire := range map[string]string{
		"nothing":              "",
		"the code nobody uses": "c1",
		"two values":           "0101",
		"an extension as key":  "81d4000000",
		"an array as key":      "819000",
		"bytes as key":         "81c4000000",
		"a long array":         "ddffffffff00",
		"a long map":           "dfffffffff0000",
		"a long string":        "dbffffffff61",
		"long bytes":           "c6ffffffff61",
		"a long extension":     "c9ffffffff0061",
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, err := (Form{}).Value(unhex(t, wire)); !errors.Is(err, ErrFormat) {
				t.Errorf("Value(%s) = %s, %v, want ErrFormat", wire, got, err)
			}
		})
	}
	for name, wire := range map[string]string{"bytes": "\xc4\x00", "an extension": "\xd4\x01\x00", "a map": "\x80"} {
		full := strings.Repeat("\x91", rawjson.MaxDepth) + wire
		if _, _, err := (Form{}).Value([]byte(full)); !errors.Is(err, rawjson.ErrDepth) {
			t.Errorf("%s in the deepest array: %v, want rawjson.ErrDepth", name, err)
		}
	}
	deep := strings.Repeat("\x91", 1<<20)
	if _, _, err := (Form{}).Value([]byte(deep)); !errors.Is(err, rawjson.ErrDepth) {
		t.Errorf("deep: %v, want rawjson.ErrDepth", err)
	}
	c := Cursor{B: []byte(deep + "\x00")}
	if c.Skip(); !c.Done() {
		t.Error("skip stops at deep values")
	}
}
