package signin

import (
	"fmt"
	"testing"
	"time"
)

func TestSessionsAreBounded(t *testing.T) {
	s := Sessions{Life: time.Hour}
	now := time.Now()
	keys := make([]string, maxSessions+1)
	for i := range keys {
		keys[i] = s.Begin(now.Add(time.Duration(i)))
	}
	if n := len(s.ends); n != maxSessions {
		t.Errorf("%d sessions, want %d", n, maxSessions)
	}
	if s.Has(keys[0], now) || !s.Has(keys[1], now) || !s.Has(keys[maxSessions], now) {
		t.Error("want the oldest session ended, and only that")
	}
}

func TestFailuresAreBounded(t *testing.T) {
	var f Failures
	now := time.Now()
	for i := range maxAddresses + 50 {
		f.Take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now.Add(time.Duration(i)))
	}
	if n := len(f.until); n != maxAddresses {
		t.Errorf("%d addresses are remembered, want %d", n, maxAddresses)
	}
	f.Take("192.0.2.1", now.Add(time.Hour))
	if n := len(f.until); n != 1 {
		t.Errorf("%d addresses are remembered an hour later, want 1", n)
	}
}

func TestForgive(t *testing.T) {
	var f Failures
	now := time.Now()
	for range 3 * MaxFailures {
		if wait := f.Take("192.0.2.1", now); wait > 0 {
			t.Fatalf("a right password waits %v", wait)
		}
		f.Forgive("192.0.2.1")
	}
	f.Forgive("192.0.2.2") // nobody has tried from there
	for i := range MaxFailures + 1 {
		if wait := f.Take("192.0.2.1", now); (wait > 0) != (i == MaxFailures) {
			t.Errorf("attempt %d waits %v", i+1, wait)
		}
	}
}
