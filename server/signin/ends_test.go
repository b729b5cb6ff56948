package signin

import (
	"maps"
	"slices"
	"testing"
	"time"
)

func TestDropOver(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		limit int
		ends  map[string]time.Duration // from now
		left  []string
	}{
		{2, nil, nil},
		{2, map[string]time.Duration{"over": -time.Second, "just over": 0}, nil},
		{2, map[string]time.Duration{"over": -time.Second, "soon": 1, "later": time.Hour}, []string{"later"}},
		{3, map[string]time.Duration{"over": -time.Second, "soon": 1, "later": time.Hour}, []string{"later", "soon"}},
		{1, map[string]time.Duration{"soon": 1, "over": -time.Second}, nil},
	} {
		ends := make(map[string]time.Time)
		for key, in := range tt.ends {
			ends[key] = now.Add(in)
		}
		dropOver(ends, now, tt.limit)
		if left := slices.Sorted(maps.Keys(ends)); !slices.Equal(left, tt.left) {
			t.Errorf("of %v with room for %d, %q are left, want %q", tt.ends, tt.limit, left, tt.left)
		}
	}
}
