package rooms_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"signalbox/handlers/message"
	"signalbox/handlers/rooms"
	"signalbox/handlers/testkit"
	"signalbox/server/hub"
)

func TestTranslateForeign(t *testing.T) {
	said := `{"id":"1","roomId":"tea","userId":7,"userName":"n","content":{"a": "\u003c"},"timestamp":`
	text := `{"type":"message","from":7,"content":{"a": "\u003c"},"timestamp":`
	for name, tc := range map[string]struct {
		room, event string
		args        []string
		text, sse   string
	}{
		"a message": {"tea", "message", []string{said + `"2023-11-14T22:13:20.123Z"}`},
			text + "1700000000123}", said + `"2023-11-14T22:13:20.123Z"}`},
		"in milliseconds": {"tea", "message", []string{said + `1700000000123}`}, text + "1700000000123}", said + `1700000000123}`},
		"in an exponent":  {"tea", "message", []string{said + `1.7e12}`}, text + "1700000000000}", said + `1.7e12}`},
		"before 1970":     {"tea", "message", []string{said + `-5}`}, text + "-5}", said + `-5}`},
		"at no time":      {"tea", "message", []string{`{"content":1}`}, `{"type":"message","content":1,"timestamp":NOW}`, `{"content":1}`},
		"at a bad time":   {"tea", "message", []string{`{"timestamp":"x"}`}, `{"type":"message","timestamp":NOW}`, `{"timestamp":"x"}`},
		"too late":        {"tea", "message", []string{`{"timestamp":1e99}`}, `{"type":"message","timestamp":NOW}`, `{"timestamp":1e99}`},
		"a list as time":  {"tea", "message", []string{`{"timestamp":[1]}`}, `{"type":"message","timestamp":NOW}`, `{"timestamp":[1]}`},
		"an empty one":    {"tea", "message", []string{`{}`}, `{"type":"message","timestamp":NOW}`, `{}`},
		"text alone":      {"tea", "message", []string{`"hi"`}, `{"type":"message","data":"hi"}`, `"hi"`},
		"nothing":         {"tea", "message", nil, `{"type":"message"}`, `null`},
		"to an account":   {"user:7", "message", []string{`{"content":1}`}, `{"type":"message","data":{"content":1}}`, `{"content":1}`},
		"who has come": {"t\"ea", "user_joined", []string{`{"userId":"u","userName":"n"}`},
			`{"type":"user_joined","userId":"u","room":"t\"ea"}`, `{"userId":"u","userName":"n"}`},
		"who has gone":       {"tea", "user_left", []string{`{"userId":[1]}`, `2`}, `{"type":"user_left","userId":[1],"room":"tea"}`, `{"userId":[1]}`},
		"nobody has gone":    {"tea", "user_left", []string{`{}`}, `{"type":"user_left","room":"tea"}`, `{}`},
		"nothing has gone":   {"tea", "user_left", []string{`null`}, `{"type":"user_left","data":null}`, `null`},
		"no data about it":   {"tea", "user_left", nil, `{"type":"user_left"}`, `null`},
		"about an account":   {"user:7", "user_left", []string{`{"userId":1}`}, `{"type":"user_left","data":{"userId":1}}`, `{"userId":1}`},
		"another event":      {"tea", "news", []string{"{\"a\":\n[1.0]}", `2`}, "{\"type\":\"news\",\"data\":{\"a\":\n[1.0]}}", `{"a":[1.0]}`},
		"a name with quotes": {"tea", `a"b<é`, []string{`1`}, `{"type":"a\"b<é","data":1}`, `1`},
		"typing":             {"tea", "user_typing", []string{`{"userId":1}`}, "", ""},
		"no more typing":     {"tea", "user_stopped_typing", []string{`{"userId":1}`}, "", ""},
		"no name":            {"tea", "", []string{`1`}, "", ""},
		"a reserved name":    {"tea", "connect_error", []string{`1`}, "", ""},
		"a line break":       {"tea", "a\ndata: b", []string{`1`}, "", ""},
		"a carriage return":  {"tea", "a\rb", []string{`1`}, "", ""},
		"no UTF-8":           {"tea", "a\xff", []string{`1`}, "", ""},
		"a very long name":   {"tea", strings.Repeat("x", 200), []string{`1`}, "", ""},
	} {
		msg := &hub.Message{Namespace: message.ChatNamespace, Event: tc.event}
		for _, a := range tc.args {
			msg.Args = append(msg.Args, json.RawMessage(a))
		}
		start := time.Now().UnixMilli()
		rooms.TranslateForeign(hub.RoomNamed(message.ChatNamespace, tc.room), msg)
		got := string(msg.Text)
		if strings.HasSuffix(tc.text, "NOW}") {
			var now struct{ Timestamp int64 }
			if json.Unmarshal(msg.Text, &now) != nil || now.Timestamp < start || now.Timestamp > time.Now().UnixMilli() {
				t.Errorf("%s: %s is not now", name, got)
			}
			got = testkit.MsPattern.ReplaceAllString(got, "NOW")
		}
		if got != tc.text {
			t.Errorf("%s: text %s, want %s", name, got, tc.text)
		}
		want := ""
		if tc.sse != "" {
			want = "event: " + tc.event + "\ndata: " + tc.sse + "\n\n"
		}
		if string(msg.SSE) != want {
			t.Errorf("%s: record %q, want %q", name, msg.SSE, want)
		}
	}
	for name, msg := range map[string]*hub.Message{
		"another namespace": {Namespace: "/", Event: "message", Args: []json.RawMessage{json.RawMessage(`{}`)}},
		"attachments": {Namespace: message.ChatNamespace, Event: "message", Attachments: [][]byte{{1}},
			Args: []json.RawMessage{json.RawMessage(`{"content":{"_placeholder":true,"num":0}}`)}},
	} {
		rooms.TranslateForeign(hub.Room{Kind: hub.KindRoom, Name: "tea"}, msg)
		if msg.Text != nil || msg.SSE != nil {
			t.Errorf("%s: got %s and %s", name, msg.Text, msg.SSE)
		}
	}
}

// What a Node server says in a room is heard at every door of every node.
func TestForeignMessagesAtEveryDoor(t *testing.T) {
	h := testkit.New(t)
	chat, text, watch := h.Chat(h.Token("ann")), h.WS(""), h.Watch("tea", h.Token("cat"))
	text.Say(`{"type":"join","room":"tea"}`)
	chat.Say("join_room", `"tea"`)
	text.Take()
	watch.Take()
	chat.Take()
	args := []json.RawMessage{json.RawMessage(`{"userId":7,"content":"hi","timestamp":"2023-11-14T22:13:20.123Z"}`)}
	msg := &hub.Message{Namespace: message.ChatNamespace, Event: "message", Args: args}
	rooms.TranslateForeign(hub.Room{Kind: hub.KindRoom, Name: "tea"}, msg)
	h.Hub.SendHere(hub.Room{Kind: hub.KindRoom, Name: "tea"}, msg)
	chat.Want(`message {"userId":7,"content":"hi","timestamp":"ISO"}`)
	text.Want(`{"type":"message","from":7,"content":"hi","timestamp":MS}`)
	watch.Want(`event: message | data: {"userId":7,"content":"hi","timestamp":"ISO"}`)
}

func FuzzTranslateForeign(f *testing.F) {
	f.Add("tea", "message", `{"userId":1,"content":2,"timestamp":3}`)
	f.Add("tea", "user_left", `{"userId":"x"}`)
	f.Add("user:", "a\nb", `[]`)
	f.Fuzz(func(t *testing.T, room, event, arg string) {
		if !json.Valid([]byte(arg)) {
			return
		}
		msg := &hub.Message{Namespace: message.ChatNamespace, Event: event, Args: []json.RawMessage{json.RawMessage(arg)}}
		rooms.TranslateForeign(hub.RoomNamed(message.ChatNamespace, room), msg)
		if msg.Text != nil {
			wantJSON(t, string(msg.Text))
		}
		if lines := strings.Split(strings.ReplaceAll(string(msg.SSE), "\r", "\n"), "\n"); msg.SSE != nil && len(lines) != 4 {
			t.Errorf("a record of %d lines: %q", len(lines), msg.SSE)
		}
	})
}
