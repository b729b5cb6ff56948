package measure

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	t.Parallel()
	tests := map[string]func(r *rand.Rand) int64{
		"all equal":        func(*rand.Rand) int64 { return 12_345 },
		"small numbers":    func(r *rand.Rand) int64 { return r.Int64N(200) },
		"up to a second":   func(r *rand.Rand) int64 { return r.Int64N(int64(time.Second)) },
		"long tail":        func(r *rand.Rand) int64 { return int64(math.Exp(r.Float64() * 25)) },
		"one in a hundred": func(r *rand.Rand) int64 { return 1000 + 1_000_000*(r.Int64N(100)/99) },
	}
	for name, draw := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			var h Histogram
			samples := make([]int64, 10_000)
			for i := range samples {
				samples[i] = draw(r)
				h.Record(samples[i])
			}
			slices.Sort(samples)
			for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
				rank := max(int(math.Ceil(q*float64(len(samples)))), 1)
				got, want := float64(h.quantile(q)), float64(samples[rank-1])
				if got < want || got > want*1.01 {
					t.Errorf("quantile(%v) = %v, want %v to 1 %% more", q, got, want)
				}
			}
			if got, want := h.Latency().Max, float64(samples[len(samples)-1])/1000; got != want {
				t.Errorf("max = %v, want %v exactly", got, want)
			}
		})
	}
}

func TestHistogramEdges(t *testing.T) {
	t.Parallel()
	var h Histogram
	if h.Latency() != nil || h.quantile(0.5) != 0 {
		t.Error("an empty histogram has figures")
	}
	h.Record(-5)
	if got := h.quantile(1); got != 0 {
		t.Errorf("a negative duration counts as %v, want 0", got)
	}
	h.Record(math.MaxInt64)
	if got := h.quantile(1); got != math.MaxInt64 {
		t.Errorf("quantile(1) = %d, want the largest number", got)
	}
}

func TestBucketsHoldTheirValues(t *testing.T) {
	t.Parallel()
	for v := int64(1); v > 0 && v < math.MaxInt64/3; v = v*3 + 1 {
		i := bucketOf(v)
		if top := bucketTop(i); v > top || i > 0 && v <= bucketTop(i-1) {
			t.Errorf("%d is in bucket %d of (%d, %d]", v, i, bucketTop(i-1), top)
		}
	}
	if i := bucketOf(math.MaxInt64); i >= histogramN {
		t.Errorf("bucketOf(largest) = %d, want below %d", i, histogramN)
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	b.ReportAllocs()
	var h Histogram
	for i := int64(0); b.Loop(); i++ {
		h.Record(i)
	}
}
