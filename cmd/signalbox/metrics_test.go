package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"signalbox/config"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

var helpLine = regexp.MustCompile(`(?m)^# HELP (\S+) (.*)$`)

// TestMetricsPage holds docs/metrics.md and /metrics of a whole server equal, in both directions.
func TestMetricsPage(t *testing.T) {
	cfg := config.Default()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	cfg, _ = withSecret(cfg)
	srv, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }() // awaited below
	url := "http://" + srv.Addr().String()
	get(t, url+"/")
	_, body := get(t, url+"/metrics")
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	known := make(map[string]bool)
	for _, m := range srv.Metrics().Own() {
		known[m.Name] = true
	}
	var goTable bytes.Buffer
	goTable.WriteString("| Metric | Meaning |\n|---|---|\n")
	for _, line := range helpLine.FindAllStringSubmatch(body, -1) {
		name, help := line[1], line[2]
		if strings.HasPrefix(name, "signalbox_") {
			if !known[name] {
				t.Errorf("/metrics shows %s, which Metrics.Own does not list", name)
			}
			continue
		}
		fmt.Fprintf(&goTable, "| `%s` | %s |\n", name, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(help))
	}
	var ownTable bytes.Buffer
	if err := srv.Metrics().WriteMarkdown(&ownTable); err != nil {
		t.Fatal(err)
	}
	// Figures without a value yet, such as counters by cause, show no HELP line; the rest must be there.
	for _, m := range srv.Metrics().Own() {
		if m.Label == "" && !strings.Contains(body, "# HELP "+m.Name+" ") {
			t.Errorf("/metrics does not show %s", m.Name)
		}
	}
	comparePage(t, "own", ownTable.String())
	if runtime.GOOS == "linux" { // the process figures differ elsewhere
		comparePage(t, "go", goTable.String())
	}
}

// comparePage compares the table between two comments of docs/metrics.md, or writes it.
func comparePage(t *testing.T, name, want string) {
	t.Helper()
	text, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := fmt.Sprintf("<!-- %s: written by go test ./cmd/signalbox -run TestMetricsPage -update -->\n", name), fmt.Sprintf("<!-- %s end -->\n", name)
	before, rest, ok := strings.Cut(string(text), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("docs/metrics.md has no lines %q and %q", begin, end)
	}
	if shown == want {
		return
	}
	if !*update {
		lines := strings.Split(shown, "\n")
		for line := range strings.Lines(want) {
			if !slices.Contains(lines, strings.TrimSuffix(line, "\n")) {
				t.Errorf("docs/metrics.md lacks: %s", line)
			}
		}
		t.Fatalf("table %q of docs/metrics.md is not what /metrics shows; run go test ./cmd/signalbox -run TestMetricsPage -update", name)
	}
	if err := os.WriteFile(metricsPage, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
