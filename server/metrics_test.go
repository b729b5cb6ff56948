package server

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestMetricsSeam(t *testing.T) {
	m := NewMetrics()
	m.Counter("signalbox_test_total", "A counter.", func() float64 { return 3 })
	m.Gauge("signalbox_test_now", "A gauge.", func() float64 { return 1.5 })
	m.Counters("signalbox_test_reasons_total", "reason", "Counters.", func(yield func(string, float64)) {
		yield("slow client", 2)
		yield(`quote " in it`, 1)
	})
	m.Gauges("signalbox_test_kinds", "kind", "Gauges.", func(yield func(string, float64)) { yield("room", 7) })
	m.Histogram("signalbox_test_seconds", "A histogram.", func() Distribution {
		return Distribution{Count: 3, Sum: 2.5, Buckets: map[float64]uint64{0.1: 1, 1: 2}}
	})

	rec := httptest.NewRecorder()
	m.handler(quiet).ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(rec.Result().Body)
	for _, want := range []string{
		"# HELP signalbox_test_total A counter.", "# TYPE signalbox_test_total counter", "signalbox_test_total 3",
		"# TYPE signalbox_test_now gauge", "signalbox_test_now 1.5",
		`signalbox_test_reasons_total{reason="slow client"} 2`, `signalbox_test_reasons_total{reason="quote \" in it"} 1`,
		`signalbox_test_kinds{kind="room"} 7`,
		`signalbox_test_seconds_bucket{le="1"} 2`, `signalbox_test_seconds_bucket{le="+Inf"} 3`, `signalbox_test_seconds_sum 2.5`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("/metrics does not show %s", want)
		}
	}
	var table strings.Builder
	if err := m.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	if want := "| `signalbox_test_reasons_total` | counter | reason | Counters. |\n"; !strings.Contains(table.String(), want) {
		t.Errorf("the table lacks %s:\n%s", want, table.String())
	}
	defer func() {
		if recover() == nil {
			t.Error("one name was registered twice")
		}
	}()
	m.Counter("signalbox_test_total", "Again.", func() float64 { return 0 })
}
