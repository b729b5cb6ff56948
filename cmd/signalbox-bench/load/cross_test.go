package load

import (
	"slices"
	"strings"
	"testing"

	"signalbox/cmd/signalbox-bench/measure"
)

func TestEveryScenarioOfAClusterIsClean(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	results, err := load(t, small(f.url+","+f.second, "cluster", "--strict", "--quiet", "10s"))
	if err != nil {
		t.Errorf("Run = %v, want no error", err)
	}
	type want struct{ units, delivered int64 }
	wants := map[string]want{
		"cross": {400, 400}, "crossack": {400, 800}, "fan": {400, 800}, "absent": {400, 0}, "join": {40, 40},
	}
	for _, r := range results {
		mistaken := slices.ContainsFunc(r.Notes, func(n string) bool { return !strings.Contains(n, "behind its schedule") })
		if r.Error != "" || !r.Counts.Clean() || r.Disconnected != 0 || mistaken {
			t.Errorf("%s is not clean: %+v", r.Scenario, r)
		}
		if got := (want{r.Units, r.Counts.Delivered}); got != wants[r.Scenario] {
			t.Errorf("%s: %+v, want %+v", r.Scenario, got, wants[r.Scenario])
		}
		if absent := r.Scenario == "absent"; (r.Latency == nil) != absent {
			t.Errorf("%s: latency %+v", r.Scenario, r.Latency)
		}
		delete(wants, r.Scenario)
	}
	if len(wants) > 0 {
		t.Errorf("no results for %v", wants)
	}
}

func TestMessagesCrossFromTheFirstServerToTheSecond(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	mustLoad(t, small(f.url+","+f.second, "cross"))
	f.mu.Lock()
	defer f.mu.Unlock()
	received := map[bool]int{}
	for _, s := range f.order {
		received[s.second] += s.delivered
	}
	if want := map[bool]int{false: 0, true: 400}; received[true] != want[true] || received[false] != want[false] {
		t.Errorf("deliveries by server = %v, want %v", received, want)
	}
}

func TestClientsAreSpreadOverTheServers(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	r := loadOne(t, small(f.url+","+f.second, "burst"))
	if r.Units != 400 {
		t.Errorf("%d deliveries, want 400", r.Units)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	members := map[bool]int{}
	for _, s := range f.order {
		if s.delivered > 0 {
			members[s.second]++
		}
	}
	if members[false] != 5 || members[true] != 5 {
		t.Errorf("members by server = %v, want 5 on each", members)
	}
}

func TestFaultsOfACrossingAreCounted(t *testing.T) {
	t.Parallel()
	f := newFakeServer(t)
	f.deliver = func(n int, p string) []string {
		switch n {
		case 3:
			return nil
		case 4:
			return []string{p, p}
		}
		return []string{p}
	}
	f.answer = func(n int, p string) []string {
		switch n {
		case 5:
			return nil
		case 6:
			return []string{strings.Replace(p, `"delivered":1`, `"delivered":0,"partial":true`, 1)}
		}
		return []string{p}
	}
	r := loadOne(t, small(f.url+","+f.second, "crossack"))
	want := measure.Counts{Expected: 800, Delivered: 780, Lost: 20, Doubled: 10}
	if r.Counts != want {
		t.Errorf("counts = %+v, want %+v", r.Counts, want)
	}
	if r.Units != 400 {
		t.Errorf("%d messages, want 400", r.Units)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "10 callbacks did not bring") }) {
		t.Errorf("notes = %q, want one on the callbacks that say something else", r.Notes)
	}
}

func TestParsePIDs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		list string
		want []int
		ok   bool
	}{
		"none":        {"", nil, true},
		"zero":        {"0", nil, true},
		"one":         {"17", []int{17}, true},
		"several":     {"17, 18,19", []int{17, 18, 19}, true},
		"no number":   {"17,x", nil, false},
		"zero inside": {"17,0", nil, false},
		"negative":    {"-1", nil, false},
	}
	for name, tt := range tests {
		got, err := parsePIDs(tt.list)
		if !slices.Equal(got, tt.want) || (err == nil) != tt.ok {
			t.Errorf("%s: parsePIDs(%q) = %v, %v", name, tt.list, got, err)
		}
	}
}
