package compare

import (
	"fmt"

	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

// figure is one number of the report.
type figure struct {
	scenario string
	label    string
	value    func(*measure.Result) float64 // 0: not measured
	format   func(float64) string
	// reach returns the limit that signalbox is to stay under, given the other servers' values (0: not measured), and
	// how it comes about. nil: nothing is asked.
	reach func(node, bare float64) (limit float64, rule string)
}

// figures are the rows of the report.
func figures() []figure {
	cpu := func(r *measure.Result) float64 { return r.CPUPerUnit }
	p99 := func(r *measure.Result) float64 {
		if r.Latency == nil {
			return 0
		}
		return r.Latency.P99
	}
	rate := func(r *measure.Result) float64 { return r.Rate }
	part := func(n float64) func(float64, float64) (float64, string) {
		return func(node, _ float64) (float64, string) { return node / n, fmt.Sprintf("1/%g of Node", n) }
	}
	perSecond := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
	return []figure{
		{"burst", "burst to a room: CPU per delivery", cpu, report.Duration, part(20)},
		{"steady", "steady fan-out: CPU per delivery", cpu, report.Duration, func(node, bare float64) (float64, string) {
			limit, rule := node/2, "1/2 of Node, 1.15 x bare"
			if bare > 0 {
				limit = min(limit, 1.15*bare)
			}
			return limit, rule
		}},
		{"pairs", "user to user: CPU per message", cpu, report.Duration, part(2.5)},
		{"pairs", "user to user: p99", p99, report.Duration, func(node, _ float64) (float64, string) { return node, "below Node" }},
		{"ack", "ack round trip: CPU", cpu, report.Duration, part(3.5)},
		{"echo", "ack round trips, closed loop: CPU", cpu, report.Duration, part(3.5)},
		{"echo", "ack round trips, closed loop: rate", rate, perSecond, nil},
		{"idle", "idle websocket client: memory", func(r *measure.Result) float64 { return r.RSSPerConn }, kilobytes,
			func(float64, float64) (float64, string) { return 10_000, "10 KB" }},
		{"idle", "connect: CPU", cpu, report.Duration, part(6)},
		{"churn", "connect and disconnect: CPU", cpu, report.Duration, nil},
		{"storm", "login storm: CPU, all of it", func(r *measure.Result) float64 { return r.CPUSeconds * 1e6 }, report.Duration, part(10)},
		{"storm", "login storm: until the last has the full list", func(r *measure.Result) float64 {
			if r.Latency == nil {
				return 0
			}
			return r.Latency.Max
		}, report.Duration, nil},
		{"polling", "polling, user to user: CPU per message", cpu, report.Duration, part(2)},
		{"slow", "slow members: p99 of the others", p99, report.Duration, nil},
		{"slow", "slow members: memory gained", func(r *measure.Result) float64 { return float64(r.RSSPeak - r.RSSBefore) }, megabytes, nil},
	}
}

// kilobytes formats bytes.
func kilobytes(b float64) string { return fmt.Sprintf("%.1f KB", b/1e3) }

// megabytes formats bytes.
func megabytes(b float64) string { return fmt.Sprintf("%.1f MB", b/1e6) }
