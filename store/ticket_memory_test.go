package store_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/store"
	"signalbox/store/storetest"
)

func TestMemoryTickets(t *testing.T) {
	storetest.TestTickets(t, func(t *testing.T, test func(*testing.T, store.Tickets, func(time.Duration))) {
		synctest.Test(t, func(t *testing.T) {
			test(t, store.NewMemoryTickets(storetest.TicketLimit, storetest.TicketLimitPerUser), time.Sleep)
		})
	})
}

func TestMemoryTicketsLen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemoryTickets(100, 10)
		ctx := context.Background()
		for i := range 1000 {
			if _, err := m.Issue(ctx, fmt.Sprint(i%7)); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.Len(); got != 70 {
			t.Errorf("Len with 7 users = %d, want 10 each", got)
		}
		for i := range 1000 {
			if _, err := m.Issue(ctx, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if got := m.Len(); got != 100 {
			t.Errorf("Len with 1000 users = %d, want 100", got)
		}
		time.Sleep(store.TicketLife)
		if got := m.Len(); got != 0 {
			t.Errorf("Len after %v = %d, want 0", store.TicketLife, got)
		}
	})
}

func BenchmarkMemoryTicketsIssue(b *testing.B) {
	m := store.NewMemoryTickets(0, 0)
	ctx := context.Background()
	users := make([]string, 1000)
	for i := range users {
		users[i] = fmt.Sprint(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Issue(ctx, users[i%len(users)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryTicketsUser(b *testing.B) {
	m := store.NewMemoryTickets(0, 0)
	ctx := context.Background()
	ticket, err := m.Issue(ctx, "42")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.User(ctx, ticket); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryTicketsSize measures what a full store holds, in bytes per ticket, each of a user of its own.
func BenchmarkMemoryTicketsSize(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		before := heap()
		m := store.NewMemoryTickets(0, 0)
		for i := range store.DefaultMaxTickets {
			if _, err := m.Issue(ctx, fmt.Sprint(i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/store.DefaultMaxTickets, "B/ticket")
		runtime.KeepAlive(m)
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
