package eio3

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecode(t *testing.T) {
	for _, tc := range []struct {
		body   string
		octets bool
		want   string // "": it is refused
	}{
		{"6:4hello", false, "4hello"},
		{"6:4test16:4test26:4test3", false, "4test1\x1e4test2\x1e4test3"},
		{"1:20:1:3", false, "2\x1e3"},
		{"5:4h\u00e9\u20acx", false, "4h\u00e9\u20acx"},
		{"3:4\U0001F600", false, "4\U0001F600"},
		{"6:4hello10:b4AQIDBA==", false, "4hello\x1ebAQIDBA=="},
		{"2:b4", false, "b"},

		{"", false, ""},
		{"abc", false, ""},
		{"0:", false, ""},
		{":4", false, ""},
		{"4hello", false, ""},
		{"7:4hello", false, ""},
		{"6:4hello5", false, ""},
		{"-1:4", false, ""},
		{"1.0:4", false, ""},
		{"99999999999999999999999:4", false, ""},
		{"9999999999:4", false, ""},
		{"2:4\U0001F600", false, ""}, // half of a character
		{"7:bAQIDBA", false, ""},
		{"1:b", false, ""},
		{"3:b2x", false, ""},
		{"5:4a\x1e4b", false, ""}, // nothing that version 3 has a packet end with

		{"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", true, "4hello\x1ebAQIDBA=="},
		{"\x00\x01\x00\xff4h\u00e9llo123", true, "4h\u00e9llo123"},
		{"\x00\x03\xff4\u00e9\x01\x01\xff\x04", true, "4\u00e9\x1eb"},

		{"\x00\x06\xff4hell", true, ""},
		{"\x00\xff4", true, ""},
		{"\x00\x06", true, ""},
		{"\x00\x0a\xff4123456789", true, ""},
		{"\x02\x01\xff4", true, ""},
		{"\x01\x00\xff", true, ""},
		{"\x01\x02\xff\x02x", true, ""},
		{"\x00" + strings.Repeat("\x09", 400) + "\xff4", true, ""},
		{"6:4hello", true, ""},
	} {
		got, ok := Decode([]byte(tc.body), tc.octets)
		if ok != (tc.want != "") || ok && string(got) != tc.want {
			t.Errorf("Decode(%q, %v) = %q, %v, want %q", tc.body, tc.octets, got, ok, tc.want)
		}
	}
}

func TestEncode(t *testing.T) {
	const photo = "bBAECAw==" // in base64, with the type before it
	for _, tc := range []struct {
		packets  string
		textOnly bool
		want     string
		octets   bool
	}{
		{`0{"sid":"x"}`, false, `12:0{"sid":"x"}`, false},
		{"42[\"a\"]\x1e6", false, `7:42["a"]1:6`, false},
		{"451-[]\x1e" + photo, false, "\x00\x06\xff451-[]\x01\x04\xff\x04\x01\x02\x03", true},
		{"4h\u00e9", false, "\x00\x04\xff4h\u00e9", true},
		{"451-[]\x1e" + photo, true, "6:451-[]6:b4AQID", false},
		{"4h\u00e9\x1eb4AQID\x1e4\U0001F600", true, "3:4h\u00e96:b4AQID3:4\U0001F600", false},
		{strings.Repeat("4", 100) + "\x1e" + photo, false, "\x00\x01\x00\x00\xff" + strings.Repeat("4", 100) + "\x01\x04\xff\x04\x01\x02\x03", true},
	} {
		got, octets := Encode([]byte(tc.packets), tc.textOnly)
		if string(got) != tc.want || octets != tc.octets {
			t.Errorf("Encode(%q, %v) = %q, %v, want %q", tc.packets, tc.textOnly, got, octets, tc.want)
		}
	}
}

// FuzzDecode: decoding never panics, takes no more than there is, and what it returned is encoded to what it returns again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"6:4hello", "3:4\U0001F6000:1:2", "10:b4AQIDBA==", "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "\x01\x01\xff\x04", "9999999999:", "2:b4", "1:\xff"} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, octets bool) {
		packets, ok := Decode(bytes.Clone(body), octets)
		if !ok {
			return
		}
		if len(packets) > 2*len(body) || !octets && len(packets) > len(body) {
			t.Fatalf("%d bytes became %d", len(body), len(packets))
		}
		if !utf8.Valid(packets) {
			return // the engine refuses it
		}
		for _, textOnly := range []bool{false, true} {
			typed := typedAgain(packets)
			if typed == nil {
				return
			}
			encoded, bytesToo := Encode(typed, textOnly)
			if textOnly && bytesToo {
				t.Fatal("bytes for a client that takes none")
			}
			if again, ok := Decode(encoded, bytesToo); !ok || !bytes.Equal(again, packets) {
				t.Fatalf("%q became %q", packets, again)
			}
		}
	})
}

// typedAgain returns packets as the engine queues them; nil where they hold base64 that it does not write.
func typedAgain(packets []byte) []byte {
	var out [][]byte
	for p := range bytes.SplitSeq(packets, []byte{separator}) {
		if p[0] == packetBinary {
			content, err := base64.StdEncoding.DecodeString(string(p[1:]))
			if err != nil || base64.StdEncoding.EncodeToString(content) != string(p[1:]) {
				return nil
			}
			p = base64.StdEncoding.AppendEncode([]byte{packetBinary}, append([]byte{typeByte}, content...))
		}
		out = append(out, p)
	}
	return bytes.Join(out, []byte{separator})
}
