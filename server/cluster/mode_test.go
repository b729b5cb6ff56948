package cluster

import (
	"strings"
	"testing"

	"signalbox/store/redis/redistest"
)

// Servers of two modes on the same channels would talk past each other.
func TestAnotherModeIsSeen(t *testing.T) {
	options := map[string][]nodeOption{"classic": nil, "sharded": {sharded}, "streams": {streams}}
	for there, here := range map[string]string{"classic": "streams", "sharded": "streams", "streams": "classic"} {
		t.Run(there, func(t *testing.T) {
			s := redistest.Start(t)
			if !s.Real() {
				t.Skip("streams and sharded channels need a real Redis")
			}
			a := startNode(t, s, options[there]...)
			meet(t, a)
			if err := newNode(t, s, options[there]...).CheckMode(t.Context()); err != nil {
				t.Errorf("one of the same mode: %v", err)
			}
			if err := newNode(t, s, options[here]...).CheckMode(t.Context()); err == nil || !strings.Contains(err.Error(), there) {
				t.Errorf("CheckMode = %v, want that the others are %s", err, there)
			}
		})
	}
}
