package trace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"signalbox/server/trace/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector stands in for the network.
type collector func(*http.Request) (status int, body string, err error)

func (c collector) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := c(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Header: make(http.Header)}, nil
}

func options() Options {
	return Options{URL: "http://collector.test/v1/traces?key=hidden", Service: "chat", Version: "v1", Ratio: 1, Log: slog.New(slog.DiscardHandler)}
}

func TestSpans(t *testing.T) {
	c := testkit.Collect(t)
	o := options()
	o.URL, o.Header = c.URL+"/v1/traces", http.Header{"Api-Key": {"k"}}
	tr := New(o)
	header := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	call := tr.Continue(Server, "POST /api/emit", header)
	call.SetStatus(503, 500)
	call.End()
	event := tr.Start(Server, "event", "/game")
	event.SetText("signalbox.event", strings.Repeat("é", 100))
	other := tr.Start(Server, "event", "/game")
	hook := event.Child(Client, "hook")
	hook.Link(other)
	hook.SetNumber("signalbox.events", -2)
	out := make(http.Header)
	hook.Inject(out)
	hook.End()
	event.End()
	tr.Close(t.Context())
	event.End() // too late, and harmless

	spans := c.Spans()
	if len(spans) != 3 || tr.Stats().Sent != 3 {
		t.Fatalf("%d spans, %+v, want 3", len(spans), tr.Stats())
	}
	if s := spans[0]; s.TraceID != "0af7651916cd43dd8448eb211c80319c" || s.ParentSpanID != "b7ad6b7169203331" || s.Kind != 2 || !s.Failed ||
		s.Attributes["http.response.status_code"] != "503" || s.Attributes["error.type"] != "503" {
		t.Errorf("the call is %+v", s)
	}
	h, e := spans[1], spans[2]
	if h.TraceID != e.TraceID || h.ParentSpanID != e.SpanID || e.ParentSpanID != "" || h.Kind != 3 || h.Failed || len(h.Links) != 1 || h.Attributes["signalbox.events"] != "-2" {
		t.Errorf("the hook is %+v in %+v", h, e)
	}
	if want := "00-" + h.TraceID + "-" + h.SpanID + "-01"; out.Get("traceparent") != want {
		t.Errorf("traceparent = %q, want %q", out.Get("traceparent"), want)
	}
	if e.Name != "event /game" || len(e.Attributes["signalbox.event"]) != maxTextBytes {
		t.Errorf("the event is %+v", e)
	}
	if c.Header.Get("Api-Key") != "k" {
		t.Errorf("the collector's headers are %v", c.Header)
	}
}

// TestOff is what the hot path pays: nothing.
func TestOff(t *testing.T) {
	var tr *Tracer
	ctx, header := t.Context(), http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	if n := testing.AllocsPerRun(100, func() {
		s := tr.Start(Server, "event", "/game")
		s.SetText("signalbox.event", "move")
		tr.Continue(Server, "POST", header).SetStatus(200, 500)
		child := Of(s.In(ctx)).Child(Client, "hook")
		child.SetNumber("n", 1)
		child.Link(s)
		child.Inject(header)
		child.Fail("timeout")
		child.End()
		s.End()
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
	tr.Close(ctx)
	if tr.Stats() != (Stats{}) {
		t.Error("it counts")
	}
}

func TestSampling(t *testing.T) {
	for ratio, want := range map[float64]float64{0: 0, 0.1: 0.1, 1: 1} {
		o := options()
		o.Ratio = ratio
		tr := New(o)
		got, calls := 0, 0
		const n = 20_000
		for range n {
			if tr.Start(Server, "event", "/") != nil {
				got++
			}
			if tr.Continue(Server, "POST", nil) != nil {
				calls++
			}
		}
		if math.Abs(float64(got)/n-want) > 0.02 || math.Abs(float64(calls)/n-want) > 0.02 {
			t.Errorf("of %v %d events and %d calls of %d are sampled", ratio, got, calls, n)
		}
		parent := func(flags string) http.Header {
			return http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags}}
		}
		if tr.Continue(Server, "POST", parent("01")) == nil || tr.Continue(Server, "POST", parent("00")) != nil {
			t.Errorf("at %v a call does not go by its traceparent", ratio)
		}
		tr.Close(t.Context())
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, tt := range map[string]struct {
		text        string
		ok, sampled bool
	}{
		"sampled":         {good, true, true},
		"not sampled":     {good[:53] + "00", true, false},
		"more flags":      {good[:53] + "03", true, true},
		"a later version": {"cc" + good[2:] + "-what", true, true},
		"the version ff":  {"ff" + good[2:], false, false},
		"more behind it":  {good + "-what", false, false},
		"no dash":         {"cc" + good[2:] + ".what", false, false},
		"upper case":      {strings.ToUpper(good), false, false},
		"no trace":        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false, false},
		"no parent":       {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false, false},
		"no hex":          {strings.Replace(good, "af", "xy", 1), false, false},
		"short":           {good[:54], false, false},
		"nothing":         {"", false, false},
	} {
		if _, _, sampled, ok := parseParent(tt.text); ok != tt.ok || ok && sampled != tt.sampled {
			t.Errorf("%s: parseParent(%q) = %v, %v", name, tt.text, sampled, ok)
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x")
	f.Fuzz(func(t *testing.T, text string) {
		trace, parent, sampled, ok := parseParent(text)
		if !ok || !sampled {
			return
		}
		header := make(http.Header)
		(&Span{data: data{TraceID: trace, SpanID: parent}}).Inject(header)
		if got := header[traceparent][0]; got[2:53] != text[2:53] {
			t.Errorf("%q goes on as %q", text, got)
		}
	})
}

// TestCollectorAway has a batch sent again until it is taken, and spans dropped that do not fit in meanwhile.
func TestCollectorAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := options()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		requests := 0
		tr := newTracer(o, collector(func(r *http.Request) (int, string, error) {
			requests++
			switch requests {
			case 1:
				return 0, "", errors.New("refused")
			case 2:
				return 503, "", nil
			}
			return 200, "", nil
		}))
		tr.Start(Server, "event", "/").End()
		time.Sleep(batchTime)
		synctest.Wait()
		for range maxQueued + 7 {
			tr.Start(Server, "event", "/").End()
		}
		time.Sleep(time.Minute)
		tr.Close(t.Context())
		if got, want := tr.Stats(), (Stats{Sent: maxQueued + 1, Dropped: 7}); got != want || requests > 4+maxQueued/maxBatch {
			t.Errorf("after %d requests %+v, want %+v", requests, got, want)
		}
		if text := log.String(); strings.Count(text, "cannot be sent") != 1 || strings.Count(text, "sent again") != 1 || strings.Contains(text, "hidden") {
			t.Errorf("the log says %s", text)
		}
	})
}

// TestRefused has batches dropped that no try would have taken.
func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		answer   string
		want     Stats
		requests int
	}{
		"taken":       {200, `{}`, Stats{Sent: 3}, 1},
		"in part":     {200, `{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}`, Stats{Sent: 1, Dropped: 2}, 1},
		"nonsense":    {200, `{"partialSuccess":{"rejectedSpans":"-99"}}`, Stats{Sent: 3}, 1},
		"bad":         {400, ``, Stats{Dropped: 3}, 1},
		"elsewhere":   {307, ``, Stats{Dropped: 3}, 1},
		"always busy": {429, ``, Stats{Dropped: 3}, attempts},
	} {
		synctest.Test(t, func(t *testing.T) {
			requests := 0
			tr := newTracer(options(), collector(func(r *http.Request) (int, string, error) {
				requests++
				return tt.status, tt.answer, nil
			}))
			for range 3 {
				tr.Start(Server, "event", "/").End()
			}
			time.Sleep(time.Minute)
			tr.Close(t.Context())
			if got := tr.Stats(); got != tt.want || requests != tt.requests {
				t.Errorf("%s: after %d requests %+v, want %+v", name, requests, got, tt.want)
			}
		})
	}
}

// TestCollectorHangs has the server stop although the collector says nothing.
func TestCollectorHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer(options(), collector(func(r *http.Request) (int, string, error) {
			<-r.Context().Done()
			return 0, "", r.Context().Err()
		}))
		for range 3 * maxBatch {
			tr.Start(Server, "event", "/").End()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		tr.Close(ctx)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it takes %v to close, want 2 s", took)
		}
		if got := tr.Stats(); got.Dropped != 3*maxBatch {
			t.Errorf("%+v, want all of them dropped", got)
		}
	})
}

func TestParseHeaders(t *testing.T) {
	got, err := ParseHeaders(" api-key = a%20b%2C , x=y=z,")
	if err != nil || len(got) != 2 || got.Get("Api-Key") != "a b," || got.Get("X") != "y=z" {
		t.Errorf("ParseHeaders = %v, %v", got, err)
	}
	for _, list := range []string{"secret", "=secret", "a=%zzsecret"} {
		if _, err := ParseHeaders(list); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseHeaders(%q): %v", list, err)
		}
	}
}
