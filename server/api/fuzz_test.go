package api

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"unicode/utf8"

	"signalbox/server/hub"
)

// FuzzEmission holds the reading of bodies against encoding/json: what is taken is JSON in UTF-8, and what goes out is what
// the standard decoder finds in it, byte for byte.
func FuzzEmission(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"event":"e"}`, `{"event":"e",}`, `{"event" "e"}`, `{"event":"e"}{}`, `{"event":"e","event":"f"}`,
		`{"event":"e","args":[1,{"a":[]},null," "]}`, `{"event":"e","users":[1,"a",1e21,-0,1.5],"rooms":[]}`,
		`{"namespace":"/chat","event":"\u0065","except":{"users":["a"],"rooms":[1],"sockets":["x"]},"ack":true,"timeoutMs":7}`,
		`{"event":"e","except":["a",7]}`, "{\"event\":\"\xff\"}", `{"event":"\ud800"}`, `{"Event":"e"}`, `{"event":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEmission(body)
		if err != nil {
			if _, ok := err.(*fault); !ok {
				t.Fatalf("parseEmission(%q) = %v, which is no fault", body, err)
			}
			return
		}
		if len(bytes.TrimSpace(body)) > 0 && (!json.Valid(body) || !utf8.Valid(body)) {
			t.Fatalf("parseEmission took %q", body)
		}
		sel := e.selection()
		if (e.users != nil && len(*e.users) > 0 || e.rooms != nil && len(*e.rooms) > 0) && len(sel.Rooms) == 0 {
			t.Fatalf("%q selects everybody", body)
		}
		for _, r := range slices.Concat(sel.Rooms, sel.Except) {
			if e.namespace == "/" && r.Kind != hub.KindUser && r.Kind != hub.KindLobby && r.Kind != hub.KindSocket {
				t.Fatalf("%q on / selects %v", body, r)
			}
		}
		msg, err := e.message()
		if err != nil {
			return
		}
		var plain struct {
			Event json.RawMessage
			Args  []json.RawMessage
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("parseEmission took %q, encoding/json says %v", body, err)
		}
		if !bytes.Equal(msg.RawEvent, plain.Event) || len(msg.Args) != len(plain.Args) {
			t.Fatalf("%q became %s %s", body, msg.RawEvent, msg.Args)
		}
		for i := range msg.Args {
			if !bytes.Equal(msg.Args[i], plain.Args[i]) {
				t.Fatalf("%q: argument %d became %s", body, i, msg.Args[i])
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "YQ", "eg", cursorAt(hub.Room{Kind: hub.KindLobby, Name: "den"}), "!"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err == nil && c != nil && cursorAt(*c) == "" {
			t.Fatalf("parseCursor(%q) = %v", text, c)
		}
	})
}
