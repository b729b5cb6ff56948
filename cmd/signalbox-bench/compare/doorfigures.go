package compare

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
	"signalbox/cmd/signalbox-bench/rig"
)

// onDisk stands behind the names of scenarios that ran against a server with HISTORY_DB.
const onDisk = " on disk"

// doorSpecs tells how to start signalbox for the scenarios of the doors: with fixed secrets, and for say once more with
// the history in a file.
func (c *comparison) doorSpecs(spec rig.Spec) []rig.Spec {
	const secret = "nothing secret, a server of signalbox-bench"
	env := append(slices.Clone(spec.Env), "JWT_SECRET="+secret, "API_KEY="+secret)
	var names []string
	for _, s := range load.Scenarios() {
		if s.Door {
			names = append(names, s.Name)
		}
	}
	doors, disk := spec, spec
	doors.Env, doors.Only = env, strings.Join(names, ",")
	disk.Env = append(slices.Clone(env), "HISTORY_DB="+filepath.Join(c.Work, "history.db"))
	disk.Only, disk.As = "say", onDisk
	return []rig.Spec{doors, disk}
}

// served reports whether a scenario runs against a server.
func served(s rig.Spec, sc load.Scenario) bool {
	if s.Only == "" {
		return !sc.Door
	}
	return slices.Contains(strings.Split(s.Only, ","), sc.Name)
}

// measured lists what was measured: the scenarios, and behind say its other kind.
func (c *comparison) measured() []load.Scenario {
	var list []load.Scenario
	for _, s := range c.opts.scenarios {
		list = append(list, s)
		if s.Name == "say" {
			s.Name += onDisk
			list = append(list, s)
		}
	}
	return list
}

// doorFigure is one number of the report's section on doors.
type doorFigure struct {
	figure
	// against is the scenario that it is compared with, by the same value; "": none.
	against string
	// atMost is the highest value to reach, as a multiple of that of against where there is one. atLeast is the lowest.
	// 0: nothing is asked.
	atMost, atLeast float64
}

// doorFigures are the rows of the section on doors.
func doorFigures() []doorFigure {
	cpu := func(r *measure.Result) float64 { return r.CPUPerUnit }
	perConn := func(r *measure.Result) float64 { return r.RSSPerConn }
	perProcessor := func(r *measure.Result) float64 {
		if r.CPUPerUnit == 0 {
			return 0
		}
		return 1e6 / r.CPUPerUnit
	}
	perSecond := func(v float64) string { return fmt.Sprintf("%.0f/s", v) }
	row := func(scenario, label string, value func(*measure.Result) float64, format func(float64) string) figure {
		return figure{scenario: scenario, label: label, value: value, format: format}
	}
	return []doorFigure{
		{figure: row("ws", "idle plain WebSocket: memory", perConn, kilobytes), atMost: 6000},
		{figure: row("sse", "idle event stream: memory", perConn, kilobytes), atMost: 12_000},
		{figure: row("chat", "room of Socket.IO clients: CPU per delivery", cpu, report.Duration)},
		{figure: row("mixed", "room of all three kinds: CPU per delivery", cpu, report.Duration), against: "chat", atMost: 1.2},
		{figure: row("publish", "publish API: calls per second of one processor", perProcessor, perSecond), atLeast: 10_000},
		{figure: row("publish", "publish API: CPU per call", cpu, report.Duration)},
		{figure: row("say", "history in memory: CPU per message", cpu, report.Duration)},
		{figure: row("say"+onDisk, "history on disk: CPU per message", cpu, report.Duration), against: "say", atMost: 1.1},
	}
}

// writeDoors writes the section on doors, nothing where none of it was measured.
func (c *comparison) writeDoors(b *strings.Builder) {
	var rows [][]string
	for _, f := range doorFigures() {
		if len(c.results["signalbox"][f.scenario]) > 0 {
			ratio, limit, reached := c.judgeDoor(f)
			rows = append(rows, []string{f.label, c.cell("signalbox", f.figure), ratio, limit, reached})
		}
	}
	if len(rows) == 0 {
		return
	}
	b.WriteString("### Doors\n\n")
	report.Row(b, []string{"work", "signalbox", "ratio", "to reach", "reached"})
	report.Row(b, slices.Repeat([]string{"---"}, 5))
	for _, r := range rows {
		report.Row(b, r)
	}
	b.WriteString("\n")
}

// judgeDoor compares a figure with what is to be reached.
func (c *comparison) judgeDoor(f doorFigure) (ratio, limit, reached string) {
	ratio, limit, reached = "-", "-", "-"
	value, measured := report.SpreadOf(c.results["signalbox"][f.scenario], f.value)
	base, hasBase := report.SpreadOf(c.results["signalbox"][f.against], f.value)
	most := f.atMost
	switch {
	case f.against != "":
		limit = fmt.Sprintf("at most %g x %s", f.atMost, f.against)
		most *= base.Median
		if measured && hasBase {
			ratio = fmt.Sprintf("%.2f x %s", value.Median/base.Median, f.against)
		}
	case f.atMost > 0:
		limit = "at most " + f.format(f.atMost)
	case f.atLeast > 0:
		limit = "at least " + f.format(f.atLeast)
	}
	switch {
	case !measured || f.against != "" && !hasBase:
	case f.atLeast > 0 && value.Median < f.atLeast:
		reached = fmt.Sprintf("**no**, %.2f x", value.Median/f.atLeast)
	case most > 0 && value.Median > most:
		reached = fmt.Sprintf("**no**, %.2f x", value.Median/most)
	case f.atLeast > 0 || most > 0:
		reached = "yes"
	}
	return ratio, limit, reached
}
