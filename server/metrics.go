package server

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes is how many scrapes are answered at the same time; more get 503.
const maxScrapes = 4

// Metrics is what /metrics shows: signalbox's own figures and those of the Go runtime. Its methods register a figure once,
// before the server runs, and panic where a name is taken. Functions given to them are called at every scrape, from any
// goroutine, and must be quick.
type Metrics struct {
	registry *prometheus.Registry
	own      []Metric
	requests *prometheus.CounterVec
	panics   prometheus.Counter
}

// Metric describes one of signalbox's figures, as docs/metrics.md lists them.
type Metric struct {
	Name string
	// Type is counter, gauge or histogram.
	Type string
	// Label is the name of its label; empty: none.
	Label string
	Help  string
}

// NewMetrics returns the figures of the Go runtime, the process and HTTP; more are added by its methods.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	const (
		requests     = "signalbox_http_requests_total"
		requestsHelp = "HTTP requests that were answered, by route and status; 101 are connections that became websockets."
		panics       = "signalbox_http_panics_total"
		panicsHelp   = "HTTP requests that ended in a panic; each has a log line with its stack."
	)
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: requests, Help: requestsHelp}, []string{"route", "code"})
	m.add("counter", requests, "route, code", requestsHelp, m.requests)
	m.panics = prometheus.NewCounter(prometheus.CounterOpts{Name: panics, Help: panicsHelp})
	m.add("counter", panics, "", panicsHelp, m.panics)
	return m
}

// Counter registers a figure that only grows. Its name ends in _total.
func (m *Metrics) Counter(name, help string, value func() float64) {
	m.add("counter", name, "", help, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Gauge registers a figure that goes up and down.
func (m *Metrics) Gauge(name, help string, value func() float64) {
	m.add("gauge", name, "", help, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Count registers a figure that only grows, which somebody else counts.
func (m *Metrics) Count(name, help string, n *atomic.Uint64) {
	m.Counter(name, help, func() float64 { return float64(n.Load()) })
}

// CountersOf returns what registers counters that are read from stats.
func CountersOf[S any](m *Metrics, stats func() S) func(name, help string, value func(S) uint64) {
	return func(name, help string, value func(S) uint64) {
		m.Counter(name, help, func() float64 { return float64(value(stats())) })
	}
}

// GaugesOf returns what registers gauges that are read from stats.
func GaugesOf[S any, N int | int64](m *Metrics, stats func() S) func(name, help string, value func(S) N) {
	return func(name, help string, value func(S) N) {
		m.Gauge(name, help, func() float64 { return float64(value(stats())) })
	}
}

// Counters registers figures that only grow, one for each value of a label. values calls yield with each of them; the
// set of label values must be bounded and not chosen by clients.
func (m *Metrics) Counters(name, label, help string, values func(yield func(labelValue string, v float64))) {
	m.add("counter", name, label, help, newFamily(prometheus.CounterValue, name, label, help, values))
}

// Gauges registers figures that go up and down, one for each value of a label, as Counters does.
func (m *Metrics) Gauges(name, label, help string, values func(yield func(labelValue string, v float64))) {
	m.add("gauge", name, label, help, newFamily(prometheus.GaugeValue, name, label, help, values))
}

// Distribution is what a histogram knows at one moment.
type Distribution struct {
	Count uint64
	Sum   float64
	// Buckets holds, for each upper bound, how many values were at most that.
	Buckets map[float64]uint64
}

// Histogram registers a distribution that somebody else counts.
func (m *Metrics) Histogram(name, help string, read func() Distribution) {
	m.add("histogram", name, "", help, &histogram{desc: prometheus.NewDesc(name, help, nil, nil), read: read})
}

func (m *Metrics) add(kind, name, label, help string, c prometheus.Collector) {
	m.registry.MustRegister(c)
	m.own = append(m.own, Metric{Name: name, Type: kind, Label: label, Help: help})
}

// Own returns signalbox's figures by name; those of the Go runtime and the process are not among them.
func (m *Metrics) Own() []Metric {
	own := slices.Clone(m.own)
	slices.SortFunc(own, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return own
}

// WriteMarkdown writes signalbox's figures as the table docs/metrics.md shows.
func (m *Metrics) WriteMarkdown(w io.Writer) error {
	if _, err := io.WriteString(w, "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, f := range m.Own() {
		if _, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, f.Label, f.Help); err != nil {
			return err
		}
	}
	return nil
}

// describeProcess adds what is known of the running server.
func (m *Metrics) describeProcess(version string, s *Server) {
	m.Gauges("signalbox_build_info", "version", "1, with the version of this binary as a label.", func(yield func(string, float64)) {
		yield(version, 1)
	})
	m.Gauge("signalbox_ready", "1 while /readyz answers 200, else 0.", func() float64 {
		if s.fault() != "" {
			return 0
		}
		return 1
	})
	m.Gauge("signalbox_http_connections", "TCP connections open for HTTP requests; websockets are not among them.", func() float64 {
		_, http, _ := s.listener.Open()
		return float64(http)
	})
	m.Gauge("signalbox_open_connections", "TCP connections open, for requests, websockets and streams.", func() float64 {
		all, _, _ := s.listener.Open()
		return float64(all)
	})
	m.Counters("signalbox_connections_cut_total", "cause", "TCP connections that were refused since too many were open, of all or of their address, and idle ones that were closed to make room.", func(yield func(string, float64)) {
		_, _, closed := s.listener.Open()
		yield("full", float64(closed.Full))
		yield("address", float64(closed.PerAddr))
		yield("idle", float64(closed.Idle))
	})
}

// handler serves the figures in Prometheus' text format. What cannot be collected is logged and left out.
func (m *Metrics) handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}

// family collects one figure for each value of a label.
type family struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(yield func(string, float64))
}

func newFamily(kind prometheus.ValueType, name, label, help string, values func(yield func(string, float64))) *family {
	return &family{desc: prometheus.NewDesc(name, help, []string{label}, nil), kind: kind, values: values}
}

// Describe implements [prometheus.Collector].
func (f *family) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

// Collect implements [prometheus.Collector].
func (f *family) Collect(ch chan<- prometheus.Metric) {
	f.values(func(label string, v float64) {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, v, label)
	})
}

// histogram collects a distribution.
type histogram struct {
	desc *prometheus.Desc
	read func() Distribution
}

// Describe implements [prometheus.Collector].
func (h *histogram) Describe(ch chan<- *prometheus.Desc) { ch <- h.desc }

// Collect implements [prometheus.Collector].
func (h *histogram) Collect(ch chan<- prometheus.Metric) {
	d := h.read()
	ch <- prometheus.MustNewConstHistogram(h.desc, d.Count, d.Sum, d.Buckets)
}

// panicText names a recovered panic without printing what a request carried: errors and texts of our own code only.
func panicText(fault any) string {
	switch v := fault.(type) {
	case runtime.Error:
		return v.Error()
	case string:
		return v
	case error:
		return v.Error()
	default:
		return fmt.Sprintf("%T", fault)
	}
}

func stack() string { return string(debug.Stack()) }
