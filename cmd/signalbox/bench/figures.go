package bench

import (
	"fmt"
	"slices"
)

// figure is one number of the report.
type figure struct {
	scenario string
	label    string
	value    func(*Result) float64 // 0: not measured
	format   func(float64) string
	// reach returns the limit that signalbox is to stay under, given the other servers' values (0: not measured), and
	// how it comes about. nil: nothing is asked.
	reach func(node, bare float64) (limit float64, rule string)
}

// figures are the rows of the report.
func figures() []figure {
	cpu := func(r *Result) float64 { return r.CPUPerUnit }
	p99 := func(r *Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return r.Latency.P99
	}
	rate := func(r *Result) float64 { return r.Rate }
	part := func(n float64) func(float64, float64) (float64, string) {
		return func(node, _ float64) (float64, string) { return node / n, fmt.Sprintf("1/%g of Node", n) }
	}
	perSecond := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
	return []figure{
		{"burst", "burst to a room: CPU per delivery", cpu, duration, part(20)},
		{"steady", "steady fan-out: CPU per delivery", cpu, duration, func(node, bare float64) (float64, string) {
			limit, rule := node/2, "1/2 of Node, 1.15 x bare"
			if bare > 0 {
				limit = min(limit, 1.15*bare)
			}
			return limit, rule
		}},
		{"pairs", "user to user: CPU per message", cpu, duration, part(2.5)},
		{"pairs", "user to user: p99", p99, duration, func(node, _ float64) (float64, string) { return node, "below Node" }},
		{"ack", "ack round trip: CPU", cpu, duration, part(3.5)},
		{"echo", "ack round trips, closed loop: CPU", cpu, duration, part(3.5)},
		{"echo", "ack round trips, closed loop: rate", rate, perSecond, nil},
		{"idle", "idle websocket client: memory", func(r *Result) float64 { return r.RSSPerConn }, kilobytes,
			func(float64, float64) (float64, string) { return 10_000, "10 KB" }},
		{"idle", "connect: CPU", cpu, duration, part(6)},
		{"churn", "connect and disconnect: CPU", cpu, duration, nil},
		{"storm", "login storm: CPU, all of it", func(r *Result) float64 { return r.CPUSeconds * 1e6 }, duration, part(10)},
		{"storm", "login storm: until the last has the full list", func(r *Result) float64 {
			if r.Latency == nil {
				return 0
			}
			return r.Latency.Max
		}, duration, nil},
		{"polling", "polling, user to user: CPU per message", cpu, duration, part(2)},
		{"slow", "slow members: p99 of the others", p99, duration, nil},
		{"slow", "slow members: memory gained", func(r *Result) float64 { return float64(r.RSSPeak - r.RSSBefore) }, megabytes, nil},
	}
}

// kilobytes formats bytes.
func kilobytes(b float64) string { return fmt.Sprintf("%.1f KB", b/1e3) }

// megabytes formats bytes.
func megabytes(b float64) string { return fmt.Sprintf("%.1f MB", b/1e6) }

// spread is a figure over the runs.
type spread struct{ median, lowest, highest float64 }

// spreadOf takes a figure from every run that was finished and measured it; ok is false if there is none.
func spreadOf(runs []Result, value func(*Result) float64) (s spread, ok bool) {
	var values []float64
	for i := range runs {
		if v := value(&runs[i]); runs[i].Error == "" && v != 0 {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return spread{}, false
	}
	slices.Sort(values)
	return spread{median(values), values[0], values[len(values)-1]}, true
}

// median returns the middle of sorted values, the mean of the two middle ones where their number is even.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// worst adds up, for every kind of fault, the run with most of it.
func worst(runs []Result) Counts {
	var w Counts
	for _, r := range runs {
		w.Expected = max(w.Expected, r.Counts.Expected)
		w.Lost = max(w.Lost, r.Counts.Lost)
		w.Doubled = max(w.Doubled, r.Counts.Doubled)
		w.Reordered = max(w.Reordered, r.Counts.Reordered)
		w.Stray = max(w.Stray, r.Counts.Stray)
		w.Corrupt = max(w.Corrupt, r.Counts.Corrupt)
	}
	return w
}
