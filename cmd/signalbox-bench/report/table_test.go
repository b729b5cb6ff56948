package report

import (
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{2: {1, 2, 9}, 1.5: {1, 2}, 7: {7}} {
		if got := Median(values); got != want {
			t.Errorf("median(%v) = %v, want %v", values, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for us, want := range map[float64]string{0.4: "0.40 us", 12.34: "12.3 us", 1500: "1.5 ms", 250_000: "250 ms", 12_000_000: "12.0 s"} {
		if got := Duration(us); got != want {
			t.Errorf("duration(%v) = %q, want %q", us, got, want)
		}
	}
}
