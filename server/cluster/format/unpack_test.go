package format

import (
	"errors"
	"strings"
	"testing"

	"signalbox/server/rawjson"
)

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
		"an ArrayBuffer of old":    {"93 c7030001 0203 d5000102 d600 01020304", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := unpackValue(unhex(t, tt.wire), false)
			if err != nil || string(got) != tt.want {
				t.Errorf("unpackValue(%s) = %s, %v, want %s", tt.wire, got, err, tt.want)
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, wire := range map[string]string{
		"nothing":                 "",
		"the code nobody uses":    "c1",
		"two values":              "0101",
		"an unknown extension":    "d40100",
		"a timestamp of 16 bytes": "d8ff" + strings.Repeat("00", 16),
		"a timestamp of 3 bytes":  "c703ff000000",
		"an array as key":         "819000",
		"bytes as key":            "81c4000000",
		"a long array":            "ddffffffff00",
		"a long map":              "dfffffffff0000",
		"a long string":           "dbffffffff61",
		"long bytes":              "c6ffffffff61",
		"a long extension":        "c9ffffffff0061",
	} {
		t.Run(name, func(t *testing.T) {
			if got, _, err := unpackValue(unhex(t, wire), false); !errors.Is(err, ErrFormat) {
				t.Errorf("unpackValue(%s) = %s, %v, want ErrFormat", wire, got, err)
			}
		})
	}
	deep := strings.Repeat("\x91", 1<<20)
	if _, _, err := unpackValue([]byte(deep), false); !errors.Is(err, rawjson.ErrDepth) {
		t.Errorf("deep: %v, want rawjson.ErrDepth", err)
	}
	c := cursor{b: []byte(deep + "\x00")}
	if c.skip(); !c.done() {
		t.Error("skip stops at deep values")
	}
}

// Whatever is cut off, and wherever, the rest is an error.
func TestTruncated(t *testing.T) {
	b := Broadcast{UID: "abcdef", Namespace: "/chat", RequestID: "r", Rooms: []string{"a", "b"}, Except: []string{"c"}, Flags: Flags{Timeout: 1e9},
		Packet: Packet{Args: args(`"e"`, `{"a":[1,300,70000,5000000000,-1,-300,1.5,null,true,"x",{"_placeholder":true,"num":0}], "b":1}`), Attachments: [][]byte{{1, 2, 3}}},
		Ext:    &Ext{RoomKinds: "ur", Text: []byte("text"), CountID: "c"}}
	ask, err := AppendClassic(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	sharded, err := AppendSharded(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	b.RequestID, b.Attachments = "", nil
	classic, err := AppendClassic(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	text, err := AppendSharded(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		wire []byte
		read func([]byte) error
	}{
		"broadcast":       {classic, func(b []byte) error { _, err := PeekClassic(b); return err }},
		"ask":             {ask, func(b []byte) error { _, err := ParseClassicRequest(b); return err }},
		"sharded":         {sharded, func(b []byte) error { _, err := ParseSharded(b); return err }},
		"sharded as JSON": {text, func(b []byte) error { _, err := ParseSharded(b); return err }},
	} {
		if err := tt.read(tt.wire); err != nil {
			t.Errorf("%s: whole: %v", name, err)
		}
		for n := range tt.wire {
			if err := tt.read(tt.wire[:n:n]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken", name, n, len(tt.wire))
			}
		}
		if err := tt.read(append(tt.wire[:len(tt.wire):len(tt.wire)], 'x')); err == nil {
			t.Errorf("%s: one byte more is taken", name)
		}
	}
}
