package cluster

import (
	"testing"

	"signalbox/server/hub"
)

func TestUnknownKindsAreRefused(t *testing.T) {
	for _, kinds := range []string{"", "x", "ul", "a"} {
		if rooms, ok := new(Cluster).appendKinded(nil, "/", []string{"42"}, kinds); ok {
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
