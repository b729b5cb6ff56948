package rooms

import (
	"fmt"
	"testing"
	"time"

	"signalbox/store"
)

func TestShares(t *testing.T) {
	var s shares
	s.bound(store.HistoryLimits{Messages: 80, Bytes: 8000})
	now := time.Unix(1_000_000, 0)
	count := func(sender string, n, bytes int) (kept int) {
		for range n {
			if s.take(sender, bytes, now) {
				kept++
			}
		}
		return kept
	}
	for name, c := range map[string]struct {
		bytes, want int
	}{
		"many small messages":  {1, 10},
		"a few large messages": {300, 3},
		"one too large":        {1001, 0},
	} {
		if got := count(name, 100, c.bytes); got != c.want {
			t.Errorf("%s: %d of 100 are kept, want %d", name, got, c.want)
		}
		if got := count("another sender of "+name, 1, 1); got != 1 {
			t.Errorf("%s: another sender's message is not kept", name)
		}
	}
	now = now.Add(shareTime / 2)
	if got := count("many small messages", 100, 1); got != 5 {
		t.Errorf("half of the time later %d are kept, want 5", got)
	}
}

func TestSharesAreBounded(t *testing.T) {
	var s shares
	s.bound(store.HistoryLimits{Messages: 80, Bytes: 8000})
	now := time.Unix(1_000_000, 0)
	for i := range maxSenders + 1000 {
		s.take(fmt.Sprint(i), 1, now)
	}
	if n := len(s.senders); n > maxSenders {
		t.Errorf("%d senders are remembered, want at most %d", n, maxSenders)
	}
	now = now.Add(shareTime)
	for i := range maxSenders {
		s.take(fmt.Sprint("later ", i), 1, now)
	}
	if n := len(s.senders); n > maxSenders {
		t.Errorf("%d senders are remembered, want at most %d", n, maxSenders)
	}
}
