package bench

import (
	"bytes"
	"strings"
	"testing"
)

func TestStampComesBack(t *testing.T) {
	t.Parallel()
	padding := []byte("xxxx")
	s := stamp{sender: 3, seq: 12345, due: 1_234_567_890_123, intact: true}
	packet := appendAddressed(nil, "bench-4", s, padding)
	if got, ok := readStamp(packet[2:], padding); !ok || got != s {
		t.Errorf("readStamp(%s) = %+v, %v, want %+v", packet, got, ok, s)
	}
}

func TestReadStamp(t *testing.T) {
	t.Parallel()
	good := stamp{sender: 3, seq: 4, due: 5, intact: true}
	tests := map[string]struct {
		event string
		want  stamp
		ok    bool
	}{
		"as sent":             {`["bench",{"recipientUserId":"u","s":3,"q":4,"t":5,"p":"xx"}]`, good, true},
		"members sorted":      {`["bench",{"p":"xx","q":4,"recipientUserId":"u","s":3,"t":5}]`, good, true},
		"padding cut":         {`["bench",{"s":3,"q":4,"t":5,"p":"x"}]`, stamp{sender: 3, seq: 4, due: 5}, true},
		"padding longer":      {`["bench",{"s":3,"q":4,"t":5,"p":"xxx"}]`, stamp{sender: 3, seq: 4, due: 5}, true},
		"no padding":          {`["bench",{"s":3,"q":4,"t":5}]`, stamp{sender: 3, seq: 4, due: 5}, true},
		"ends in the padding": {`["bench",{"s":3,"q":4,"t":5,"p":"xx`, stamp{sender: 3, seq: 4, due: 5}, true},
		"no number":           {`["bench",{"s":3,"q":"4","t":5,"p":"xx"}]`, stamp{sender: 3, due: 5}, true},
		"ends in a number":    {`["bench",{"s":3,"t":5,"p":"xx","q":4`, good, true},
		"another event":       {`["users",[]]`, stamp{}, false},
		"empty":               {``, stamp{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := readStamp([]byte(tt.event), []byte("xx")); got != tt.want || ok != tt.ok {
				t.Errorf("readStamp(%s) = %+v, %v, want %+v, %v", tt.event, got, ok, tt.want, tt.ok)
			}
		})
	}
}

func BenchmarkReadStamp(b *testing.B) {
	padding := bytes.Repeat([]byte{'x'}, 64)
	event := appendAddressed(nil, "bench-4", stamp{sender: 3, seq: 4, due: 5}, padding)[2:]
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := readStamp(event, padding); !ok {
			b.Fatal("not a message")
		}
	}
}

func TestReadRoomStamp(t *testing.T) {
	t.Parallel()
	padding := []byte("xxxx")
	packet := string(appendRoomMessage(nil, "bench", stamp{sender: 3, seq: 7, due: 99}, padding))
	const begin, end = `42/chat,["message",{"roomId":"bench","content":`, `}]`
	content, ok := strings.CutPrefix(strings.TrimSuffix(packet, end), begin)
	if !ok {
		t.Fatalf("packet = %s", packet)
	}
	want := stamp{sender: 3, seq: 7, due: 99, intact: true}
	for name, text := range map[string]string{
		"/chat":    `["message",{"id":"1","roomId":"bench","userId":"u","userName":"u","content":` + content + `,"timestamp":"now"}]`,
		"/ws":      `{"type":"message","from":"u","content":` + content + `,"timestamp":5}`,
		"a stream": `{"id":"1","roomId":"bench","userId":"u","userName":"u","content":` + content + `,"timestamp":"now"}`,
	} {
		if got, ok := readRoomStamp([]byte(text), padding); !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, ok, want)
		}
	}
	for _, text := range []string{`["user_joined",{"userId":"1"}]`, `{"type":"user_joined","userId":"1","room":"bench"}`, `{"userId":"1"}`, `{"type":"pong"}`, ``} {
		if got, ok := readRoomStamp([]byte(text), padding); ok {
			t.Errorf("%s is taken for a message: %+v", text, got)
		}
	}
	if got, ok := readRoomStamp([]byte(`["message",{}]`), padding); !ok || got.intact {
		t.Errorf("a message of somebody else: %+v, %v, want one that is not intact", got, ok)
	}
}
