package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signalbox/cmd/signalbox/bench"
	"signalbox/store/redis/redistest"
)

// TestBenchOfTheDoors has the load generator's scenarios of the doors meet the server they are for: everything arrives
// once and in order.
func TestBenchOfTheDoors(t *testing.T) {
	const key = "the key of this test"
	r := runServe(t, "All settings", "API_KEY="+key, "JWT_SECRET="+apiTestSecret)
	args := []string{
		"--url", r.url, "--scenario", "doors", "--json", "--strict", "--jwt-secret", apiTestSecret, "--api-key", key,
		"--door-clients", "20", "--idle-settle", "10ms",
		"--mixed-members", "9", "--mixed-messages", "20",
		"--publish-clients", "4", "--publish-calls", "200",
		"--say-rooms", "3", "--say-members", "2", "--say-messages", "150",
	}
	var out, progress bytes.Buffer
	if err := bench.Run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("Run = %v\n%s", err, out.Bytes())
	}
	var results []bench.Result
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"ws": 20, "sse": 20, "chat": 180, "mixed": 180, "publish": 200, "say": 150}
	for _, res := range results {
		if res.Units != want[res.Scenario] || len(res.Notes) > 0 || res.Disconnected > 0 {
			t.Errorf("%s: %+v, want %d units and no remarks", res.Scenario, res, want[res.Scenario])
		}
		delete(want, res.Scenario)
	}
	if len(want) > 0 {
		t.Errorf("no results for %v", want)
	}
}

// TestBenchOfTheDoorsRefused has each scenario fail with what to do where the server lets nobody in.
func TestBenchOfTheDoorsRefused(t *testing.T) {
	r := runServe(t, "All settings", "API_KEY=the key of this test", "JWT_SECRET="+apiTestSecret)
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no secret":    {[]string{"--scenario", "chat"}, "--jwt-secret"},
		"other secret": {[]string{"--scenario", "mixed", "--jwt-secret", strings.Repeat("x", 32)}, "could not connect"},
		"no key":       {[]string{"--scenario", "publish"}, "--api-key"},
		"other key":    {[]string{"--scenario", "publish", "--api-key", "not the key of this test"}, "status 401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("JWT_SECRET", "")
			t.Setenv("API_KEY", "")
			var out bytes.Buffer
			args := append([]string{"--url", r.url, "--json", "--quiet", "200ms", "--mixed-members", "3"}, tt.args...)
			if err := bench.Run(t.Context(), args, &out, io.Discard); err != nil {
				t.Fatal(err)
			}
			var results []bench.Result
			if err := json.Unmarshal(out.Bytes(), &results); err != nil || len(results) != 1 {
				t.Fatalf("%d results, %v", len(results), err)
			}
			if !strings.Contains(results[0].Error, tt.want) {
				t.Errorf("error = %q, want %q in it", results[0].Error, tt.want)
			}
		})
	}
	var out bytes.Buffer
	t.Setenv("JWT_SECRET", apiTestSecret)
	if err := bench.Run(t.Context(), []string{"-h"}, io.Discard, &out); err != nil || strings.Contains(out.String(), apiTestSecret) {
		t.Errorf("the help shows a secret of the environment, or fails: %v", err)
	}
}

// TestBenchOfClusters measures small clusters of this program: everything arrives once and in order, and the report has a
// section on it.
func TestBenchOfClusters(t *testing.T) {
	redistest.NeedReal(t)
	t.Setenv(asMain, "1")                   // the servers and the load are processes of this binary
	t.Setenv("GORACE", "atexit_sleep_ms=0") // many of them
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	args := []string{
		"--cluster", "--scenario", "cross,growth,storage", "--runs", "1", "--time", "200ms", "--servers", "2", "--node", "",
		"--cold", "--json", "--out", path,
	}
	var out, progress bytes.Buffer
	if err := bench.Run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("Run = %v\n%s", err, progress.Bytes())
	}
	var sites map[string]map[string][]bench.Result
	if err := json.Unmarshal(out.Bytes(), &sites); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []string{"cross", "crossack"} {
		if runs := sites["two"][scenario]; len(runs) != 1 || runs[0].Error != "" || runs[0].Units != 1000 || len(runs[0].CPUEach) != 3 {
			t.Errorf("%s on two servers: %+v", scenario, runs)
		}
	}
	report, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"sender's server: CPU per message", "| classic | 2 |", "| sharded | 2 |", "user of the chat, 20 in a room", "| ticket | 1000 |", "Nothing, of ",
	} {
		if !bytes.Contains(report, []byte(want)) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}
