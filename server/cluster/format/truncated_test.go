package format

import (
	"strings"
	"testing"
)

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

// TestRepeatsComeBack: an attachment that is named over and over is not written each time, and yet all of it arrives.
func TestRepeatsComeBack(t *testing.T) {
	attachment := make([]byte, 1<<15)
	for name, placeholder := range map[string]string{
		"as encoders write it": `{"_placeholder":true,"num":0}`,
		"another way":          `{"num":0,"_placeholder":true}`,
		"over another":         `{"num":0,"_placeholder":true,"x":{"_placeholder":true,"num":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			value := "[" + strings.Repeat(placeholder+",", 1000) + "1]"
			b := Broadcast{Packet: Packet{Args: args(`"event"`, value), Attachments: [][]byte{attachment, attachment}}}
			wire, err := AppendClassic(nil, &b)
			if err != nil {
				t.Fatal(err)
			}
			peeked, err := PeekClassic(wire)
			if err != nil {
				t.Fatal(err)
			}
			checkSame(t, &peeked, &b)
		})
	}
}
