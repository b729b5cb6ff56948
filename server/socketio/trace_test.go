package socketio

import (
	"log/slog"
	"testing"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/trace"
	"signalbox/server/trace/testkit"
)

// TestTraceOfEvents has an event cost nothing more without a tracer, and with one be told of, also where its handler panics.
func TestTraceOfEvents(t *testing.T) {
	for _, traced := range []bool{false, true} {
		collector := testkit.Collect(t)
		var tracer *trace.Tracer
		if traced {
			tracer = trace.New(trace.Options{URL: collector.URL + "/v1/traces", Ratio: 1, Log: slog.New(slog.DiscardHandler)})
		}
		s, url := newTestServer(t, map[string]app.Handler{"/chat": functions{event: func(_ app.Peer, e *app.Event) {
			if e.Name == "bad" {
				panic("bad")
			}
		}}}, func(c *Config) { c.Tracer = tracer })
		c, sid := connect(t, url, "/chat")
		p := s.audience("/chat", hub.Selection{Rooms: []hub.Room{hub.SocketRoom("/chat", sid)}})[0]
		e := &app.Event{Name: "move"}
		if n := testing.AllocsPerRun(100, func() { _ = p.handle(p.conn(), e) }); !traced && n != 0 {
			t.Errorf("an event allocates %v times", n)
		}
		_ = p.handle(p.conn(), &app.Event{Name: "bad"})
		c.WS.CloseNow()
		tracer.Close(t.Context())
		spans := collector.Spans()
		if !traced {
			if len(spans) != 0 {
				t.Errorf("without a tracer %d spans", len(spans))
			}
			continue
		}
		if n := len(spans); n != 102 || spans[0].Failed || spans[0].Attributes["signalbox.event"] != "move" || spans[101].Attributes["error.type"] != "panic" {
			t.Errorf("%d spans, the last %+v", n, spans[n-1])
		}
	}
}
