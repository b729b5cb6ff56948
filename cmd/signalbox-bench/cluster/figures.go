package cluster

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

// figure is one row of the tables on clusters.
type figure struct {
	label   string
	ours    series
	against series // what it is held against, in the same run; nil: nothing
	whose   string // what that is
	format  func(float64) string

	most  float64 // the highest value to reach; 0: nothing is asked
	ratio float64 // the highest ours/against to reach; 0: nothing is asked
}

// series are the values of one figure, one per run; NaN where a run has none.
type series []float64

// minus subtracts run by run.
func (s series) minus(o series) series {
	d := make(series, min(len(s), len(o)))
	for i := range d {
		d[i] = s[i] - o[i]
	}
	return d
}

// over divides run by run.
func (s series) over(o series) series {
	q := make(series, min(len(s), len(o)))
	for i := range q {
		if q[i] = math.NaN(); o[i] > 0 {
			q[i] = s[i] / o[i]
		}
	}
	return q
}

// spread returns the median and what it lies between; ok is false if there is no value.
func (s series) spread() (report.Spread, bool) {
	values := slices.DeleteFunc(slices.Clone(s), math.IsNaN)
	if len(values) == 0 {
		return report.Spread{}, false
	}
	slices.Sort(values)
	return report.Spread{Median: report.Median(values), Lowest: values[0], Highest: values[len(values)-1]}, true
}

// text formats a series.
func (s series) text(format func(float64) string) string {
	v, ok := s.spread()
	switch {
	case !ok:
		return "-"
	case len(s) == 1:
		return format(v.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", format(v.Median), format(v.Lowest), format(v.Highest))
}

// values takes a figure from every run of a scenario on a site.
func (c *bench) values(site, scenario string, value func(*measure.Result) float64) series {
	runs := c.results[site][scenario]
	s := make(series, len(runs))
	for i := range runs {
		if s[i] = math.NaN(); runs[i].Error == "" {
			s[i] = value(&runs[i])
		}
	}
	return s
}

// cpuOf returns the processor time per unit of one process in the order of --pid, NaN where it was not measured.
func cpuOf(process int) func(*measure.Result) float64 {
	return func(r *measure.Result) float64 {
		switch {
		case process < len(r.CPUEach):
			return r.CPUEach[process]
		case process == 0 && r.CPUPerUnit > 0: // one process only
			return r.CPUPerUnit
		}
		return math.NaN()
	}
}

// cpuOfServers returns the processor time per unit of all servers that have clients.
func cpuOfServers(r *measure.Result) float64 {
	if r.CPUPerUnit == 0 {
		return math.NaN()
	}
	return r.CPUPerUnit
}

// latencyOf returns a part of the latency.
func latencyOf(part func(*measure.Latency) float64) func(*measure.Result) float64 {
	return func(r *measure.Result) float64 {
		if r.Latency == nil {
			return math.NaN()
		}
		return part(r.Latency)
	}
}

// crossFigures are those of messages from server to server.
func (c *bench) crossFigures() []figure {
	const node = "Node"
	p50, p99 := latencyOf(func(l *measure.Latency) float64 { return l.P50 }), latencyOf(func(l *measure.Latency) float64 { return l.P99 })
	ours := func(value func(*measure.Result) float64) series { return c.values(siteTwo, "cross", value) }
	theirs := func(value func(*measure.Result) float64) series { return c.values(siteNodes, "cross", value) }
	acked := func(value func(*measure.Result) float64) series { return c.values(siteTwo, "crossack", value) }
	var rows []figure
	for _, rate := range []struct{ as, words string }{{"", ""}, {whenBusy, "at 15,000/s, "}} {
		two := func(value func(*measure.Result) float64) series { return c.values(siteTwo+rate.as, "cross", value) }
		nodes := func(value func(*measure.Result) float64) series { return c.values(siteNodes+rate.as, "cross", value) }
		same := c.values(siteSingle+rate.as, "cross", cpuOf(0))
		read := c.values(siteSingle+rate.as, "absent", cpuOf(0))
		rows = append(rows,
			figure{label: rate.words + "sender's server: CPU per message", ours: two(cpuOf(0)), against: nodes(cpuOf(0)), whose: node, format: report.Duration, most: 15},
			figure{label: rate.words + "the same less that of a message to nobody", ours: two(cpuOf(0)).minus(read), format: report.Duration},
			figure{label: rate.words + "receiver's server: CPU per message", ours: two(cpuOf(1)), against: nodes(cpuOf(1)), whose: node, format: report.Duration},
			figure{label: rate.words + "the same less a delivery without a cluster", ours: two(cpuOf(1)).minus(same.minus(read)), format: report.Duration, most: 10},
			figure{label: rate.words + "Redis: CPU per message", ours: two(cpuOf(2)), against: nodes(cpuOf(2)), whose: node, format: report.Duration},
			figure{label: rate.words + "message to the same server, no REDIS_URL: CPU", ours: same, format: report.Duration},
			figure{label: rate.words + "message to nobody, no REDIS_URL: CPU", ours: read, format: report.Duration},
		)
	}
	return append(rows,
		figure{label: "p50", ours: ours(p50), against: theirs(p50), whose: node, format: report.Duration},
		figure{label: "p99", ours: ours(p99), against: theirs(p99), whose: node, format: report.Duration, most: 5000},
		figure{label: "with a callback, sender's server: CPU per message", ours: acked(cpuOf(0)), format: report.Duration},
		figure{label: "with a callback, receiver's server: CPU per message", ours: acked(cpuOf(1)), format: report.Duration},
		figure{label: "with a callback, Redis: CPU per message", ours: acked(cpuOf(2)), format: report.Duration},
		figure{label: "with a callback, until it is answered: p50", ours: acked(p50), format: report.Duration},
		figure{label: "with a callback, until it is answered: p99", ours: acked(p99), format: report.Duration},
	)
}

// roomFigures are those of a room over two servers.
func (c *bench) roomFigures() []figure {
	row := func(label, scenario string, value func(*measure.Result) float64) figure {
		return figure{label: label, ours: c.values(siteTwo, scenario, value), against: c.values(siteNodes, scenario, value), whose: "Node", format: report.Duration}
	}
	burst := row("burst: CPU of both servers per delivery", "burst", cpuOfServers)
	burst.ratio = 1.0 / 5
	return []figure{
		burst,
		row("burst: Redis, CPU per delivery", "burst", cpuOf(2)),
		row("steady: CPU of both servers per delivery", "steady", cpuOfServers),
		row("steady: p99", "steady", latencyOf(func(l *measure.Latency) float64 { return l.P99 })),
	}
}

// localFigures are what REDIS_URL costs those who need nobody else.
func (c *bench) localFigures() []figure {
	var rows []figure
	for _, work := range []struct{ scenario, label string }{
		{"pairs", "user to user: CPU per message"},
		{"crossack", "user to user with a callback: CPU per message"},
		{"ack", "ack round trip: CPU"},
		{"burst", "burst to a room: CPU per delivery"},
	} {
		without := c.values(siteSingle+onlyLocal, work.scenario, cpuOfServers)
		for _, with := range []struct {
			site, label string
			ratio       float64
		}{
			{siteAlone, "alone in its cluster", 1.3},
			{siteEmpty, "and a signalbox without clients", 1.3},
			{siteMixed, "and a Node server without clients", 0},
		} {
			rows = append(rows, figure{
				label: work.label + ", " + with.label, ours: c.values(with.site, work.scenario, cpuOfServers),
				against: without, whose: "no REDIS_URL", format: report.Duration, ratio: with.ratio,
			})
		}
	}
	return append(rows,
		figure{label: "what the Node server spends on a message from user to user", ours: c.values(siteMixed, "pairs", cpuOf(1)), format: report.Duration},
		figure{label: "what Redis spends on it", ours: c.values(siteMixed, "pairs", cpuOf(2)), format: report.Duration},
	)
}

// cells are what a figure's row says; measured is false if nothing was.
func (f *figure) cells() (cells []string, measured bool) {
	value, measured := f.ours.spread()
	quotients := f.ours.over(f.against)
	quotient, compared := quotients.spread()
	base, ratio, limit, reached := "-", "-", "-", "-"
	if f.against != nil {
		if v, ok := f.against.spread(); ok {
			base = f.whose + " " + f.format(v.Median)
		}
	}
	if compared {
		ratio = ratioText(quotient.Median)
	}
	switch {
	case f.most > 0:
		limit = "at most " + f.format(f.most)
	case f.ratio > 0:
		limit = "at most " + ratioText(f.ratio)
	}
	excess := 0.0
	switch {
	case f.most > 0 && measured:
		excess = value.Median / f.most
	case f.ratio > 0 && compared:
		excess = quotient.Median / f.ratio
	}
	switch {
	case excess > 1:
		reached = fmt.Sprintf("**no**, %.2f x", excess)
	case excess != 0:
		reached = "yes"
	}
	return []string{f.label, f.ours.text(f.format), base, ratio, limit, reached}, measured
}

// ratioText writes ratios below a half as fractions: those are against others, and how many times less is what is asked.
func ratioText(r float64) string {
	if r > 0 && r < 0.5 {
		return fmt.Sprintf("1/%.1f", 1/r)
	}
	return fmt.Sprintf("%.2f", r)
}

// writeFigures writes the rows that were measured, under a heading; nothing where none was.
func writeFigures(b *strings.Builder, heading string, figures []figure) {
	var rows [][]string
	for i := range figures {
		if cells, measured := figures[i].cells(); measured {
			rows = append(rows, cells)
		}
	}
	table(b, heading, []string{"work", "signalbox", "against", "ratio", "to reach", "reached"}, rows)
}

// table writes a table under a heading; nothing where it has no rows.
func table(b *strings.Builder, heading string, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", heading)
	report.Row(b, head)
	report.Row(b, slices.Repeat([]string{"---"}, len(head)))
	for _, cells := range rows {
		report.Row(b, cells)
	}
	b.WriteString("\n")
}
