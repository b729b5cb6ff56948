package client

import (
	"bytes"
	"strings"
	"testing"
)

func TestStampComesBack(t *testing.T) {
	t.Parallel()
	padding := []byte("xxxx")
	s := Stamp{Sender: 3, Seq: 12345, Due: 1_234_567_890_123, Intact: true}
	packet := AppendAddressed(nil, "bench-4", s, padding)
	if got, ok := ReadStamp(packet[2:], padding); !ok || got != s {
		t.Errorf("readStamp(%s) = %+v, %v, want %+v", packet, got, ok, s)
	}
}

func TestReadStamp(t *testing.T) {
	t.Parallel()
	good := Stamp{Sender: 3, Seq: 4, Due: 5, Intact: true}
	tests := map[string]struct {
		event string
		want  Stamp
		ok    bool
	}{
		"as sent":             {`["bench",{"recipientUserId":"u","s":3,"q":4,"t":5,"p":"xx"}]`, good, true},
		"members sorted":      {`["bench",{"p":"xx","q":4,"recipientUserId":"u","s":3,"t":5}]`, good, true},
		"padding cut":         {`["bench",{"s":3,"q":4,"t":5,"p":"x"}]`, Stamp{Sender: 3, Seq: 4, Due: 5}, true},
		"padding longer":      {`["bench",{"s":3,"q":4,"t":5,"p":"xxx"}]`, Stamp{Sender: 3, Seq: 4, Due: 5}, true},
		"no padding":          {`["bench",{"s":3,"q":4,"t":5}]`, Stamp{Sender: 3, Seq: 4, Due: 5}, true},
		"ends in the padding": {`["bench",{"s":3,"q":4,"t":5,"p":"xx`, Stamp{Sender: 3, Seq: 4, Due: 5}, true},
		"no number":           {`["bench",{"s":3,"q":"4","t":5,"p":"xx"}]`, Stamp{Sender: 3, Due: 5}, true},
		"ends in a number":    {`["bench",{"s":3,"t":5,"p":"xx","q":4`, good, true},
		"another event":       {`["users",[]]`, Stamp{}, false},
		"empty":               {``, Stamp{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := ReadStamp([]byte(tt.event), []byte("xx")); got != tt.want || ok != tt.ok {
				t.Errorf("readStamp(%s) = %+v, %v, want %+v, %v", tt.event, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func BenchmarkReadStamp(b *testing.B) {
	padding := bytes.Repeat([]byte{'x'}, 64)
	event := AppendAddressed(nil, "bench-4", Stamp{Sender: 3, Seq: 4, Due: 5}, padding)[2:]
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ReadStamp(event, padding); !ok {
			b.Fatal("not a message")
		}
	}
}

func TestReadRoomStamp(t *testing.T) {
	t.Parallel()
	padding := []byte("xxxx")
	packet := string(AppendRoomMessage(nil, "bench", Stamp{Sender: 3, Seq: 7, Due: 99}, padding))
	const begin, end = `42/chat,["message",{"roomId":"bench","content":`, `}]`
	content, ok := strings.CutPrefix(strings.TrimSuffix(packet, end), begin)
	if !ok {
		t.Fatalf("packet = %s", packet)
	}
	want := Stamp{Sender: 3, Seq: 7, Due: 99, Intact: true}
	for name, text := range map[string]string{
		"/chat":    `["message",{"id":"1","roomId":"bench","userId":"u","userName":"u","content":` + content + `,"timestamp":"now"}]`,
		"/ws":      `{"type":"message","from":"u","content":` + content + `,"timestamp":5}`,
		"a stream": `{"id":"1","roomId":"bench","userId":"u","userName":"u","content":` + content + `,"timestamp":"now"}`,
	} {
		if got, ok := ReadRoomStamp([]byte(text), padding); !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, ok, want)
		}
	}
	for _, text := range []string{`["user_joined",{"userId":"1"}]`, `{"type":"user_joined","userId":"1","room":"bench"}`, `{"userId":"1"}`, `{"type":"pong"}`, ``} {
		if got, ok := ReadRoomStamp([]byte(text), padding); ok {
			t.Errorf("%s is taken for a message: %+v", text, got)
		}
	}
	if got, ok := ReadRoomStamp([]byte(`["message",{}]`), padding); !ok || got.Intact {
		t.Errorf("a message of somebody else: %+v, %v, want one that is not intact", got, ok)
	}
}
