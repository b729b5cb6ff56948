package redis

import (
	"bytes"
	"testing"

	"signalbox/store/redis/redistest"
)

// TestForwardKey has two servers ask for the key, and Redis lose it.
func TestForwardKey(t *testing.T) {
	url := redistest.Start(t).URL()
	a, b, c := dial(t, url), dial(t, url), client(t, url)
	first, err := ForwardKey(t.Context(), a, "p", nil)
	if err != nil || len(first) != 32 {
		t.Fatalf("the key has %d bytes, %v", len(first), err)
	}
	if second, err := ForwardKey(t.Context(), b, "p", nil); err != nil || !bytes.Equal(first, second) {
		t.Errorf("another server has another key, %v", err)
	}
	if other, err := ForwardKey(t.Context(), b, "q", nil); err != nil || bytes.Equal(first, other) {
		t.Errorf("another cluster has the same key, %v", err)
	}
	wantKeysBounded(t, c)
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if back, err := ForwardKey(t.Context(), a, "p", first); err != nil || !bytes.Equal(first, back) {
		t.Errorf("the key that was lost is another one, %v", err)
	}
	if err := c.Set(t.Context(), "p-signalbox:forward", "nonsense", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := ForwardKey(t.Context(), a, "p", first); err == nil {
		t.Error("nonsense is a key")
	}
}
