package cluster

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"signalbox/cmd/signalbox-bench/measure"
	"signalbox/cmd/signalbox-bench/report"
)

func TestParseCluster(t *testing.T) {
	t.Parallel()
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.parts, parts) || !slices.Equal(o.growth, []int{2, 3, 4, 6}) || o.runs != 3 {
		t.Errorf("defaults = %+v", o)
	}
	o, err = parseOptions([]string{"--scenario", "room, pubsub", "--servers", "4,2,4"}, io.Discard)
	if err != nil || !slices.Equal(o.parts, []string{partRoom, partPubSub}) || !slices.Equal(o.growth, []int{2, 4}) {
		t.Errorf("parseCluster = %+v, %v", o, err)
	}
	_, err = parseOptions([]string{"--scenario", "cross,x", "--runs", "0", "--time", "0s", "--servers", "1"}, io.Discard)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--scenario x", "--runs", "--time", "--servers"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %q", want, err)
		}
	}
	if _, err := parseOptions([]string{"compare"}, io.Discard); err == nil {
		t.Error("an argument that is none went well")
	}
}

func TestClusterWithoutRedis(t *testing.T) {
	t.Parallel()
	_, err := startRedis(t.Context(), "redis-server-that-is-not-here", t.TempDir(), -1)
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("startRedis = %v, want what to do", err)
	}
}

func TestPublishCost(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not in PATH: this test needs a real one")
	}
	redis, err := startRedis(t.Context(), "redis-server", t.TempDir(), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer redis.stop()
	for _, verb := range []string{"SUBSCRIBE", "PSUBSCRIBE"} {
		cost, err := redis.publishCost(t.Context(), verb, "socket.io#/#room#", 2)
		if err != nil || cost < 0 || cost > 10_000 {
			t.Errorf("publishCost(%s) = %v, %v", verb, cost, err)
		}
	}
	if used, err := redis.usedMemory(t.Context()); err != nil || used < 100_000 {
		t.Errorf("usedMemory = %d, %v", used, err)
	}
	if v, err := redis.version(t.Context()); err != nil || !strings.Contains(v, ".") {
		t.Errorf("version = %q, %v", v, err)
	}
}

func TestClusterFigures(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	tests := map[string]struct {
		figure   figure
		want     []string // without the label
		measured bool
	}{
		"nothing measured": {
			figure{most: 5}, []string{"-", "-", "-", "at most 5.00 us", "-"}, false,
		},
		"a limit that is kept": {
			figure{ours: series{14, 12, 13}, most: 15},
			[]string{"13.0 us (12.0 us to 14.0 us)", "-", "-", "at most 15.0 us", "yes"}, true,
		},
		"a limit that is not": {
			figure{ours: series{30}, most: 15}, []string{"30.0 us", "-", "-", "at most 15.0 us", "**no**, 2.00 x"}, true,
		},
		"a difference below zero": {
			figure{ours: series{10}.minus(series{12}), most: 10}, []string{"-2.00 us", "-", "-", "at most 10.0 us", "yes"}, true,
		},
		"a ratio run by run": {
			// The medians alone would give 1.5.
			figure{ours: series{10, 20, 30}, against: series{10, 10, 30}, whose: "Node", ratio: 1.3},
			[]string{"20.0 us (10.0 us to 30.0 us)", "Node 10.0 us", "1.00", "at most 1.30", "yes"}, true,
		},
		"a fraction": {
			figure{ours: series{3}, against: series{9}, whose: "Node", ratio: 1.0 / 5},
			[]string{"3.00 us", "Node 9.00 us", "1/3.0", "at most 1/5.0", "**no**, 1.67 x"}, true,
		},
		"a run that failed": {
			figure{ours: series{nan, 4, 6}, against: series{nan, 2, 2}, whose: "Node"},
			[]string{"5.00 us (4.00 us to 6.00 us)", "Node 2.00 us", "2.50", "-", "-"}, true,
		},
		"the other side not measured": {
			figure{ours: series{4}, against: series{nan}, whose: "Node", ratio: 1.3},
			[]string{"4.00 us", "-", "-", "at most 1.30", "-"}, true,
		},
	}
	for name, tt := range tests {
		tt.figure.format = report.Duration
		got, measured := tt.figure.cells()
		if !slices.Equal(got[1:], tt.want) || measured != tt.measured {
			t.Errorf("%s: cells = %q, %v, want %q, %v", name, got[1:], measured, tt.want, tt.measured)
		}
	}
}

// clusterResult is what a scenario on servers and a Redis came to.
func clusterResult(scenario string, p99 float64, cpu ...float64) measure.Result {
	r := measure.Result{Scenario: scenario, CPUEach: cpu, CPUPerUnit: cpu[0], Latency: &measure.Latency{P50: p99 / 3, P99: p99}}
	r.Counts = measure.Counts{Expected: 100, Delivered: 100}
	return r
}

func TestClusterReport(t *testing.T) {
	t.Parallel()
	c := &bench{
		opts: options{runs: 1, args: []string{"--runs", "1"}}, versions: []string{"signalbox: v1", "Redis: 7"},
		results: map[string]map[string][]measure.Result{},
	}
	single, absent := clusterResult("cross", 100, 9), clusterResult("absent", 100, 5)
	single.CPUEach, absent.CPUEach = nil, nil // one process
	c.keep(siteSingle, []measure.Result{single, absent})
	c.keep(siteTwo, []measure.Result{clusterResult("cross", 2000, 14, 12, 3)})
	lossy := clusterResult("cross", 9000, 100, 60, 4)
	lossy.Counts = measure.Counts{Expected: 100, Delivered: 97, Lost: 3}
	lossy.Notes = []string{"the generator was late"}
	c.keep(siteNodes, []measure.Result{lossy})
	four := clusterResult("cross", 2000, 20, 15, 4, 6, 9)
	c.growth = []growthResult{{"classic", 4, four, four, four, four}}
	c.storage = []storageResult{{"ticket", 1000, 606.6, 88}}
	c.pubsub = []pubSubResult{{16, 5, 6}}
	report := c.report(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "Other programs used 50 %")
	for _, want := range []string{
		"`signalbox-bench cluster --runs 1`, one run", "Other programs used 50 %", "- signalbox: v1\n- Redis: 7\n",
		"| sender's server: CPU per message | 14.0 us | Node 100.0 us | 1/7.1 | at most 15.0 us | yes |",
		"| the same less that of a message to nobody | 9.00 us | - |",
		"| the same less a delivery without a cluster | 8.00 us | - | - | at most 10.0 us | yes |",
		"| Redis: CPU per message | 3.00 us | Node 4.00 us | 0.75 |",
		"| p99 | 2.0 ms | Node 9.0 ms | 1/4.5 | at most 5.0 ms | yes |",
		"| classic | 4 | 20.0 us | 15.0 us | 5.00 us | 9.00 us | 20.0 us | 8.33 us | 9.00 us |",
		"| classic | 4 | announced | 20.0 us | 8.33 us | 9.00 us | 666.7 us | 2.0 ms |",
		"| ticket | 1000 | 607 | 88.0 us |", "| 16 | 5.00 us | 6.00 us |",
		"3 were lost, 0 doubled", "- nodes, cross, run 1: of 100 messages 3 lost, 0 doubled, 0 reordered, 0 stray or changed; the generator was late\n",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	for _, not := range []string{"A room over two servers", "What REDIS_URL costs", "NaN"} {
		if strings.Contains(report, not) {
			t.Errorf("%q in\n%s", not, report)
		}
	}
}

func TestTheSectionOnClustersComesToTheEndAndStays(t *testing.T) {
	t.Parallel()
	compared := report.Section{
		Begin: "<!-- bench:begin, generated by signalbox-bench compare -->", End: "<!-- bench:end -->", Template: report.Template,
	}
	text := "above\n" + compared.Begin + "\nfigures\n" + compared.End + "\nbelow\n"
	once, err := section.Insert(text, "figures 1\n")
	if err != nil || !strings.HasPrefix(once, text) || strings.Count(once, "figures 1") != 1 || strings.Contains(once, "Not measured yet") {
		t.Fatalf("insert = %q, %v", once, err)
	}
	twice, err := section.Insert(once, "figures 2\n")
	if err != nil || strings.Contains(twice, "figures 1") || strings.Count(twice, section.Begin) != 1 {
		t.Errorf("insert = %q, %v", twice, err)
	}
	again, err := compared.Insert(twice, "new figures\n")
	if err != nil || !strings.Contains(again, "figures 2") || strings.Contains(again, "\nfigures\n") {
		t.Errorf("insert = %q, %v", again, err)
	}
	if _, err := section.Insert(section.Begin, "x"); err == nil {
		t.Error("a section without its end went well")
	}
}

func TestClusterHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := Run(t.Context(), []string{"-h"}, io.Discard, &out); !errors.Is(err, flag.ErrHelp) || !strings.Contains(out.String(), "Usage: signalbox-bench cluster") {
		t.Errorf("runCluster = %v, printed %q", err, out.String())
	}
}
