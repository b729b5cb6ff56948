package cluster

import (
	"testing"
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
