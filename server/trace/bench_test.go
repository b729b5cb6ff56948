package trace

import (
	"net/http"
	"testing"
)

// BenchmarkSpan is what an event costs that is told of, the collector left out.
func BenchmarkSpan(b *testing.B) {
	tr := newTracer(options(), collector(func(*http.Request) (int, string, error) { return 200, "", nil }))
	defer tr.Close(b.Context())
	batch := make([]*Span, 0, maxBatch)
	b.ReportAllocs()
	for b.Loop() {
		s := tr.Start(Server, "event", "/game")
		s.SetText("signalbox.event", "move")
		if batch = append(batch, s); len(batch) == maxBatch {
			if _, err := tr.encode(batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}
