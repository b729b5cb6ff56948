package compare

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/load"
	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

// TestCompareWritesItsReport measures the bare server, which needs no other program, in the shortest scenario.
func TestCompareWritesItsReport(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the bare server needs epoll")
	}
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	args := []string{"--servers", "bare", "--scenario", "echo", "--runs", "1", "--out", path}
	if err := Run(t.Context(), args, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Benchmarks", section.Begin, section.End, "ack round trips, closed loop: CPU", "one run", "Nothing.", "## What is measured",
	} {
		if n := strings.Count(string(text), want); n != 1 {
			t.Errorf("%d times %q in the report, want once", n, want)
		}
	}
	if strings.Contains(string(text), "Not measured yet") {
		t.Error("the report still says that nothing was measured")
	}
}

func TestInsertSection(t *testing.T) {
	t.Parallel()
	text := "above\n" + section.Begin + "\nold\n" + section.End + "\nbelow\n"
	got, err := section.Insert(text, "new\n")
	if want := "above\n" + section.Begin + "\n\nnew\n\n" + section.End + "\nbelow\n"; err != nil || got != want {
		t.Errorf("insert = %q, %v, want %q", got, err, want)
	}
	for _, broken := range []string{"", "text", section.Begin, section.End + section.Begin} {
		if _, err := section.Insert(broken, "new"); err == nil {
			t.Errorf("insert(%q) went well", broken)
		}
	}
	if _, err := section.Insert(report.Template, "new"); err != nil {
		t.Errorf("the template has no marks: %v", err)
	}
}

// measured makes results with the given processor times per unit.
func measured(scenario string, cpu ...float64) []measure.Result {
	var runs []measure.Result
	for _, v := range cpu {
		runs = append(runs, measure.Result{Scenario: scenario, CPUPerUnit: v, Latency: &measure.Latency{P99: v * 100, Max: v * 200}})
	}
	return runs
}

func TestJudge(t *testing.T) {
	t.Parallel()
	c := &comparison{results: map[string]map[string][]measure.Result{
		"signalbox": {"burst": measured("burst", 0.5, 0.4, 9), "steady": measured("steady", 6), "pairs": measured("pairs", 20)},
		"node":      {"burst": measured("burst", 12, 12, 12), "steady": measured("steady", 10), "pairs": measured("pairs", 30)},
		"bare":      {"steady": measured("steady", 5.5), "pairs": measured("pairs", 13)},
	}}
	tests := map[string]struct{ ratio, limit, reached string }{
		"burst to a room: CPU per delivery": {"1/24.0", "1/20 of Node: 0.60 us", "yes"},
		"steady fan-out: CPU per delivery":  {"1/1.7", "1/2 of Node, 1.15 x bare: 5.00 us", "**no**, 1.20 x; the bare server itself 1.10 x"},
		"user to user: CPU per message":     {"1/1.5", "1/2.5 of Node: 12.0 us", "**no**, 1.67 x; the bare server itself 1.08 x"},
		"user to user: p99":                 {"1/1.5", "below Node: 3.0 ms", "yes"},
		"ack round trip: CPU":               {"-", "1/3.5 of Node", "-"},
	}
	for _, f := range figures() {
		want, ok := tests[f.label]
		if !ok {
			continue
		}
		ratio, limit, reached := c.judge(f)
		if got := (struct{ ratio, limit, reached string }{ratio, limit, reached}); got != want {
			t.Errorf("%s: %q, want %q", f.label, got, want)
		}
	}
}

func TestReportNamesWhatFails(t *testing.T) {
	t.Parallel()
	lossy := measured("burst", 30, 31)
	lossy[1].Counts = measure.Counts{Expected: 100, Delivered: 25, Lost: 75, Reordered: 9}
	lossy[1].Disconnected = 3
	failed := []measure.Result{{Scenario: "ack", Error: "the server was gone\nmore", Notes: []string{"the server process ended"}}}
	chosen, err := load.SelectScenarios("burst,ack")
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{
		opts:     options{servers: []string{"stock"}, scenarios: chosen, runs: 2},
		versions: map[string]string{"stock": "v2"},
		results:  map[string]map[string][]measure.Result{"stock": {"burst": lossy, "ack": failed}},
	}
	report := c.report(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC))
	for _, want := range []string{
		"2 January 2026", "30.5 us (30.0 us to 31.0 us), with losses", "| burst | stock library | 100 | 75 | 0 | 9 | 0 |",
		"| ack round trip: CPU | failed |", "run 1: the server process ended; failed: the server was gone\n", "disconnected 3 clients",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}
