package eio3

import (
	"bytes"
	"testing"

	"signalbox/server/wire"
)

func event(attachments ...[]byte) *wire.Message {
	b := wire.NewBuilder(8)
	b.Buf = append(b.Buf, "451-[]"...)
	return b.Message(attachments...)
}

// TestTypedIsMadeOnce: an event with bytes is typed once for a whole room, and its text stays that of the other clients.
func TestTypedIsMadeOnce(t *testing.T) {
	var typed Typed
	m := event([]byte{1, 2, 3}, nil)
	out := typed.Of(m)
	if typed.Of(m) != out {
		t.Error("it is typed twice")
	}
	parts := out.Parts()
	if &parts[0].Frame()[0] != &m.Parts()[0].Frame()[0] {
		t.Error("the text is copied")
	}
	if want := []byte{0x82, 4, 4, 1, 2, 3}; !bytes.Equal(parts[1].Frame(), want) || !bytes.Equal(parts[2].Frame(), []byte{0x82, 1, 4}) {
		t.Errorf("frames are %x and %x", parts[1].Frame(), parts[2].Frame())
	}
	if size := len(parts[0].Frame()) + 6 + 3; out.Size() != size {
		t.Errorf("the size is %d, want %d", out.Size(), size)
	}
	if got := m.Parts()[1].Frame(); !bytes.Equal(got, []byte{0x82, 3, 1, 2, 3}) {
		t.Errorf("what other clients get became %x", got)
	}
	others := make([]*wire.Message, 2*len(typed.made))
	for i := range others {
		others[i] = typed.Of(event([]byte{byte(i)}))
	}
	for i, other := range others {
		if got := other.Parts()[1].Payload(); got[1] != byte(i) {
			t.Errorf("message %d became %x", i, got)
		}
	}
}

func TestUntyped(t *testing.T) {
	for _, tc := range []struct {
		data   string
		binary bool
		want   string
		ok     bool
	}{
		{"\x04abc", true, "abc", true},
		{"\x04", true, "", true},
		{"", true, "", false},
		{"\x02", true, "", false},
		{"abc", true, "", false},
		{"b4AQID", false, "bAQID", true},
		{"bAQID", false, "", false},
		{"b", false, "", false},
		{"42[]", false, "42[]", true},
		{"", false, "", true},
	} {
		got, ok := Untyped([]byte(tc.data), tc.binary)
		if string(got) != tc.want || ok != tc.ok {
			t.Errorf("Untyped(%q, %v) = %q, %v", tc.data, tc.binary, got, ok)
		}
	}
	if got := InText(event([]byte{1, 2, 3})).Parts()[1].Payload(); string(got) != "b4AQID" {
		t.Errorf("in text it is %q", got)
	}
}
