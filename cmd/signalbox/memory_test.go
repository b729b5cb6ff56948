package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWorthTidying(t *testing.T) {
	const mb = 1 << 20
	for name, tc := range map[string]struct {
		before, now heap
		want        bool
	}{
		"a wave has passed and left garbage":    {heap{}, heap{live: 40 * mb, objects: 60 * mb, allocated: mb}, true},
		"a wave has passed and left free spans": {heap{}, heap{live: 40 * mb, objects: 40 * mb, free: 20 * mb}, true},
		"busy":                                  {heap{}, heap{live: 40 * mb, objects: 60 * mb, allocated: 50 * mb}, false},
		"little to gain":                        {heap{}, heap{live: 4 * mb, objects: 8 * mb, free: 2 * mb}, false},
		"little beside what lives":              {heap{}, heap{live: 4000 * mb, objects: 4100 * mb}, false},
		"collected while it was read":           {heap{}, heap{live: 40 * mb, objects: 30 * mb}, false},
	} {
		if got := worthTidying(tc.before, tc.now); got != tc.want {
			t.Errorf("%s: worthTidying = %v, want %v", name, got, tc.want)
		}
	}
}

func TestTidyFreesWhatAWaveLeft(t *testing.T) {
	const mb = 1 << 20
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		now := heap{live: 4 * mb}
		frees, percents := 0, []int{}
		memory := runtimeMemory{
			read: func() heap {
				mu.Lock()
				defer mu.Unlock()
				return now
			},
			free: func() {
				mu.Lock()
				defer mu.Unlock()
				frees++
				now.objects, now.free = now.live, 0
			},
			percent: func(p int) { percents = append(percents, p) }, // read when tidy has returned
		}
		second := func(h heap, wantFrees int, when string) {
			t.Helper()
			mu.Lock()
			now = h
			mu.Unlock()
			time.Sleep(tidyInterval) // the bubble's time
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if frees != wantFrees {
				t.Errorf("%s: freed %d times, want %d", when, frees, wantFrees)
			}
		}
		var done sync.WaitGroup
		done.Go(func() { tidy(ctx, memory) })
		synctest.Wait()
		second(heap{live: 4 * mb, objects: 90 * mb, allocated: 90 * mb}, 0, "while the wave runs")
		second(heap{live: 45 * mb, objects: 90 * mb, allocated: 91 * mb}, 1, "when it is quiet again")
		second(heap{live: 45 * mb, objects: 45 * mb, allocated: 91 * mb}, 1, "when there is nothing left to give back")
		cancel()
		done.Wait()
		if want := []int{800, 71}; !slices.Equal(percents, want) {
			t.Errorf("growth was set to %v, want %v", percents, want)
		}
	})
}

// The names of the runtime's figures are not checked by the compiler.
func TestTheRuntimeTellsItsFigures(t *testing.T) {
	if h := goRuntime().read(); h.objects == 0 || h.allocated == 0 {
		t.Errorf("heap = %+v", h)
	}
}

func TestGrowthLeavesSmallHeapsRoom(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{0: 800, mb: 800, 8 * mb: 400, 32 * mb: 100, 64 * mb: 50, 4000 * mb: 50} {
		if got := growth(live); got != want {
			t.Errorf("growth(%d MB) = %d, want %d", live/mb, got, want)
		}
	}
}
