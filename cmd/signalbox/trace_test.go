package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"signalbox/server/trace/testkit"
)

// TestTraces has a server tell a collector of a call with a trace, of an event in it and one for the backend, and of the requests that brought
// it there. What clients sent is not told.
func TestTraces(t *testing.T) {
	collector := testkit.Collect(t)
	var mu sync.Mutex
	var parents []string // of requests to the backend
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		parents = append(parents, r.Header.Get("traceparent"))
		mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "fail") {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		fmt.Fprint(w, `{"results":[{"user":"hidden-user","ack":[1]}]}`)
	}))
	defer backend.Close()
	p := startProcess(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL+"/", "OTEL_EXPORTER_OTLP_HEADERS=api-key=of%20the%20collector", "OTEL_SERVICE_NAME=chat",
		"HOOKS_URL="+backend.URL+"/?hidden-key", "HOOKS_EVENTS=/game:*", "API_KEY=hidden-key-of-32-bytes-for-the-API")
	ws := p.dial(t)
	write(t, ws, `40/game,{"token":"hidden-token"}`)
	readUntil(t, ws, "40/game,")
	write(t, ws, `42/game,1["move","hidden-payload"]`)
	readUntil(t, ws, `43/game,1[1]`)
	write(t, ws, `42/game,2["fail"]`)
	readUntil(t, ws, `43/game,2`)
	write(t, ws, "40")
	readUntil(t, ws, "40{")
	write(t, ws, `420["time"]`)
	readUntil(t, ws, `430`)
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	emit := func(key string) int {
		return ask(t, http.MethodPost, p.url+"/api/emit", `{"event":"hidden-payload"}`,
			[]string{"X-API-Key", key, "Traceparent", traceparent, "Content-Type", "application/json"})
	}
	if status := emit("hidden-key-of-32-bytes-for-the-API"); status != http.StatusOK {
		t.Errorf("the call = %d", status)
	}
	emit("a stranger's")
	ws.CloseNow()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}

	named := make(map[string][]testkit.Span)
	for _, s := range collector.Spans() {
		named[s.Name] = append(named[s.Name], s)
		if strings.Contains(fmt.Sprint(s), "hidden") {
			t.Errorf("a span tells %+v", s)
		}
	}
	if calls := named["POST /api/emit"]; len(calls) != 1 || calls[0].TraceID != traceparent[3:35] || calls[0].ParentSpanID != traceparent[36:52] || calls[0].Kind != 2 {
		t.Errorf("calls are %+v, want one in the trace of its caller", calls)
	}
	connects, events, hooks := named["connect /game"], named["event /game"], named["hook"]
	if len(connects) != 1 || len(events) != 2 || len(hooks) != 3 || len(named["event /"]) != 1 {
		t.Fatalf("the spans are %+v", named)
	}
	if e := events[0]; e.Failed || e.Attributes["signalbox.event"] != "move" || e.ParentSpanID != "" {
		t.Errorf("the event is %+v", e)
	}
	if e, h := events[1], hooks[2]; !e.Failed || !h.Failed || h.Attributes["error.type"] != "418" || e.Attributes["error.type"] != "unavailable" {
		t.Errorf("the event that failed is %+v, its request %+v", e, h)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, of := range append(connects, events...) {
		h := hooks[i]
		if h.ParentSpanID != of.SpanID || h.TraceID != of.TraceID || h.Kind != 3 || !slices.Contains(parents, "00-"+h.TraceID+"-"+h.SpanID+"-01") {
			t.Errorf("the request of %+v is %+v, the backend was told %v", of, h, parents)
		}
	}
	if got := collector.Header.Get("Api-Key"); got != "of the collector" {
		t.Errorf("the collector is sent the key %q", got)
	}
}
