package ticketed

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryCallsEachAtItsOwnPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at [5][]time.Duration
		var stops [5]func()
		for i := range at {
			start := time.Now()
			stops[i] = every(10*time.Second, func() { at[i] = append(at[i], time.Since(start)) })
			time.Sleep(time.Second)
		}
		stops[3]()
		stops[3]()
		time.Sleep(time.Minute - 5*time.Second - time.Millisecond)
		for _, stop := range stops {
			stop()
		}
		time.Sleep(time.Minute)
		for i, got := range at {
			var want []time.Duration
			for n := range 5 {
				if i != 3 {
					want = append(want, time.Duration(n+1)*10*time.Second)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d was called at %v, want %v", i, got, want)
			}
		}
	})
}
