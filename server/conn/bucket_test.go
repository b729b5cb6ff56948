package conn

import (
	"testing"
	"time"
)

func TestBucketFill(t *testing.T) {
	var b Bucket
	now := time.Now()
	var waited time.Duration
	for i := range 100 {
		wait := b.Fill(now.Add(waited), 1, 10, 20)
		if (wait > 0) != (i >= 20) {
			t.Errorf("message %d waits %v", i, wait)
		}
		waited += wait
	}
	if waited.Round(time.Millisecond) != 8*time.Second {
		t.Errorf("100 messages at 10 a second with 20 at once took %v, want 8s", waited)
	}
	if wait := b.Fill(now.Add(waited+2*time.Second), 1, 10, 20); wait != 0 {
		t.Errorf("after a pause a message waits %v", wait)
	}

	b = Bucket{}
	for i := range 30 { // all at once: each waits for those before it
		want := time.Duration(max(0, i-19)) * 100 * time.Millisecond
		if wait := b.Fill(now, 1, 10, 20); wait.Round(time.Millisecond) != want {
			t.Errorf("message %d waits %v, want %v", i, wait, want)
		}
	}
}

func TestBucketWeighs(t *testing.T) {
	var b Bucket
	now := time.Now()
	for i, want := range []time.Duration{0, 0, time.Second, 2 * time.Second} {
		if wait := b.Fill(now, 10, 10, 20); wait != want {
			t.Errorf("message %d waits %v, want %v", i, wait, want)
		}
	}
	b = Bucket{}
	b.Fill(now, 1, 10, 20)
	b.Charge(24)
	if wait := b.Fill(now, 1, 10, 20); wait.Round(time.Millisecond) != 600*time.Millisecond {
		t.Errorf("behind one that was charged for a message waits %v, want 0.6s", wait)
	}
}

func TestBucketTake(t *testing.T) {
	var b Bucket
	now := time.Now()
	if !b.Empty(now, 2) {
		t.Error("a new one is not empty")
	}
	for i, after := range []struct {
		pause time.Duration
		taken int
	}{{0, 4}, {time.Second, 2}, {250 * time.Millisecond, 0}, {250 * time.Millisecond, 1}, {time.Hour, 4}} {
		now = now.Add(after.pause)
		for n := range after.taken + 3 {
			if ok := b.Take(now, 2, 4); ok != (n < after.taken) {
				t.Errorf("step %d, message %d: taken %t", i, n, ok)
			}
		}
	}
	if b.Empty(now.Add(1900*time.Millisecond), 2) || !b.Empty(now.Add(2*time.Second), 2) {
		t.Error("4 messages at 2 a second do not drain in 2s")
	}
}
