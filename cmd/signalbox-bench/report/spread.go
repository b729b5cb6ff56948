package report

import (
	"slices"

	"signalbox/cmd/signalbox-bench/measure"
)

// Spread is a figure over the runs.
type Spread struct{ Median, Lowest, Highest float64 }

// SpreadOf takes a figure from every run that was finished and measured it; ok is false if there is none.
func SpreadOf(runs []measure.Result, value func(*measure.Result) float64) (s Spread, ok bool) {
	var values []float64
	for i := range runs {
		if v := value(&runs[i]); runs[i].Error == "" && v != 0 {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return Spread{}, false
	}
	slices.Sort(values)
	return Spread{Median(values), values[0], values[len(values)-1]}, true
}

// Median returns the middle of sorted values, the mean of the two middle ones where their number is even.
func Median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Worst adds up, for every kind of fault, the run with most of it.
func Worst(runs []measure.Result) measure.Counts {
	var w measure.Counts
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
