package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

// samples are JSON values that msgpack gives back as they were, or that it does not.
var samples = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `127`, `128`, `255`, `256`, `65535`, `65536`, `4294967295`, `4294967296`, `-1`, `-32`, `-33`, `-128`, `-129`,
	`-32768`, `-32769`, `-2147483648`, `-2147483649`, `9007199254740993`, `-9007199254740993`, `9223372036854775807`, `9223372036854775808`,
	`18446744073709551615`, `18446744073709551616`, `-9223372036854775808`, `-9223372036854775809`, `100000000000000000000`, `1.5`, `1.0`, `1e3`, `1E+3`, `1e-7`,
	`1e21`, `1e+21`, `123456789012345680000`, `0.1`, `5e-324`, `1e400`, `-1e400`, `1.7976931348623157e+308`, `0.000001`, `0.30000000000000004`,
	`""`, `"a"`, `"é"`, `"\u00e9"`, `"\ud83d\ude00"`, `"😀"`, `"\ud800"`, `"\ud800x"`, `"\ud800\ud800"`, `"\udc00"`, `"\/"`, `"\u001f"`, `"\u001F"`, `"\u000a"`, `"\n\t\r\b\f\\\""`,
	`"\u2028"`, "\"\u2028\"", `"\u003cb\u003e"`, `"` + strings.Repeat("a", 31) + `"`, `"` + strings.Repeat("b", 32) + `"`, `"` + strings.Repeat("\\n", 255) + `"`,
	`"` + strings.Repeat("c", 256) + `"`, `"` + strings.Repeat("\\/", 65536) + `"`,
	`[]`, `{}`, `[ ]`, `{ }`, ` [1]`, "[1\n,2]", `{"a":1}`, `{"a": 1}`, `{"a":1,"a":2}`, `{"":{}}`, `{"__proto__":{"x":1}}`, `[[[[]]]]`,
	`[` + strings.Repeat(`0,`, 14) + `0]`, `[` + strings.Repeat(`0,`, 15) + `0]`, `[` + strings.Repeat(`[1],`, 65535) + `0]`,
	`{` + strings.Repeat(`"k":0,`, 15) + `"l":1}`, `{` + strings.Repeat(`"k":0,`, 70000) + `"l":1}`,
	`{"_placeholder":true,"num":0}`, `{"num":0,"_placeholder":true}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":00}`, `{"_placeholder":true,"num":2}`,
	`{"_placeholder":true,"num":0.5}`, `{"_placeholder":true,"num":1.0}`, `{"_placeholder":true,"num":-0}`, `{"_placeholder":true,"num":"0"}`, `{"_placeholder":1,"num":0}`,
	`{"_placeholder":true,"num":1,"x":{"_placeholder":true,"num":0}}`, `{"_placeholder":true,"_placeholder":false,"num":0}`,
	`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, `[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`,
	`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, `[{"_placeholder":true,"num":0},{"_placeholder":true, "num":1}]`,
}

func TestEverySampleComesBack(t *testing.T) {
	for _, sample := range samples {
		for n := range 3 {
			checkAppend(t, []byte(sample), n)
		}
	}
}

// FuzzAppend writes an argument in every mode, checks what a Node server would see, and reads it again.
func FuzzAppend(f *testing.F) {
	for _, sample := range samples {
		if len(sample) < 1000 {
			f.Add([]byte(sample), 2)
		}
	}
	f.Fuzz(func(t *testing.T, arg []byte, attachments int) { checkAppend(t, arg, attachments&3) })
}

func checkAppend(t *testing.T, arg []byte, attachments int) {
	t.Helper()
	b := Broadcast{UID: "abcdef", Namespace: "/a", Rooms: []string{"r"}, Packet: Packet{Args: []json.RawMessage{[]byte(`"event"`), arg}}, Ext: &Ext{RoomKinds: "u"}}
	for i := range attachments {
		b.Attachments = append(b.Attachments, []byte{byte(i), 0xff})
	}
	wire, err := AppendClassic(nil, &b)
	if err != nil {
		if json.Valid(arg) && !errors.Is(err, rawjson.ErrDepth) {
			t.Fatalf("AppendClassic(%q): %v", arg, err)
		}
		if _, fault := AppendSharded(nil, &b); fault == nil && attachments == 0 {
			t.Fatalf("AppendClassic(%q): %v, AppendSharded takes it", arg, err)
		}
		return
	}
	if !json.Valid(arg) {
		t.Fatalf("AppendClassic(%q) takes what is not JSON", arg)
	}
	checkNode(t, wire, &b)
	p, err := PeekClassic(wire)
	if err != nil {
		t.Fatalf("PeekClassic(%q): %v", arg, err)
	}
	if p.UID != b.UID || p.Namespace != b.Namespace || !reflect.DeepEqual(p.Rooms, b.Rooms) || !reflect.DeepEqual(p.Ext, b.Ext) {
		t.Fatalf("PeekClassic(%q) = %+v %+v", arg, p, p.Ext)
	}
	checkSame(t, &p, &b)

	if wire, err = AppendSharded(nil, &b); err != nil {
		t.Fatalf("AppendSharded(%q): %v", arg, err)
	}
	e, err := ParseSharded(wire)
	if err != nil || e.Broadcast == nil {
		t.Fatalf("ParseSharded(%q): %v", arg, err)
	}
	checkSame(t, e.Broadcast, &b)
}

// checkSame checks that the event of p is that of b byte for byte, where it is UTF-8.
func checkSame(t *testing.T, p *Peeked, b *Broadcast) {
	t.Helper()
	got, err := p.Packet()
	if err != nil {
		t.Fatalf("Packet of %q: %v", b.Args, err)
	}
	for _, arg := range got.Args {
		if !json.Valid(arg) || !utf8.Valid(arg) {
			t.Fatalf("%q came back as %q", b.Args, got.Args)
		}
	}
	if !utf8.Valid(b.Args[1]) {
		return
	}
	if len(got.Args) != 2 || string(got.Args[0]) != `"event"` || !bytes.Equal(got.Args[1], rawjson.TrimSpace(b.Args[1])) || !reflect.DeepEqual(got.Attachments, b.Attachments) {
		t.Fatalf("%q %x came back as %q %x", b.Args, b.Attachments, got.Args, got.Attachments)
	}
}

// checkNode reads wire with another decoder: it must be [string, map, map], and hold what JSON.parse gives.
func checkNode(t *testing.T, wire []byte, b *Broadcast) {
	t.Helper()
	v, rest, err := msgp.ReadIntfBytes(wire)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%q: wire %x: %v, %d bytes left", b.Args, wire, err, len(rest))
	}
	list, _ := v.([]any)
	if len(list) != 3 {
		t.Fatalf("%q: wire %x is %v", b.Args, wire, v)
	}
	uid, _ := list[0].(string)
	packet, _ := list[1].(map[string]any)
	opts, _ := list[2].(map[string]any)
	if uid != b.UID || packet == nil || opts == nil || packet["nsp"] != b.Namespace {
		t.Fatalf("%q: wire %x is %v", b.Args, wire, v)
	}
	data, _ := packet["data"].([]any)
	var want any
	if len(data) != 2 || data[0] != "event" {
		t.Fatalf("%q: data is %v", b.Args, data)
	}
	if json.Unmarshal(b.Args[1], &want) != nil {
		return // a number out of range
	}
	if got := plain(data[1]); !reflect.DeepEqual(got, inserted(want, b.Attachments)) {
		t.Fatalf("%q: a Node server reads %v, want %v", b.Args, got, want)
	}
}

// plain makes every number a float64.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// inserted puts attachments in the places of placeholders, as a client's parser does.
func inserted(v any, attachments [][]byte) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = inserted(v[i], attachments)
		}
	case map[string]any:
		if v["_placeholder"] == true {
			if num, ok := v["num"].(float64); ok && num >= 0 && num < float64(len(attachments)) && num == float64(int(num)) {
				return attachments[int(num)]
			}
			return v // it refers to nothing, and no client looks inside
		}
		for k := range v {
			v[k] = inserted(v[k], attachments)
		}
	}
	return v
}

func addWires(f *testing.F) {
	for _, tt := range recorded {
		f.Add(unhex(f, tt.wire))
	}
	for _, sample := range samples {
		if len(sample) > 1000 {
			continue
		}
		b := Broadcast{UID: "u", Namespace: "/", RequestID: "r", Packet: Packet{Args: args(`"e"`, sample), Attachments: [][]byte{{1}}}, Ext: &Ext{Text: []byte("t")}}
		if wire, err := AppendClassic(nil, &b); err == nil {
			f.Add(wire)
			wire, _ = AppendSharded(nil, &b)
			f.Add(wire)
		}
		b.RequestID, b.Attachments = "", nil
		if wire, err := AppendClassic(nil, &b); err == nil {
			f.Add(wire)
			wire, _ = AppendSharded(nil, &b)
			f.Add(wire)
		}
	}
	for _, wire := range []string{
		`{"type":4,"data":{"opts":{"rooms":["room1"],"except":[],"flags":{}},"rooms":["r9","r8"]},"uid":"f37993a481adb5cc","nsp":"/"}`,
		`{"uid":"c-abrU","requestId":"9SOVW0","type":6,"data":["ping2",5]}`,
		`{"type":2,"opts":{"rooms":["room1",1.5],"except":[],"sb":{"k":"r"}},"rooms":["r5"]}`,
		`{"type":12,"data":{"requestId":"444e2e7556e59161","packet":"ans-b:q","sb":{"o":"s","j":[1,2]}},"uid":"09c9f936efbe0d07","nsp":"/"}`,
		`{"type":8,"data":{"requestId":"50d3e06d4c2da1a8","sockets":[` + recordedSocket + `]},"uid":"09c9f936efbe0d07","nsp":"/"}`,
		`{"requestId":"fP_bOb","rooms":["a"]}`, `{"requestId":"fP_bOb","sockets":["a"]}`, `{"type":8,"requestId":"6lpjCj","clientCount":1}`,
		"\x83\xa4type\x09\xa9requestId\xa1a\xa6packet\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00",
		"\x84\xa4type\x09\xa9requestId\xa1a\xa6packet\xc7\x03\x00abc\xa2sb\x82\xa1o\xa1s\xa1j\x91\xc4\x011",
	} {
		f.Add([]byte(wire))
	}
}

// checkPeeked decodes an event, which must be JSON that can be written again.
func checkPeeked(t *testing.T, p *Peeked) {
	t.Helper()
	b, err := p.Broadcast()
	if err != nil {
		return
	}
	b.Event()
	for _, arg := range b.Args {
		if !json.Valid(arg) || !utf8.Valid(arg) {
			t.Fatalf("argument %q", arg)
		}
	}
	for name, appendIt := range map[string]func([]byte, *Broadcast) ([]byte, error){"classic": AppendClassic, "sharded": AppendSharded} {
		wire, err := appendIt(nil, b)
		if err != nil {
			t.Fatalf("%s: %+v: %v", name, b, err)
		}
		again, err := parseAny(wire, name == "classic")
		if err != nil {
			t.Fatalf("%s: %x: %v", name, wire, err)
		}
		got, err := again.Broadcast()
		if err != nil {
			t.Fatalf("%s: %x: %v", name, wire, err)
		}
		if !reflect.DeepEqual(texts(got.Args), texts(b.Args)) || len(got.Attachments) != len(b.Attachments) || len(got.Rooms) != len(b.Rooms) || got.Flags != b.Flags || got.RequestID != b.RequestID {
			t.Fatalf("%s: %+v came back as %+v", name, b, got)
		}
	}
}

func parseAny(wire []byte, classic bool) (*Peeked, error) {
	if !classic {
		e, err := ParseSharded(wire)
		return e.Broadcast, err
	}
	if p, err := PeekClassic(wire); err == nil {
		return &p, nil
	}
	r, err := ParseClassicRequest(wire)
	if err != nil {
		return nil, err
	}
	return r.Broadcast, nil
}

func FuzzPeekClassic(f *testing.F) {
	addWires(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		if p, err := PeekClassic(wire); err == nil {
			checkPeeked(t, &p)
		}
	})
}

func checkShardedRequest(t *testing.T, r *Request) {
	t.Helper()
	checkRequest(t, r, AppendShardedRequest, func(b []byte) (*Request, error) {
		e, err := ParseSharded(b)
		return e.Request, err
	})
}

func FuzzParseSharded(f *testing.F) {
	addWires(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		e, err := ParseSharded(wire)
		switch {
		case err != nil:
		case e.Broadcast != nil:
			checkPeeked(t, e.Broadcast)
		case e.Request != nil:
			checkShardedRequest(t, e.Request)
		case e.Response != nil:
			checkResponse(t, e.Response, AppendShardedResponse, func(b []byte) (*Response, error) {
				e, err := ParseSharded(b)
				return e.Response, err
			})
		}
	})
}

func FuzzParseClassicRequest(f *testing.F) {
	addWires(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		r, err := ParseClassicRequest(wire)
		switch {
		case err != nil || r.SID != "":
		case r.Broadcast != nil:
			checkPeeked(t, r.Broadcast)
		default:
			checkRequest(t, r, AppendClassicRequest, ParseClassicRequest)
		}
	})
}

func FuzzParseClassicResponse(f *testing.F) {
	addWires(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		if r, err := ParseClassicResponse(wire); err == nil {
			checkResponse(t, r, AppendClassicResponse, ParseClassicResponse)
		}
	})
}

// checkRequest writes what was read, and reads it again. Twice, for what is not UTF-8 has then become what is.
func checkRequest(t *testing.T, r *Request, write func([]byte, *Request) ([]byte, error), read func([]byte) (*Request, error)) {
	t.Helper()
	for range 2 {
		wire, err := write(nil, r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		again, err := read(wire)
		if err != nil {
			t.Fatalf("%q: %v", wire, err)
		}
		if again.Type != r.Type || again.Close != r.Close || !reflect.DeepEqual(texts(again.Args), texts(r.Args)) ||
			len(again.Rooms) != len(r.Rooms) || len(again.Names) != len(r.Names) || len(again.Attachments) != len(r.Attachments) {
			t.Fatalf("%+v came back as %+v", r, again)
		}
		r = again
	}
}

func checkResponse(t *testing.T, r *Response, write func([]byte, *Response) ([]byte, error), read func([]byte) (*Response, error)) {
	t.Helper()
	wire, err := write(nil, r)
	if errors.Is(err, ErrType) || r.Type == ResponseIDs && len(r.Rooms) == 0 {
		return
	}
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	again, err := read(wire)
	if err != nil {
		t.Fatalf("%q: %v", wire, err)
	}
	if r.Type == ResponseValue && len(r.Args) > 1 && len(again.Args) == 1 {
		again.Args, r.Args = nil, nil // a server answers with one value
	}
	if again.Type != r.Type || again.Count != r.Count || !reflect.DeepEqual(texts(again.Args), texts(r.Args)) ||
		len(again.Rooms) != len(r.Rooms) || len(again.Sockets) != len(r.Sockets) {
		t.Fatalf("%+v came back as %+v", r, again)
	}
}
