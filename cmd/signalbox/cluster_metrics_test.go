package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"signalbox/config"
	"signalbox/store/redis/redistest"
)

// TestMetricsPageOfACluster holds docs/metrics.md and what /metrics shows with REDIS_URL beyond a single server equal.
func TestMetricsPageOfACluster(t *testing.T) {
	cfg := config.Default()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	cfg, _ = withSecret(cfg)
	alone, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, m := range alone.Metrics().Own() {
		known[m.Name] = true
	}
	runToEnd(t, alone.Run)()

	cfg.RedisURL, cfg.NodeURL = config.Secret(redistest.Start(t).URL()), "http://127.0.0.1:3000"
	compareMore(t, cfg, known, "cluster")
}

// TestMetricsPageOfLogic does so for what /metrics shows with HOOKS_URL and WORKER_KEY.
func TestMetricsPageOfLogic(t *testing.T) {
	cfg := config.Default()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	cfg, _ = withSecret(cfg)
	alone, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, m := range alone.Metrics().Own() {
		known[m.Name] = true
	}
	runToEnd(t, alone.Run)()
	cfg.HooksURL, cfg.HooksEvents = "http://127.0.0.1:1/", "/game:*"
	cfg.WorkerKey, cfg.WorkerEvents = "0123456789abcdef0123456789abcdef", "/shop:*"
	compareMore(t, cfg, known, "logic")
}

// compareMore compares what a server shows beyond what is known with a table of the page.
func compareMore(t *testing.T, cfg config.Config, known map[string]bool, name string) {
	t.Helper()
	srv, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	end := runToEnd(t, srv.Run)
	_, body := get(t, "http://"+srv.Addr().String()+"/metrics")
	end()
	var table bytes.Buffer
	table.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	for _, m := range srv.Metrics().Own() {
		if known[m.Name] {
			continue
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, m.Label, m.Help)
		if m.Label == "" && !strings.Contains(body, "# HELP "+m.Name+" "+m.Help+"\n") {
			t.Errorf("/metrics does not show %s", m.Name)
		}
	}
	comparePage(t, name, table.String())
}

// runToEnd runs a server; the result ends it.
func runToEnd(t testing.TB, run func(context.Context) error) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }() // awaited by end
	return func() {
		t.Helper()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
