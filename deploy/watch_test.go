package deploy

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboard and the alerts")

// metric is a row of a table in docs/metrics.md, which TestMetricsPage holds equal to what a server shows.
type metric struct{ name, kind, label, help string }

func metrics(t *testing.T) []metric {
	t.Helper()
	var list []metric
	row := regexp.MustCompile("(?m)^\\| `(signalbox_\\w+)` \\| (\\w+) \\| ([\\w, ]*) \\| (.*) \\|$")
	for _, m := range row.FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		list = append(list, metric{m[1], m[2], strings.TrimSpace(m[3]), m[4]})
	}
	if len(list) < 50 {
		t.Fatalf("docs/metrics.md has %d metrics", len(list))
	}
	return list
}

// rows are the parts of the dashboard. A metric belongs to the first whose names it begins with.
var rows = []struct {
	title string
	names []string
}{
	{"Health", []string{"ready", "build_info", "redis_up", "handler_panics", "door_panics", "http_panics", "cluster_panics"}},
	{"Clients", []string{"connections", "sockets", "open_connections", "upgrades", "slow_clients", "unauthorized", "tokens"}},
	{"Clients that are cut, and come back", []string{"recover"}},
	{"Messages", []string{"event", "packets", "texts", "received_bytes", "sent_bytes", "outbox", "writes", "volatile", "compressions"}},
	{"Cluster and Redis", []string{"cluster", "redis", "forward"}},
	{"History", []string{"history", "store"}},
	{"Broker, chat, rooms, tap", []string{"broker", "chat", "room", "rooms", "joins", "namespaces", "tap"}},
	{"HTTP", []string{"http"}},
	{"The application's own backend", []string{"logic", "worker", "hook"}},
	{"More", []string{""}},
}

func rowOf(m metric) int {
	name := strings.TrimPrefix(m.name, "signalbox_")
	for i, r := range rows {
		for _, n := range r.names {
			if strings.HasPrefix(name, n) {
				return i
			}
		}
	}
	return len(rows) - 1 // every name begins with nothing
}

func (m metric) expression() (expr, legend string) {
	by, legend := "instance", "{{instance}}"
	for _, l := range strings.FieldsFunc(m.label, func(r rune) bool { return r == ',' || r == ' ' }) {
		by, legend = by+", "+l, legend+" {{"+l+"}}"
	}
	selector := m.name + `{job=~"$job", instance=~"$instance"}`
	switch m.kind {
	case "counter":
		return fmt.Sprintf("sum by (%s) (rate(%s[$__rate_interval]))", by, selector), legend
	case "histogram":
		return fmt.Sprintf("histogram_quantile(0.99, sum by (%s, le) (rate(%s[$__rate_interval])))",
			by, strings.Replace(selector, "{", "_bucket{", 1)), legend + " p99"
	default:
		return fmt.Sprintf("sum by (%s) (%s)", by, selector), legend
	}
}

func (m metric) unit() string {
	switch {
	case strings.HasSuffix(m.name, "_seconds"):
		return "s"
	case strings.HasSuffix(m.name, "bytes_total"):
		return "Bps"
	case strings.HasSuffix(m.name, "_bytes"):
		return "bytes"
	case m.kind == "counter":
		return "cps"
	default:
		return "short"
	}
}

// TestDashboard holds the dashboard equal to the table of metrics: each has a panel.
func TestDashboard(t *testing.T) {
	type object = map[string]any
	source := object{"type": "prometheus", "uid": "${source}"}
	list := metrics(t)
	var panels []object
	y := 0
	for i := range rows {
		panels = append(panels, object{"type": "row", "title": rows[i].title, "collapsed": false, "panels": []any{}, "id": len(panels) + 1,
			"gridPos": object{"x": 0, "y": y, "w": 24, "h": 1}})
		y++
		n := 0
		for _, m := range list {
			if rowOf(m) != i {
				continue
			}
			expr, legend := m.expression()
			panels = append(panels, object{
				"type": "timeseries", "id": len(panels) + 1, "datasource": source, "description": m.help,
				"title":       strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(m.name, "signalbox_"), "_total"), "_", " "),
				"gridPos":     object{"x": n % 4 * 6, "y": y + n/4*7, "w": 6, "h": 7},
				"fieldConfig": object{"defaults": object{"unit": m.unit(), "min": 0}, "overrides": []any{}},
				"targets":     []any{object{"refId": "A", "datasource": source, "expr": expr, "legendFormat": legend}},
			})
			n++
		}
		y += (n + 3) / 4 * 7
	}
	variable := func(name, query string) object {
		return object{"name": name, "type": "query", "datasource": source, "query": query, "refresh": 2, "multi": true, "includeAll": true,
			"current": object{"text": "All", "value": "$__all"}}
	}
	text, err := json.MarshalIndent(object{
		"uid": "signalbox", "title": "signalbox", "tags": []string{"signalbox"}, "schemaVersion": 39, "version": 1, "editable": true,
		"time": object{"from": "now-1h", "to": "now"}, "refresh": "30s", "panels": panels,
		"templating": object{"list": []any{
			object{"name": "source", "type": "datasource", "query": "prometheus"},
			variable("job", "label_values(signalbox_build_info, job)"),
			variable("instance", `label_values(signalbox_build_info{job=~"$job"}, instance)`),
		}},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "grafana/signalbox.json", string(text)+"\n")
}

// alert is a rule, and what makes it fire.
type alert struct {
	name, expr, wait, severity string
	summary, do                string
	// cause are series that make it fire within half an hour, calm such that do not; each is a name and values for promtool.
	cause, calm []string
	labels      string // of the alert that fires, beside instance, job and severity
}

var alerts = []alert{
	{"SignalboxDown", `up{job=~".*signalbox.*"} == 0`, "1m", "critical",
		"A server does not answer.", "Look whether the process lives and why it ended: its last log lines say so.",
		[]string{"up|0x200"}, []string{"up|1x200"}, ""},
	{"SignalboxNotReady", `signalbox_ready == 0`, "2m", "warning",
		"A server has answered 503 on /readyz for two minutes.", "GET /readyz says why: it stops, or Redis is away.",
		[]string{"signalbox_ready|0x200"}, []string{"signalbox_ready|1x200"}, ""},
	{"SignalboxRedisDown", `signalbox_redis_up == 0`, "30s", "critical",
		"Redis is away: clients of different servers do not reach each other.", "Redis, the network to it, its password and its memory.",
		[]string{"signalbox_redis_up|0x200"}, []string{"signalbox_redis_up|1x200"}, ""},
	{"SignalboxRedisSlow", `signalbox_redis_queued_bytes > 8e6`, "1m", "warning",
		"Half of what may wait for Redis waits.", "Redis is too slow or too far away: its CPU, slow commands, the network.",
		[]string{"signalbox_redis_queued_bytes|9000000x200"}, []string{"signalbox_redis_queued_bytes|1000x200"}, ""},
	{"SignalboxMessagesLost", `increase(signalbox_cluster_unpublished_total[5m]) > 0`, "0s", "critical",
		"Messages for other servers were lost.", "Redis was away, or slower than what was sent: see SignalboxRedisDown and SignalboxRedisSlow.",
		[]string{"signalbox_cluster_unpublished_total|0+1x200"}, []string{"signalbox_cluster_unpublished_total|7x200"}, ""},
	{"SignalboxClusterDropped", `increase(signalbox_cluster_dropped_total[5m]) > 0`, "5m", "warning",
		"Messages on the cluster's channels cannot be read.", "Another program publishes there: one Redis for each environment.",
		[]string{"signalbox_cluster_dropped_total|0+1x200"}, []string{"signalbox_cluster_dropped_total|7x200"}, ""},
	{"SignalboxSuspects", `signalbox_cluster_suspects > 0`, "1m", "warning",
		"Another server does not answer.", "It hangs, or cannot reach Redis: its log, its CPU.",
		[]string{"signalbox_cluster_suspects|1x200"}, []string{"signalbox_cluster_suspects|0x200"}, ""},
	{"SignalboxPanics", `increase(signalbox_handler_panics_total[10m]) > 0 or increase(signalbox_door_panics_total[10m]) > 0 or ` +
		`increase(signalbox_http_panics_total[10m]) > 0 or increase(signalbox_cluster_panics_total[10m]) > 0`, "0s", "warning",
		"Something has panicked; a client or a request has ended by it.", "The log has the stack: report it.",
		[]string{"signalbox_handler_panics_total|0+1x200"}, []string{"signalbox_handler_panics_total|3x200"}, ""},
	{"SignalboxSlowClients", `rate(signalbox_slow_clients_total[5m]) > 1`, "5m", "warning",
		"More than one client a second is cut since it does not read fast enough.", "Send them less, or raise MAX_OUTBOX_BYTES.",
		[]string{"signalbox_slow_clients_total|0+600x200"}, []string{"signalbox_slow_clients_total|0+1x200"}, ""},
	{"SignalboxRefusing", `sum by (job, instance, cause) (rate(signalbox_connections_refused_total[5m])) > 5`, "5m", "warning",
		"More than five connections a second are refused.", "The label cause says why: a limit that is reached, or somebody who tries.",
		[]string{`signalbox_connections_refused_total{cause="limit"}|0+3000x200`}, []string{`signalbox_connections_refused_total{cause="limit"}|0+1x200`}, "cause: limit"},
	{"SignalboxConnectionsCut", `sum by (job, instance) (increase(signalbox_connections_cut_total[10m])) > 0`, "0s", "warning",
		"Nine tenths of the connections that may be open are, or one address has too many.", "More servers, a higher ulimit -n; MAX_CONNECTIONS_PER_IP against one address.",
		[]string{`signalbox_connections_cut_total{cause="idle"}|0+1x200`}, []string{`signalbox_connections_cut_total{cause="idle"}|7x200`}, ""},
	{"SignalboxDescriptors", `process_open_fds{job=~".*signalbox.*"} / process_max_fds > 0.9`, "5m", "critical",
		"Nine tenths of the files that the process may open are.", "A higher ulimit -n (LimitNOFILE in the unit), or more servers.",
		[]string{"process_open_fds|950x200", "process_max_fds|1000x200"}, []string{"process_open_fds|100x200", "process_max_fds|1000x200"}, ""},
	{"SignalboxFlood", `rate(signalbox_events_throttled_total[5m]) > 100`, "5m", "warning",
		"Clients send more than MAX_EVENTS_PER_SECOND and are made to wait.", "signalbox-top shows who it is, by DEBUG_ADDR; a lower MAX_EVENTS_PER_SECOND holds them, on SIGHUP.",
		[]string{"signalbox_events_throttled_total|0+60000x200"}, []string{"signalbox_events_throttled_total|0+60x200"}, ""},
	{"SignalboxSlowHandlers", `histogram_quantile(0.99, sum by (job, instance, le) (rate(signalbox_event_seconds_bucket[5m]))) > 0.25`, "5m", "warning",
		"One event of a hundred is a quarter of a second with its handler.", "The CPU of the server, then Redis, then the disk of HISTORY_DB.",
		[]string{`signalbox_event_seconds_bucket{le="0.1"}|0+1x200`, `signalbox_event_seconds_bucket{le="1"}|0+60x200`, `signalbox_event_seconds_bucket{le="+Inf"}|0+60x200`},
		[]string{`signalbox_event_seconds_bucket{le="0.1"}|0+60x200`, `signalbox_event_seconds_bucket{le="1"}|0+60x200`, `signalbox_event_seconds_bucket{le="+Inf"}|0+60x200`}, ""},
	{"SignalboxHistoryLost", `increase(signalbox_history_lost_total[10m]) > 0`, "0s", "critical",
		"Messages of rooms were never written to the history.", "The disk of HISTORY_DB is full or fails, or Redis was away for long.",
		[]string{"signalbox_history_lost_total|0+1x200"}, []string{"signalbox_history_lost_total|7x200"}, ""},
	{"SignalboxHistoryFails", `increase(signalbox_history_write_failures_total[10m]) > 0`, "2m", "warning",
		"Writes to the history fail; its messages wait in memory.", "The disk of HISTORY_DB: space, permissions, errors.",
		[]string{"signalbox_history_write_failures_total|0+1x200"}, []string{"signalbox_history_write_failures_total|7x200"}, ""},
	{"SignalboxHooksAway", `signalbox_hooks_breaker_open > 0`, "1m", "warning",
		"The application's backend behind HOOKS_URL does not answer; nobody asks it for the moment.", "The backend, and the network to it.",
		[]string{"signalbox_hooks_breaker_open|1x200"}, []string{"signalbox_hooks_breaker_open|0x200"}, ""},
	{"SignalboxNoWorkers", `signalbox_workers + signalbox_workers_elsewhere == 0`, "1m", "critical",
		"No worker is there: clients hear unavailable where an event is a worker's.", "Whether the workers run, which WORKER_KEY they have, and their log: a refused one is in the server's, too.",
		[]string{"signalbox_workers|0x200", "signalbox_workers_elsewhere|0x200"}, []string{"signalbox_workers|0x200", "signalbox_workers_elsewhere|2x200"}, ""},
	{"SignalboxWorkersBusy", `signalbox_workers_events_waiting > 0`, "2m", "warning",
		"Events wait for workers that have as many as they may have.", "More workers; or what keeps them: signalbox_logic_seconds_total over signalbox_logic_events_total is the time of an event.",
		[]string{"signalbox_workers_events_waiting|20x200"}, []string{"signalbox_workers_events_waiting|0x200"}, ""},
	{"SignalboxLogicUnavailable", `rate(signalbox_logic_unavailable_total[5m]) > 1`, "2m", "warning",
		"The application's own backend leaves more than one event a second unanswered.", "Its log, its load, and HOOKS_TIMEOUT; see SignalboxHooksAway and SignalboxNoWorkers.",
		[]string{"signalbox_logic_unavailable_total|0+600x200"}, []string{"signalbox_logic_unavailable_total|0+1x200"}, ""},
	{"SignalboxNoticesExpired", `increase(signalbox_hooks_notices_expired_total[1h]) > 0`, "0s", "warning",
		"The backend was not told of clients that had left a day ago.", "It was away for a day: what it keeps of clients may be wrong.",
		[]string{"signalbox_hooks_notices_expired_total|0+1x200"}, []string{"signalbox_hooks_notices_expired_total|7x200"}, ""},
	{"SignalboxRecoveryFull", `rate(signalbox_recovery_sessions_ended_total{reason="bytes"}[5m]) > 0`, "10m", "warning",
		"Clients that are cut cannot come back: what is kept for them has no room.", "A higher RECOVERY_BYTES, or a shorter RECOVERY_TIME.",
		[]string{`signalbox_recovery_sessions_ended_total{reason="bytes"}|0+6x200`}, []string{`signalbox_recovery_sessions_ended_total{reason="bytes"}|7x200`}, `reason: bytes`},
	{"SignalboxTracesLost", `increase(signalbox_trace_spans_dropped_total[10m]) > 0`, "10m", "warning",
		"Spans of traces do not reach the collector.", "The collector, and the network to it: the log says why. Or there are too many: a lower OTEL_TRACES_SAMPLER_ARG.",
		[]string{"signalbox_trace_spans_dropped_total|0+1x200"}, []string{"signalbox_trace_spans_dropped_total|7x200"}, ""},
	{"SignalboxForwardFails", `rate(signalbox_forward_failures_total[5m]) > 1`, "2m", "warning",
		"More than one request a second of clients that poll is lost on its way to the server of its session.", "NODE_URL of that server, the network between the servers (a NetworkPolicy, a firewall), its load.",
		[]string{"signalbox_forward_failures_total|0+600x200"}, []string{"signalbox_forward_failures_total|0+1x200"}, ""},
	{"SignalboxUnauthorized", `rate(signalbox_unauthorized_total[5m]) > 10`, "5m", "warning",
		"More than ten tokens a second are refused.", "A release with another JWT_SECRET, clocks that differ, or somebody who tries.",
		[]string{"signalbox_unauthorized_total|0+6000x200"}, []string{"signalbox_unauthorized_total|0+1x200"}, ""},
}

// labelled adds instance and job to a series.
func labelled(series, instance string) (name, values string) {
	name, values, _ = strings.Cut(series, "|")
	own := `instance="` + instance + `",job="signalbox"`
	if head, tail, ok := strings.Cut(name, "{"); ok {
		return head + "{" + own + "," + tail, values
	}
	return name + "{" + own + "}", values
}

// TestAlerts holds the rules and their tests equal to the table above, in which every name is a metric.
func TestAlerts(t *testing.T) {
	known := map[string]bool{"up": true, "process_open_fds": true, "process_max_fds": true}
	for _, m := range metrics(t) {
		known[m.name], known[m.name+"_bucket"] = true, m.kind == "histogram"
	}
	var rules, fires strings.Builder
	var series []string
	rules.WriteString("# Written by go test ./deploy -update.\ngroups:\n  - name: signalbox\n    rules:\n")
	for _, a := range alerts {
		for _, name := range regexp.MustCompile(`\b(signalbox_\w+|process_\w+)`).FindAllString(a.expr, -1) {
			if !known[name] {
				t.Errorf("%s asks for %s, which docs/metrics.md does not list", a.name, name)
			}
		}
		fmt.Fprintf(&rules, "      - alert: %s\n        expr: %s\n        for: %s\n        labels: {severity: %s}\n        annotations:\n          summary: %q\n          description: %q\n",
			a.name, a.expr, a.wait, a.severity, a.summary, a.do)
		for instance, list := range map[string][]string{a.name: a.cause, "calm-" + a.name: a.calm} {
			for _, one := range list {
				name, values := labelled(one, instance)
				series = append(series, fmt.Sprintf("      - {series: '%s', values: '%s'}\n", name, values))
			}
		}
		labels := fmt.Sprintf("instance: %s, job: signalbox, severity: %s", a.name, a.severity)
		if a.labels != "" {
			labels += ", " + a.labels
		}
		fmt.Fprintf(&fires, "      - eval_time: 30m\n        alertname: %s\n        exp_alerts:\n          - exp_labels: {%s}\n"+
			"            exp_annotations:\n              summary: %q\n              description: %q\n", a.name, labels, a.summary, a.do)
	}
	slices.Sort(series)
	tests := "# Written by go test ./deploy -update; promtool test rules alerts_test.yaml\n" +
		"# Each alert fires for the instance with its name, which has its cause, and for no other.\n" +
		"rule_files: [alerts.yaml]\nevaluation_interval: 15s\ntests:\n  - interval: 1m\n    input_series:\n" +
		strings.Join(series, "") + "    alert_rule_test:\n" + fires.String()
	compare(t, "prometheus/alerts.yaml", rules.String())
	compare(t, "prometheus/alerts_test.yaml", tests)
}

// TestAlertsFire has promtool make the cause of each alert.
func TestAlertsFire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		fmt.Println("NOT RUN: alerts of Prometheus: promtool is not here")
		t.Skip("no promtool here")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// compare holds a file equal to what it is made from, or writes it.
func compare(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != want {
		t.Errorf("%s is not up to date; run go test ./deploy -update", path)
	}
}
