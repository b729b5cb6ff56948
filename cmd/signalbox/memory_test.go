package main

import (
	"context"
	"runtime"
	"runtime/metrics"
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
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		wave := make([][]byte, 64)
		for i := range wave {
			wave[i] = make([]byte, 1<<20)
		}
		runtime.KeepAlive(wave)
		wave = nil
		go tidy(ctx)
		time.Sleep(3 * tidyInterval) // the bubble's time
		synctest.Wait()
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		if got := sample[0].Value.Uint64(); got > 64<<20 {
			t.Errorf("%d MB of objects are left of a wave that is over", got>>20)
		}
	})
}

func TestGrowthLeavesSmallHeapsRoom(t *testing.T) {
	const mb = 1 << 20
	for live, want := range map[uint64]int{0: 800, mb: 800, 8 * mb: 400, 32 * mb: 100, 64 * mb: 50, 4000 * mb: 50} {
		if got := growth(live); got != want {
			t.Errorf("growth(%d MB) = %d, want %d", live/mb, got, want)
		}
	}
}
