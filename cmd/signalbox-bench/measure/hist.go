package measure

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	subBits    = 7                          // 128 steps per power of two: below 0.8 % error
	subCount   = 1 << subBits               //
	histogramN = (64-subBits)*subCount + 64 // enough for every int64
)

// Histogram counts durations in buckets that widen with the value: within 0.8 % from one nanosecond to centuries, in
// constant memory. The zero value is ready; all methods may be called from any goroutine.
type Histogram struct {
	buckets [histogramN]atomic.Int64
	count   atomic.Int64
	highest atomic.Int64
}

// Record adds one duration in nanoseconds. A negative one (clock steps, a server that makes up timestamps) counts as 0.
func (h *Histogram) Record(ns int64) {
	ns = max(ns, 0)
	h.buckets[bucketOf(ns)].Add(1)
	h.count.Add(1)
	for {
		old := h.highest.Load()
		if ns <= old || h.highest.CompareAndSwap(old, ns) {
			return
		}
	}
}

// quantile returns the duration that the part q (0 to 1) of all records does not exceed, 0 without records.
func (h *Histogram) quantile(q float64) time.Duration {
	total := h.count.Load()
	if total == 0 {
		return 0
	}
	rank := min(max(int64(q*float64(total)+0.999999), 1), total)
	var seen int64
	for i := range h.buckets {
		seen += h.buckets[i].Load()
		if seen >= rank {
			return time.Duration(min(bucketTop(i), h.highest.Load()))
		}
	}
	return time.Duration(h.highest.Load())
}

// Latency sums the histogram up, nil without records.
func (h *Histogram) Latency() *Latency {
	if h.count.Load() == 0 {
		return nil
	}
	return &Latency{
		P50: micros(h.quantile(0.50)),
		P90: micros(h.quantile(0.90)),
		P99: micros(h.quantile(0.99)),
		Max: micros(time.Duration(h.highest.Load())),
	}
}

// bucketOf returns the index of the bucket that holds v, v >= 0.
func bucketOf(v int64) int {
	shift := max(bits.Len64(uint64(v))-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// bucketTop returns the highest value that falls into bucket i.
func bucketTop(i int) int64 {
	shift := max(i>>subBits-1, 0)
	return (int64(i-shift<<subBits)+1)<<shift - 1
}

// micros returns d in microseconds.
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
