package msgpack

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"signalbox/server/rawjson"
)

// FuzzUnpack reads any bytes. What is taken is JSON that can be written as msgpack, and is the same when it is read again.
func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{
		"93 c0 c2 c3", "9f", "82 a161 d40000 a162 82 a163 01 a164 d40000", "92 c40201ff c7030001 0203", "d700 0000018bcfe5687b", "d6ff 6553f100",
		"cfffffffffffffffff", "d38000000000000000", "cb7ff8000000000000", "ddffffffff00", "a5 61 ff c3 62 80", "86 0101 ff02 c203 c004 cb3ff800000000000005 cb7ff000000000000006",
		"81 ac5f706c616365686f6c646572 c3", "d40105", "81 d40000 01",
	} {
		f.Add(unhex(f, seed), true, false)
		f.Add(unhex(f, seed), false, true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, doubles, inline bool) {
		form := Form{Doubles: doubles, Inline: inline}
		value, attachments, err := form.Value(wire)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, rawjson.ErrDepth) {
				t.Fatalf("%x: %v", wire, err)
			}
			return
		}
		if rawjson.Check(value) != nil || !json.Valid(value) || !utf8.Valid(value) {
			t.Fatalf("%x became %q", wire, value)
		}
		if inline && attachments != nil {
			t.Fatalf("%x has attachments %x", wire, attachments)
		}
		if len(value) > 8*len(wire)+64*len(attachments)+64 && !inline {
			t.Fatalf("%d bytes became %d", len(wire), len(value))
		}
		p := NewPacker(nil, attachments)
		p.Doubles = doubles
		if err := p.Value(value); err != nil {
			t.Fatalf("%x became %q: %v", wire, value, err)
		}
		again, same, err := form.Value(p.Dst)
		if err != nil || string(again) != string(value) && p.RefersToAll() || len(same) != len(attachments) && p.RefersToAll() {
			t.Fatalf("%x became %q, then %q: %v", wire, value, again, err)
		}
	})
}

// FuzzPack writes JSON as clients get it. It is msgpack, also to another decoder, and says what JSON.parse gives.
func FuzzPack(f *testing.F) {
	for _, seed := range []string{
		`null`, `[true,false]`, `{"a":1,"a":2}`, `[9007199254740993,-9007199254740992,1.0,1e3,-0,1e400]`, `"\ud800x\ud83d\ude00\u00e9"`, ` [ 1 , {"":{}} ] `,
		`[` + strings.Repeat(`[1],`, 20) + `0]`, strings.Repeat("[", 20) + strings.Repeat("]", 20), `{"_placeholder":true,"num":0}`, `{"num":7,"_placeholder":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		p := NewPacker([]byte("x"), nil)
		p.Doubles = true
		if err := p.Value(value); err != nil {
			if json.Valid(value) && !errors.Is(err, rawjson.ErrDepth) {
				t.Fatalf("%q: %v", value, err)
			}
			return
		}
		var have, want any
		if !json.Valid(value) {
			t.Fatalf("%q is taken", value)
		}
		if json.Unmarshal(value, &want) != nil {
			return // a number out of range
		}
		if rest, err := msgp.Skip(p.Dst[1:]); err != nil || len(rest) > 0 || p.Dst[0] != 'x' {
			t.Fatalf("%q became %x: %v", value, p.Dst, err)
		}
		got, _, err := Form{Doubles: true}.Value(p.Dst[1:])
		if err != nil || json.Unmarshal(got, &have) != nil || !reflect.DeepEqual(have, want) {
			t.Fatalf("%q is read as %q, want %v: %v", value, got, want, err)
		}
	})
}
