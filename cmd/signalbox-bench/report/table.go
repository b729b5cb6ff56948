package report

import (
	"fmt"
	"io"
	"text/tabwriter"

	"signalbox/cmd/signalbox-bench/measure"
)

// WriteResults prints results for people.
func WriteResults(out io.Writer, results []measure.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tunits\tper second\tCPU each\tp50\tp90\tp99\tmax\tlost\tdoubled\treordered\tmemory")
	for i := range results {
		r := &results[i]
		lat := "-\t-\t-\t-"
		if l := r.Latency; l != nil {
			lat = fmt.Sprintf("%s\t%s\t%s\t%s", Duration(l.P50), Duration(l.P90), Duration(l.P99), Duration(l.Max))
		}
		fmt.Fprintf(w, "%s\t%d %s\t%.0f\t%s\t%s\t%d\t%d\t%d\t%s\n", r.Scenario, r.Units, Plural(r.Unit, r.Units), r.Rate,
			cpuEach(r), lat, r.Counts.Lost, r.Counts.Doubled, r.Counts.Reordered, memory(r))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range results {
		r := &results[i]
		if _, err := fmt.Fprintf(out, "%s: %s\n", r.Scenario, r.About); err != nil {
			return err
		}
		if c := r.Counts; c.Stray+c.Corrupt > 0 {
			fmt.Fprintf(out, "  %d messages came to the wrong client, %d arrived changed\n", c.Stray, c.Corrupt)
		}
		if r.Disconnected > 0 {
			fmt.Fprintf(out, "  the server disconnected %d clients\n", r.Disconnected)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(out, "  %s\n", n)
		}
		if r.Error != "" {
			fmt.Fprintf(out, "  FAILED: %s\n", r.Error)
		}
	}
	return nil
}

// cpuEach formats the processor time per unit.
func cpuEach(r *measure.Result) string {
	if r.CPUPerUnit == 0 {
		return "-"
	}
	return Duration(r.CPUPerUnit)
}

// memory formats what the scenario says about memory.
func memory(r *measure.Result) string {
	switch {
	case r.RSSPerConn != 0:
		return fmt.Sprintf("%.1f KB each", r.RSSPerConn/1000)
	case r.RSSPeak != 0:
		return fmt.Sprintf("%+.1f MB peak", float64(r.RSSPeak-r.RSSBefore)/1e6)
	}
	return "-"
}

// Duration formats microseconds with the unit that fits.
func Duration(us float64) string {
	switch {
	case us < 10:
		return fmt.Sprintf("%.2f us", us)
	case us < 1000:
		return fmt.Sprintf("%.1f us", us)
	case us < 100_000:
		return fmt.Sprintf("%.1f ms", us/1000)
	case us < 10_000_000:
		return fmt.Sprintf("%.0f ms", us/1000)
	}
	return fmt.Sprintf("%.1f s", us/1e6)
}

// Plural returns the word for n of a unit.
func Plural(unit string, n int64) string {
	switch {
	case n == 1 || unit == "":
		return unit
	case unit == "delivery":
		return "deliveries"
	case unit == "publish":
		return "publishes"
	}
	return unit + "s"
}
