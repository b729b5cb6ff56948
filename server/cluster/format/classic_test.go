package format

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

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

func args(list ...string) []json.RawMessage {
	var out []json.RawMessage
	for _, s := range list {
		out = append(out, json.RawMessage(s))
	}
	return out
}

func texts(args []json.RawMessage) []string {
	var out []string
	for _, a := range args {
		out = append(out, string(a))
	}
	return out
}

// recorded are broadcasts that were recorded between Node servers, and by the Redis emitter.
var recorded = map[string]struct {
	wire   string
	want   Broadcast
	oneWay bool // Node's bytes cannot be ours: another order of keys, or a value that JSON does not have
}{
	"to all": {
		wire: `93a6632d6162725583a47479706502a46461746192a568656c6c6fa5776f726c64a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380`,
		want: Broadcast{UID: "c-abrU", Namespace: "/", Packet: Packet{Args: args(`"hello"`, `"world"`)}},
	},
	"to a room, numbers": {
		wire: `93a6632d6162725583a47479706502a46461746192a36d736784a16101a166cb3ff8000000000000a16ec0a3626967cf0000018bcfe56800
			a36e7370a12f83a5726f6f6d7391a5726f6f6d31a665786365707490a5666c61677380`,
		want: Broadcast{UID: "c-abrU", Namespace: "/", Rooms: []string{"room1"},
			Packet: Packet{Args: args(`"msg"`, `{"a":1,"f":1.5,"n":null,"big":1700000000000}`)}},
	},
	"to rooms, except, flags": {
		wire: `93a6632d6162725583a47479706502a46461746191a16da36e7370a12f83a5726f6f6d7392a5726f6f6d31a5726f6f6d32a665786365707491a178
			a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c2`,
		want: Broadcast{UID: "c-abrU", Namespace: "/", Rooms: []string{"room1", "room2"}, Except: []string{"x"},
			Flags: Flags{Volatile: true, Plain: true}, Packet: Packet{Args: args(`"m"`)}},
	},
	"emitter": {
		wire:   `93a7656d697474657283a47479706502a46461746192a568656c6c6f01a36e7370a12f83a5726f6f6d7390a5666c61677380a665786365707490`,
		want:   Broadcast{UID: "emitter", Namespace: "/", Packet: Packet{Args: args(`"hello"`, `1`)}},
		oneWay: true,
	},
	"emitter, bytes": {
		wire: `93a7656d697474657283a47479706502a46461746192a2686981a162c40109a36e7370a12f83a5726f6f6d7391a5726f6f6d31a5666c61677380a665786365707491a27a7a`,
		want: Broadcast{UID: "emitter", Namespace: "/", Rooms: []string{"room1"}, Except: []string{"zz"},
			Packet: Packet{Args: args(`"hi"`, `{"b":{"_placeholder":true,"num":0}}`), Attachments: [][]byte{{9}}}},
		oneWay: true,
	},
	"bytes": {
		wire: `93a6632d6162725583a47479706502a46461746192a362696ec4030102ffa36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380`,
		want: Broadcast{UID: "c-abrU", Namespace: "/",
			Packet: Packet{Args: args(`"bin"`, `{"_placeholder":true,"num":0}`), Attachments: [][]byte{{1, 2, 255}}}},
	},
	"date": {
		wire:   `93a6632d6162725583a47479706502a46461746192a164d7ff1d5353006553f100a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380`,
		want:   Broadcast{UID: "c-abrU", Namespace: "/", Packet: Packet{Args: args(`"d"`, `"2023-11-14T22:13:20.123Z"`)}},
		oneWay: true,
	},
	"undefined": {
		wire: `93a6632d6162725583a47479706502a46461746193a175c002a36e7370a12f83a5726f6f6d7390a665786365707490a5666c61677380`,
		want: Broadcast{UID: "c-abrU", Namespace: "/", Packet: Packet{Args: args(`"u"`, `null`, `2`)}},
	},
	"a room that is a number": {
		wire:   `93a6632d6162725583a47479706502a46461746191a16da36e7370a12f83a5726f6f6d73912aa665786365707490a5666c61677380`,
		want:   Broadcast{UID: "c-abrU", Namespace: "/", Rooms: []string{"42"}, Packet: Packet{Args: args(`"m"`)}},
		oneWay: true,
	},
}

func TestRecordedBroadcasts(t *testing.T) {
	for name, tt := range recorded {
		t.Run(name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			p, err := PeekClassic(wire)
			if err != nil {
				t.Fatalf("PeekClassic: %v", err)
			}
			got, err := p.Broadcast()
			if err != nil {
				t.Fatalf("Broadcast: %v", err)
			}
			if !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("decoded\n%+v, want\n%+v", *got, tt.want)
			}
			if tt.oneWay {
				return
			}
			again, err := AppendClassic(nil, &tt.want)
			if err != nil || string(again) != string(wire) {
				t.Errorf("AppendClassic = %x, %v, want %x", again, err, wire)
			}
		})
	}
}

func TestRecordedAsk(t *testing.T) {
	wire := unhex(t, `85a3756964a6632d61627255a9726571756573744964a6366c706a436aa47479706507a67061636b657483a47479706502a46461746192a361736b
		a171a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c61677381a774696d656f7574cd03e8`)
	b := Broadcast{UID: "c-abrU", RequestID: "6lpjCj", Namespace: "/", Flags: Flags{Timeout: time.Second},
		Packet: Packet{Args: args(`"ask"`, `"q"`)}}
	if got, err := AppendClassic(nil, &b); err != nil || string(got) != string(wire) {
		t.Errorf("AppendClassic = %x, %v, want %x", got, err, wire)
	}
}

func TestExtensionComesBack(t *testing.T) {
	b := Broadcast{UID: "c-abrU", Namespace: "/chat", Rooms: []string{"r", "user:42"}, Except: []string{"s"},
		Flags: Flags{Volatile: true, Plain: true, Timeout: 1500 * time.Millisecond, Single: true},
		Packet: Packet{
			Args:        args(`"\u0061"`, `{ "a" : [1.0, {"_placeholder":true,"num":1}] }`, `{"num":0,"_placeholder":true}`),
			Attachments: [][]byte{{1}, {2, 3}}},
		Ext: &Ext{RoomKinds: "ra", ExceptKinds: "s", Text: []byte(`{"x":"é"}`), SSE: []byte("data: x\n\n"), DeriveSSE: true,
			CountID: "c1", Node: "node", MessageID: "m1", Foreign: true}}
	wire, err := AppendClassic([]byte("before"), &b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := PeekClassic(wire[len("before"):])
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Broadcast()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, b) {
		t.Errorf("got\n%+v %+v, want\n%+v %+v", *got, *got.Ext, b, *b.Ext)
	}
}

// What emitters in PHP and Python write for an empty list or map is one.
func TestEmittersThatHaveNoEmptyListsOrMaps(t *testing.T) {
	const packet = "\x93\xa7emitter\x83\xa4type\x02\xa4data\x92\xa2ev\xa1x\xa3nsp\xa1/"
	for name, opts := range map[string]string{
		"PHP":             "\x82\xa5rooms\x90\xa5flags\x90",
		"Python":          "\x82\xa5rooms\xa0\xa5flags\xa0",
		"nothing":         "\x83\xa5rooms\xc0\xa5flags\xc0\xa6except\xc0",
		"no members":      "\x80",
		"PHP, no members": "\x90",
	} {
		p, err := PeekClassic([]byte(packet + opts))
		if err != nil || p.Rooms != nil || p.Except != nil || p.Flags != (Flags{}) {
			t.Errorf("%s: %+v, %v, want everybody", name, p, err)
		}
	}
	for name, opts := range map[string]string{"PHP": `[]`, "Python": `{"rooms":"","except":""}`, "nothing": `{"rooms":null,"except":null}`} {
		r, err := ParseClassicRequest([]byte(`{"type":4,"close":true,"opts":` + opts + `}`))
		if err != nil || r.Rooms != nil || r.Except != nil {
			t.Errorf("request of %s: %+v, %v, want everybody", name, r, err)
		}
	}
	for name, opts := range map[string]string{"a text": "\x81\xa5rooms\xa1a", "a number": "\x81\xa5rooms\x01", "a list": "\x91\x01"} {
		if p, err := PeekClassic([]byte(packet + opts)); err == nil {
			t.Errorf("%s in place of rooms is read as %+v", name, p)
		}
	}
}

func TestAppendClassicRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		args []json.RawMessage
		want error
	}{
		"no name":            {nil, ErrEvent},
		"an empty name":      {args(``), ErrEvent},
		"an object as name":  {args(`{}`), ErrEvent},
		"not JSON":           {args(`"a"`, `{"a":}`), rawjson.ErrSyntax},
		"no value":           {args(`"a"`, ``), rawjson.ErrSyntax},
		"two values":         {args(`"a"`, `1 2`), rawjson.ErrSyntax},
		"an open string":     {args(`"a"`, `"\`), rawjson.ErrSyntax},
		"a control in text":  {args(`"a"`, "\"\x01\""), rawjson.ErrSyntax},
		"a leading zero":     {args(`"a"`, `01`), rawjson.ErrSyntax},
		"a comma at the end": {args(`"a"`, `[1,]`), rawjson.ErrSyntax},
		"deep":               {args(`"a"`, strings.Repeat("[", rawjson.MaxDepth+1)+strings.Repeat("]", rawjson.MaxDepth+1)), rawjson.ErrDepth},
		"very deep":          {args(`"a"`, strings.Repeat(`{"a":`, 1<<20)), rawjson.ErrDepth},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AppendClassic([]byte("kept"), &Broadcast{Packet: Packet{Args: tt.args}})
			if !errors.Is(err, tt.want) || string(got) != "kept" {
				t.Errorf("AppendClassic = %q, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func BenchmarkClassic(b *testing.B) {
	payload := `{"id":"0192f5a3-7c1e-7b7e-9a55-3f6d1f0c2b11","from":"alice","room":"general","at":1700000000123,"text":"` +
		strings.Repeat("Hello there. ", 14) + `","tags":["a","b"],"n":12.5}`
	msg := Broadcast{UID: "c-abrU", Namespace: "/chat", Rooms: []string{"general"}, Packet: Packet{Args: args(`"message"`, payload)},
		Ext: &Ext{RoomKinds: "r", Node: "n-1", MessageID: "0192f5a3-7c1e"}}
	wire, err := AppendClassic(nil, &msg)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			if _, err := AppendClassic(nil, &msg); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peek", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			if _, err := PeekClassic(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("peek and packet", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(payload)))
		for b.Loop() {
			p, err := PeekClassic(wire)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := p.Packet(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
