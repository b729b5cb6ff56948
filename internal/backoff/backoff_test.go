package backoff

import (
	"slices"
	"testing"
	"time"
)

func TestPausesGrow(t *testing.T) {
	p := Pause{Least: 100 * time.Millisecond, Most: 700 * time.Millisecond}
	var got []time.Duration
	for range 5 {
		got = append(got, p.Next()/time.Millisecond)
	}
	if want := []time.Duration{100, 200, 400, 700, 700}; !slices.Equal(got, want) {
		t.Errorf("pauses of %v ms, want %v", got, want)
	}
	p.Reset()
	for _, most := range []time.Duration{100, 200, 400, 700, 700} {
		most *= time.Millisecond
		if pause := p.Spread(); pause < most/2 || pause > most {
			t.Errorf("a pause of %v, want half of %v to all of it", pause, most)
		}
	}
}
