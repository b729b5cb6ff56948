package auth

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// until returns an identity that ends d from now, or never for zero.
func until(user string, d time.Duration) *Identity {
	id := &Identity{userID: user, name: user}
	if d != 0 {
		id.expires = time.Unix(0, time.Now().Add(d).UnixNano()) // as from a token, without a monotonic reading
	}
	return id
}

// diary writes down what a lease tells, with the time since it began.
type diary struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func (d *diary) watch(id *Identity) *Lease {
	d.start = time.Now()
	return Watch(id, func(left time.Duration) { d.add("soon " + left.String()) }, func() { d.add("expired") })
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprint(time.Since(d.start), " ", line))
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if fmt.Sprint(d.lines) != fmt.Sprint(lines) {
		t.Fatalf("told %q, want %q", d.lines, lines)
	}
}

func TestWatchTellsInTime(t *testing.T) {
	for name, c := range map[string]struct {
		ttl  time.Duration
		want []string
	}{
		"an hour":       {time.Hour, []string{"59m30s soon 30s", "1h0m0s expired"}},
		"five minutes":  {5 * time.Minute, []string{"4m30s soon 30s", "5m0s expired"}},
		"a minute":      {time.Minute, []string{"54s soon 6s", "1m0s expired"}},
		"a second":      {time.Second, []string{"900ms soon 100ms", "1s expired"}},
		"a day":         {24 * time.Hour, []string{"23h59m30s soon 30s", "24h0m0s expired"}},
		"over already":  {-time.Second, []string{"0s expired"}},
		"for ever":      {0, nil},
		"for 100 years": {100 * 365 * 24 * time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				l := d.watch(until("42", c.ttl))
				defer l.Stop()
				time.Sleep(25 * time.Hour)
				d.want(t, c.want...)
			})
		})
	}
}

func TestLeaseRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := d.watch(until("42", 10*time.Minute))
		time.Sleep(9*time.Minute + 45*time.Second)
		d.want(t, "9m30s soon 30s")
		next := until("42", 10*time.Minute)
		if err := l.Renew(next); err != nil {
			t.Fatalf("Renew = %v", err)
		}
		if l.Identity() != next {
			t.Error("Identity is not the newer one")
		}
		time.Sleep(9*time.Minute + 45*time.Second)
		d.want(t, "9m30s soon 30s", "19m15s soon 30s")

		// Refused renewals leave everything as it is.
		if err := l.Renew(until("43", time.Hour)); !errors.Is(err, ErrOtherUser) {
			t.Errorf("Renew with another user's = %v, want ErrOtherUser", err)
		}
		if err := l.Renew(until("42", -time.Second)); !errors.Is(err, ErrExpired) {
			t.Errorf("Renew with one that is over = %v, want ErrExpired", err)
		}
		if l.Identity() != next {
			t.Error("a refused renewal changed the identity")
		}
		time.Sleep(time.Hour)
		d.want(t, "9m30s soon 30s", "19m15s soon 30s", "19m45s expired")
		if err := l.Renew(until("42", time.Hour)); !errors.Is(err, ErrEnded) {
			t.Errorf("Renew afterwards = %v, want ErrEnded", err)
		}
	})
}

func TestLeaseRenewToOtherLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := d.watch(until("42", 0))
		time.Sleep(time.Hour)
		for _, ttl := range []time.Duration{time.Hour, 0, time.Hour, time.Minute} {
			if err := l.Renew(until("42", ttl)); err != nil {
				t.Fatalf("Renew = %v", err)
			}
			if ttl == 0 {
				time.Sleep(30 * time.Hour)
			}
		}
		time.Sleep(2 * time.Hour)
		d.want(t, "31h0m54s soon 6s", "31h1m0s expired")
	})
}

// TestLeaseRenewAtItsEnd: at the very instant of the end the renewal comes too late, whoever is first.
func TestLeaseRenewAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := d.watch(until("42", time.Minute))
		time.Sleep(time.Minute)
		if err := l.Renew(until("42", time.Hour)); !errors.Is(err, ErrEnded) {
			t.Errorf("Renew = %v, want ErrEnded", err)
		}
		d.want(t, "54s soon 6s", "1m0s expired")
	})
}

func TestLeaseStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := d.watch(until("42", time.Minute))
		time.Sleep(55 * time.Second)
		l.Stop()
		l.Stop()
		if err := l.Renew(until("42", time.Hour)); !errors.Is(err, ErrEnded) {
			t.Errorf("Renew = %v, want ErrEnded", err)
		}
		time.Sleep(time.Hour)
		d.want(t, "54s soon 6s")
		if l.Identity().UserID() != "42" {
			t.Error("Identity is gone after Stop")
		}
	})
}

// TestLeaseFromItsCallbacks: a client is told, renews at once, and is cut in the end.
func TestLeaseFromItsCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		renewals := 0
		ended := make(chan time.Time, 1)
		ready := make(chan struct{})
		var l *Lease
		l = Watch(until("42", time.Minute), func(time.Duration) {
			<-ready
			if renewals < 3 {
				renewals++
				if err := l.Renew(until("42", time.Minute)); err != nil {
					t.Errorf("Renew = %v", err)
				}
			}
		}, func() {
			l.Stop()
			ended <- time.Now()
		})
		close(ready)
		start := time.Now()
		if got, want := (<-ended).Sub(start), 3*54*time.Second+time.Minute; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

func TestWatchWithoutCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Watch(until("42", time.Minute), nil, nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if err := l.Renew(until("42", time.Hour)); !errors.Is(err, ErrEnded) {
			t.Errorf("Renew = %v, want ErrEnded", err)
		}
	})
}

// TestLeaseManyHands renews, asks and stops from all sides while the end comes; expired is told once at most.
func TestLeaseManyHands(t *testing.T) {
	for range 50 {
		var mu sync.Mutex
		told := 0
		l := Watch(until("42", time.Millisecond), func(time.Duration) {}, func() {
			mu.Lock()
			defer mu.Unlock()
			told++
		})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for range 20 {
					err := l.Renew(until("42", time.Millisecond))
					if err != nil && !errors.Is(err, ErrEnded) {
						t.Errorf("Renew = %v", err)
					}
					l.Identity()
				}
				if i == 0 {
					l.Stop()
				}
			})
		}
		wg.Wait()
		mu.Lock()
		if told > 1 {
			t.Errorf("expired was told %d times", told)
		}
		mu.Unlock()
	}
}

// BenchmarkWatch reports what a lease holds, in bytes: with a timer, and without for a token that never expires.
func BenchmarkWatch(b *testing.B) {
	for _, c := range []struct {
		name string
		ttl  time.Duration
	}{{"expires", time.Hour}, {"never", 0}} {
		b.Run(c.name, func(b *testing.B) {
			const leases = 100_000
			id := until("42", c.ttl)
			soon, expired := func(time.Duration) {}, func() {}
			for b.Loop() {
				before := heap()
				held := make([]*Lease, leases)
				for i := range held {
					held[i] = Watch(id, soon, expired)
				}
				b.ReportMetric(float64(heap()-before)/leases, "B/lease") // with 8 bytes to find it by
				for _, l := range held {
					l.Stop()
				}
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first may leave stopped timers
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
