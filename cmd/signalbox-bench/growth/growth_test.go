package growth

import (
	"io"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
)

// The load takes every flag that a curve gives it, at every size.
func TestCurvesAreLoad(t *testing.T) {
	t.Parallel()
	for _, c := range curves() {
		for _, size := range c.sizes {
			lists := [][]string{c.flags(size)}
			if c.crowd != nil && size > 0 {
				lists = append(lists, c.crowd(size))
			}
			for _, flags := range lists {
				if _, err := load.ParseOptions(flags, io.Discard); err != nil {
					t.Errorf("%s, %d: %v", c.name, size, err)
				}
			}
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--runs 0":            {"--runs", "0"},
		"--scale 0":           {"--scale", "0"},
		"unexpected argument": {"now"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	first, at := curves()[0], func(us float64) []measure.Result { return []measure.Result{{Units: 1, CPUPerUnit: us}} }
	g := &growth{opts: options{runs: 1}, found: map[string]map[int][]measure.Result{first.name: {10: at(2), 10_000: at(1)}}}
	text := g.report(time.Now())
	if want := "| delivery to a room, CPU | members | 10: **2.00 us**<br>10,000: **1.00 us** | 0.50 |"; !strings.Contains(text, want) {
		t.Errorf("the report lacks %q:\n%s", want, text)
	}
	if got := count(1_234_567); got != "1,234,567" {
		t.Errorf("count = %q", got)
	}
}
