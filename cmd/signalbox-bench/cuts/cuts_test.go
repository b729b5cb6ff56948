package cuts

import (
	"io"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/measure"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--runs 0":            {"--runs", "0"},
		"no server":           {"--servers", "signalbox,other"},
		"no scenario":         {"--scenario", "burst"},
		"--jitter-clients 0":  {"--clients", "0"},
		"unexpected argument": {"now"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"--scenario", "jitter,avalanche"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms float64) *measure.Latency {
		return &measure.Latency{P50: ms * 1000, P90: ms * 1000, P99: 2 * ms * 1000, Max: 3 * ms * 1000}
	}
	c := &cuts{opts: o, versions: map[string]string{}, found: map[string]map[string][]measure.Result{
		"jitter":    {"node": {{About: "sizes", Counts: measure.Counts{Expected: 1000, Delivered: 867, Lost: 133}, Latency: at(1), Comebacks: 4, Recovered: 1, Away: at(2000)}}},
		"avalanche": {"signalbox": {{About: "more sizes", Comebacks: 5, Never: 1, Away: at(700), Notes: []string{"a remark"}}}},
	}}
	text := c.report(time.Now())
	for _, want := range []string{
		"| jitter | Node | 86.700 % | 133 | 0 | 0 | 1.0 ms | 2.0 ms | 3.0 ms |",
		"| jitter | Node | 4 | 25.000 % | 0 | 2000 ms | 4000 ms | 6000 ms |",
		"| avalanche | signalbox, RECOVERY=true | 5 | 0.000 % | 1 | 700 ms | 1400 ms | 2100 ms |",
		"- avalanche: more sizes\n  - signalbox, RECOVERY=true, run 1: a remark\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}
