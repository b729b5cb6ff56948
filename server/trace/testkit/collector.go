// Package testkit is a collector of traces for tests.
package testkit

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// Span is a span as the collector has read it.
type Span struct {
	TraceID, SpanID, ParentSpanID string
	Name                          string
	Kind                          int
	Failed                        bool
	Attributes                    map[string]string
	Links                         []string // ids of spans
}

// Collector keeps what it is sent, and fails the test where that is not OTLP.
type Collector struct {
	URL    string
	Header http.Header // of the last request

	t    testing.TB
	mu   sync.Mutex
	seen []Span
}

// Collect starts a collector that ends with the test.
func Collect(t testing.TB) *Collector {
	c := &Collector{t: t}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	c.URL = srv.URL
	return c
}

// Spans returns what came.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.seen...)
}

// ServeHTTP takes one request.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Header = r.Header
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("the collector is asked for %s %s, %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	c.seen = append(c.seen, Decode(c.t, body.Bytes())...)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"partialSuccess":{}}`))
}

// The message ExportTraceServiceRequest in the JSON of protobuf, as far as it is used: what is not here is a fault.
//
// Rule: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
type (
	request struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes []attribute }
			ScopeSpans []struct {
				Scope struct{ Name, Version string }
				Spans []span
			}
		}
	}
	attribute struct {
		Key   string
		Value struct{ StringValue, IntValue *string }
	}
	span struct {
		TraceID, SpanID, ParentSpanID      string
		Name                               string
		Kind                               int
		StartTimeUnixNano, EndTimeUnixNano string
		Attributes                         []attribute
		Links                              []struct{ TraceID, SpanID string }
		Status                             *struct{ Code int }
	}
)

var (
	hex16 = regexp.MustCompile(`^[0-9a-f]{32}$`)
	hex8  = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// Decode reads the body of a request, and holds it to the rules.
func Decode(t testing.TB, body []byte) (spans []Span) {
	t.Helper()
	var req request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		t.Errorf("no request of OTLP: %v\n%s", err, body)
	}
	if bytes.Contains(body, []byte("null")) || regexp.MustCompile(`"[A-Z][A-Za-z]*":`).Match(body) {
		t.Errorf("names are in camelCase, and nothing is null: %s", body)
	}
	for _, rs := range req.ResourceSpans {
		if len(attributes(t, rs.Resource.Attributes)) == 0 {
			t.Error("the resource says nothing")
		}
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				spans = append(spans, read(t, s))
			}
		}
	}
	return spans
}

func read(t testing.TB, s span) Span {
	t.Helper()
	start, startErr := strconv.ParseUint(s.StartTimeUnixNano, 10, 64)
	end, endErr := strconv.ParseUint(s.EndTimeUnixNano, 10, 64)
	if startErr != nil || endErr != nil || end < start || start == 0 || s.Name == "" || s.Kind < 1 || s.Kind > 5 ||
		!hex16.MatchString(s.TraceID) || !hex8.MatchString(s.SpanID) || s.ParentSpanID != "" && !hex8.MatchString(s.ParentSpanID) {
		t.Errorf("no span: %+v", s)
	}
	out := Span{TraceID: s.TraceID, SpanID: s.SpanID, ParentSpanID: s.ParentSpanID, Name: s.Name, Kind: s.Kind,
		Failed: s.Status != nil && s.Status.Code == 2, Attributes: attributes(t, s.Attributes)}
	if s.Status != nil && !out.Failed {
		t.Errorf("the status of %s is %d, want 2 or none", s.Name, s.Status.Code)
	}
	for _, l := range s.Links {
		if !hex16.MatchString(l.TraceID) || !hex8.MatchString(l.SpanID) {
			t.Errorf("no link: %+v", l)
		}
		out.Links = append(out.Links, l.SpanID)
	}
	return out
}

func attributes(t testing.TB, list []attribute) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, a := range list {
		text, number := a.Value.StringValue, a.Value.IntValue
		if _, again := out[a.Key]; a.Key == "" || again || (text == nil) == (number == nil) {
			t.Errorf("no attribute: %q", a.Key)
			continue
		}
		if number != nil {
			if _, err := strconv.ParseInt(*number, 10, 64); err != nil {
				t.Error(err)
			}
			text = number
		}
		out[a.Key] = *text
	}
	return out
}
