package cluster

import (
	"testing"

	"signalbox/server/hub"
)

func TestWireName(t *testing.T) {
	for room, want := range map[hub.Room][2]string{
		{Kind: hub.KindUser, Name: "42"}:     {"/", "42"},
		{Kind: hub.KindLobby, Name: "lobby"}: {"/", "lobby"},
		{Kind: hub.KindRoom, Name: "a#b"}:    {"/chat", "a#b"},
		{Kind: hub.KindAccount, Name: "42"}:  {"/chat", "user:42"},
		{Kind: hub.KindTopic, Name: "tap"}:   {"", "tap"},
		hub.NamespaceRoom("/x", "r\x00s"):    {"/x", "r\x00s"},
		hub.SocketRoom("/", "abc"):           {"/", "abc"},
	} {
		namespace, name := wireName(room)
		if namespace != want[0] || name != want[1] {
			t.Errorf("wireName(%v) = %q, %q, want %q", room, namespace, name, want)
		}
		back, ok := roomOf(namespace, name, letters[room.Kind])
		if !ok || back != room {
			t.Errorf("roomOf(%q, %q) = %v, %v, want %v", namespace, name, back, ok, room)
		}
	}
}

// Every kind that a server without kinds may mean by a name is among those it is taken for.
func TestBareNames(t *testing.T) {
	for _, room := range []hub.Room{
		{Kind: hub.KindUser, Name: "42"}, {Kind: hub.KindLobby, Name: "42"}, {Kind: hub.KindRoom, Name: "42"},
		{Kind: hub.KindAccount, Name: "42"}, hub.NamespaceRoom("/", "42"), hub.NamespaceRoom("/chat", "user:42"),
		hub.NamespaceRoom("/x", "y"), hub.SocketRoom("/", sid("s")),
	} {
		namespace, name := wireName(room)
		found := false
		for _, r := range appendRooms(nil, namespace, name) {
			found = found || r == room
			if n, w := wireName(r); n != namespace || w != name {
				t.Errorf("%q in %q is taken for %v, which is %q in %q", name, namespace, r, w, n)
			}
		}
		if !found {
			t.Errorf("%q in %q is not taken for %v", name, namespace, room)
		}
	}
}

func TestUnknownKindsAreRefused(t *testing.T) {
	for _, kinds := range []string{"", "x", "ul", "a"} {
		if rooms, ok := appendKinded(nil, "/", []string{"42"}, kinds); ok {
			t.Errorf("appendKinded(42, %q) = %v, want a refusal", kinds, rooms)
		}
	}
}

func TestEscapeGlob(t *testing.T) {
	for text, want := range map[string]string{"socket.io#/#": "socket.io#/#", `a*b?[c]\`: `a\*b\?\[c\]\\`} {
		if got := escapeGlob(text); got != want {
			t.Errorf("escapeGlob(%q) = %q, want %q", text, got, want)
		}
	}
}

// Nodes of different builds must agree on slots: these numbers never change.
func TestSlots(t *testing.T) {
	seen := make(map[uint16]int)
	for i := range 100_000 {
		seen[slotOf(hub.Room{Kind: hub.KindUser, Name: string(rune('a'+i%26)) + string(rune(i))})]++
	}
	if len(seen) < slots*9/10 {
		t.Errorf("100,000 rooms are in %d slots, want nearly all of %d", len(seen), slots)
	}
	if a, b := slotOf(hub.Room{Kind: hub.KindUser, Name: "42"}), slotOf(hub.Room{Kind: hub.KindLobby, Name: "42"}); a == b {
		t.Errorf("user 42 and chat room 42 share slot %d", a)
	}
	if got := slotOf(hub.Room{Kind: hub.KindUser, Name: "42"}); got != 1347 {
		t.Errorf("user 42 is in slot %d, was in 1347", got)
	}
}
