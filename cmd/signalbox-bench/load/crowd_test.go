package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/cmd/signalbox-bench/client"
	"signalbox/cmd/signalbox-bench/measure"
)

func TestAwait(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arriveEvery time.Duration // 0: nothing arrives
		arrivals    int64         // after so many the work is done
		limit       time.Duration
		want        time.Duration // when it returns, to a tick
		done        bool
	}{
		"all there":              {arrivals: 0, limit: time.Hour, want: 0, done: true},
		"arrives in time":        {arriveEvery: 2 * time.Second, arrivals: 10, limit: time.Hour, want: 20 * time.Second, done: true},
		"silence":                {arrivals: 1, limit: time.Hour, want: 3 * time.Second},
		"gaps that are too long": {arriveEvery: 4 * time.Second, arrivals: 10, limit: time.Hour, want: 3 * time.Second},
		"deadline":               {arriveEvery: time.Second, arrivals: 100, limit: 5 * time.Second, want: 5 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				var count, arrivals atomic.Int64
				if tt.arrivals == 0 {
					count.Store(1)
				}
				if tt.arriveEvery > 0 {
					go func() { // ends with ctx
						for range tt.arrivals {
							if measure.Pause(ctx, tt.arriveEvery) != nil {
								return
							}
							if arrivals.Add(1) == tt.arrivals {
								count.Store(1)
							}
						}
					}()
				}
				began := time.Now()
				idle := awaitActive(ctx, &count, 1, &arrivals, 3*time.Second)
				if took := time.Since(began); took < tt.want || took > tt.want+5*time.Millisecond {
					t.Errorf("returned after %v, want %v", took, tt.want)
				}
				if (idle == 0) != tt.done {
					t.Errorf("idle = %v, want done %v", idle, tt.done)
				}
			})
		})
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rate  float64
		total int64
		due   func(i int64) time.Duration
	}{
		"one by one": {20, 50, func(i int64) time.Duration { return time.Duration(i) * 50 * time.Millisecond }},
		"in groups a millisecond": {15000, 300, func(i int64) time.Duration {
			return (time.Duration(i)*time.Second/15000 + time.Millisecond - 1).Truncate(time.Millisecond)
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &Runner{clock: client.StartClock()}
				next := int64(0)
				late, err := r.pace(t.Context(), tt.rate, tt.total, func(i, due int64) {
					if i != next {
						t.Errorf("message %d, want %d", i, next)
					}
					next++
					if want := tt.due(i); time.Duration(due) != want || r.clock.Now() != due {
						t.Errorf("message %d due at %v, sent at %v, want %v", i, time.Duration(due), time.Duration(r.clock.Now()), want)
					}
				})
				if err != nil || late != 0 || next != tt.total {
					t.Errorf("%d messages, late %v, %v", next, late, err)
				}
			})
		})
	}
}

func TestPaceSaysHowLateItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{clock: client.StartClock()}
		late, err := r.pace(t.Context(), 10, 20, func(i, _ int64) {
			if i == 5 {
				time.Sleep(time.Second) // a send that blocks; the next nine messages are due meanwhile
			}
		})
		if want := 900 * time.Millisecond; err != nil || late != want {
			t.Errorf("late = %v, %v, want %v", late, err, want)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := &Runner{clock: client.StartClock()}
		if _, err := r.pace(ctx, 1, 1000, func(int64, int64) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("pace = %v, want the end of its context", err)
		}
	})
}
