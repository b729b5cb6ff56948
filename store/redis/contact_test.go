package redis

import (
	"testing"
	"time"
)

func TestContact(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for name, test := range map[string]struct {
		touches []float64 // seconds
		late    float64   // of these, the one that says that the lease had run out
		now     float64
		steady  bool
		lost    bool
	}{
		"never asked":                   {nil, -1, 10, false, true},
		"not for a lease yet":           {[]float64{0, 2, 4}, -1, 5.9, false, false},
		"for a lease":                   {[]float64{0, 2, 4, 6}, -1, 6, true, false},
		"between two beats":             {[]float64{0, 2, 4, 6}, -1, 7.9, true, false},
		"the next beat is overdue":      {[]float64{0, 2, 4, 6}, -1, 9.1, false, false},
		"stopped, and just awake":       {[]float64{0, 2, 4, 6}, -1, 100, false, true},
		"stopped, and in touch again":   {[]float64{0, 2, 4, 6, 100, 102}, -1, 103, false, false},
		"a lease after it was stopped":  {[]float64{0, 2, 4, 6, 100, 102, 104, 106}, -1, 106, true, false},
		"a gap in which leases run out": {[]float64{0, 2, 4, 7.1, 9.1}, -1, 10, false, false},
		"its own lease had run out":     {[]float64{0, 2, 4, 6, 8}, 6, 9, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := contact{gap: 3 * time.Second, lease: 6 * time.Second}
			for _, s := range test.touches {
				c.touch(at(s), int64(s*1000), s == test.late)
			}
			var want int64
			if test.steady {
				want = int64(test.touches[len(test.touches)-1]*1000) + 3000
			}
			if got := c.steady(at(test.now)); got != want {
				t.Errorf("steady = %d, want %d", got, want)
			}
			if got := c.lost(at(test.now)); got != test.lost {
				t.Errorf("lost = %v, want %v", got, test.lost)
			}
		})
	}
}
