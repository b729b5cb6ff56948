package store_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/storetest"
)

func newMemoryHistory(t testing.TB, limits store.HistoryLimits) *store.MemoryHistory {
	t.Helper()
	h, err := store.NewMemoryHistory(limits)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMemoryHistory(t *testing.T) {
	storetest.TestHistory(t, func(t *testing.T, limits store.HistoryLimits) store.History {
		return newMemoryHistory(t, limits)
	})
}

func TestMemoryHistoryStaysInBounds(t *testing.T) {
	limits := store.HistoryLimits{RoomMessages: 20, RoomBytes: 4 << 10, Messages: 500, Bytes: 64 << 10}
	h := newMemoryHistory(t, limits)
	for i := range 20_000 {
		m := store.Message{ID: fmt.Sprint(i), JSON: strings.Repeat("x", i*7919%4000)}
		if err := h.Append(fmt.Sprint(i*31%97), m); err != nil {
			t.Fatal(err)
		}
		if s := h.Stats(); s.Messages > limits.Messages || s.Bytes > limits.Bytes {
			t.Fatalf("after %d messages: %d messages, %d bytes, want at most %d, %d",
				i+1, s.Messages, s.Bytes, limits.Messages, limits.Bytes)
		}
	}
	if s := h.Stats(); s.Rooms == 0 || s.Messages < s.Rooms || s.Evicted == 0 {
		t.Errorf("Stats = %+v, want rooms, messages and evicted rooms", s)
	}
}

// One append to a room that is full allocates nothing: the ring turns.
func TestMemoryHistoryAppendAllocates(t *testing.T) {
	h := newMemoryHistory(t, store.HistoryLimits{RoomMessages: 64})
	m := store.Message{ID: "a", JSON: "{}", Time: time.UnixMilli(1)}
	for range 64 {
		if err := h.Append("r", m); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { _ = h.Append("r", m) }); n != 0 {
		t.Errorf("Append allocates %v times, want 0", n)
	}
}

func BenchmarkMemoryHistoryAppend(b *testing.B) {
	for _, rooms := range []int{1, 200, 10_000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			h := newMemoryHistory(b, store.HistoryLimits{})
			names := make([]string, rooms)
			for i := range names {
				names[i] = fmt.Sprint("room ", i)
			}
			m := store.Message{ID: "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11", JSON: strings.Repeat("x", 280), Time: time.Now()}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := h.Append(names[i%rooms], m); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkMemoryHistoryAppendParallel(b *testing.B) {
	h := newMemoryHistory(b, store.HistoryLimits{})
	m := store.Message{ID: "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11", JSON: strings.Repeat("x", 280), Time: time.Now()}
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		room := fmt.Sprint("room ", next.Add(1))
		for pb.Next() {
			_ = h.Append(room, m)
		}
	})
}

func BenchmarkMemoryHistoryLast50(b *testing.B) {
	h := newMemoryHistory(b, store.HistoryLimits{})
	for range 1000 {
		_ = h.Append("r", store.Message{ID: "6f1c9c5e-8d0e-4b6e-9d53-0c6f7c1e2a11", JSON: strings.Repeat("x", 280)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := h.Last(b.Context(), "r", 50); err != nil || len(got) != 50 {
			b.Fatal(len(got), err)
		}
	}
}
