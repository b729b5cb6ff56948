package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"signalbox/internal/backoff"
)

const (
	maxQueued   = 2048             // spans that wait; more are dropped
	maxBatch    = 512              // spans of one request
	batchTime   = 2 * time.Second  // after which fewer go
	sendTimeout = 10 * time.Second // of one request
	attempts    = 4                // to send one batch
)

// Options are what a tracer is made of.
type Options struct {
	URL     string      // of the collector: http://127.0.0.1:4318/v1/traces
	Header  http.Header // of requests to it
	Service string
	Version string
	Ratio   float64 // of the traces that begin here, 0 to 1
	Log     *slog.Logger
}

// Tracer sends spans to a collector. What does not fit into its queue, or cannot be sent, is dropped and counted.
type Tracer struct {
	// Static after construction.
	o         Options
	threshold uint64 // traces are sampled whose last 63 bits are below
	resource  []attribute
	http      *http.Client
	queue     chan *Span

	ctx    context.Context // of requests
	cancel context.CancelFunc
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when nothing is sent any more

	sent, dropped atomic.Uint64

	failing bool // owned by run
}

// New returns a tracer, which Close ends.
func New(o Options) *Tracer {
	return newTracer(o, &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true})
}

func newTracer(o Options, transport http.RoundTripper) *Tracer {
	host, _ := os.Hostname() // "" where there is none
	t := &Tracer{
		o:         o,
		threshold: uint64(o.Ratio * (1 << 63)),
		resource:  []attribute{text("service.name", o.Service), text("service.version", o.Version), text("host.name", host)},
		http: &http.Client{
			Transport:     transport,
			Timeout:       sendTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		queue: make(chan *Span, maxQueued), stop: make(chan struct{}), done: make(chan struct{}),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	go t.run() // awaited by Close
	return t
}

// Stats are spans since the start: those that the collector took, and those that it did not get.
type Stats struct{ Sent, Dropped uint64 }

// Stats may be called from any goroutine.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return Stats{t.sent.Load(), t.dropped.Load()}
}

// Close sends what waits, until ctx is over at most. Spans that end later are dropped.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	close(t.stop)
	defer context.AfterFunc(ctx, t.cancel)()
	<-t.done
	t.cancel()
	t.http.CloseIdleConnections()
}

// run sends what is queued, in batches.
func (t *Tracer) run() {
	defer close(t.done)
	tick := time.NewTicker(batchTime)
	defer tick.Stop()
	for batch := make([]*Span, 0, maxBatch); ; batch = batch[:0] {
		ending := false
		for due := false; !due; {
			select {
			case s := <-t.queue:
				batch = append(batch, s)
				due = len(batch) == maxBatch
			case <-tick.C:
				due = true
			case <-t.stop:
				for len(t.queue) > 0 && len(batch) < maxBatch {
					batch = append(batch, <-t.queue)
				}
				due, ending = true, len(batch) < maxBatch
			}
		}
		if len(batch) > 0 {
			t.deliver(batch)
		}
		if ending {
			return
		}
	}
}

// deliver sends a batch, again and again where that may help and the server does not stop.
func (t *Tracer) deliver(batch []*Span) {
	body, err := t.encode(batch)
	rejected, again := len(batch), true
	pause := backoff.Pause{Least: time.Second, Most: 8 * time.Second}
	for try := 1; err == nil; try++ {
		if rejected, again, err = t.post(body); err == nil || !again || try == attempts {
			break
		}
		t.tell(err)
		err = nil
		select {
		case <-time.After(pause.Spread()):
		case <-t.stop:
			try = attempts - 1
		}
	}
	rejected = min(max(rejected, 0), len(batch))
	if err != nil {
		rejected = len(batch)
	}
	t.tell(err)
	t.sent.Add(uint64(len(batch) - rejected))
	t.dropped.Add(uint64(rejected))
}

// tell logs when spans begin to be lost, and when they are taken again.
func (t *Tracer) tell(err error) {
	switch {
	case err != nil && !t.failing:
		t.o.Log.Warn("traces cannot be sent", "reason", err.Error())
	case err == nil && t.failing:
		t.o.Log.Info("traces are sent again")
	}
	t.failing = err != nil
}

// post sends a body, and returns how many of its spans were not taken. After an error none were; again says whether they may be
// later.
func (t *Tracer) post(body []byte) (rejected int, again bool, err error) {
	req, err := http.NewRequestWithContext(t.ctx, http.MethodPost, t.o.URL, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	for name, values := range t.o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "signalbox/"+t.o.Version)
	res, err := t.http.Do(req)
	if err != nil {
		if asked := (*url.Error)(nil); errors.As(err, &asked) {
			err = asked.Err // without the URL, in which there may be a key
		}
		return 0, true, err
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // half of it is no reason to send again
	if res.StatusCode/100 == 2 {
		var a struct {
			PartialSuccess struct{ RejectedSpans json.Number }
		}
		_ = json.Unmarshal(answer, &a) // what cannot be read rejects nothing
		n, _ := a.PartialSuccess.RejectedSpans.Int64()
		return int(n), false, nil
	}
	again = slices.Contains([]int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, res.StatusCode)
	return 0, again, fmt.Errorf("the collector answers %s", res.Status)
}

// ParseHeaders reads a list of headers as OTEL_EXPORTER_OTLP_HEADERS has them: name=value with commas between, values percent-encoded.
// Its error holds none of them.
func ParseHeaders(list string) (http.Header, error) {
	header := make(http.Header)
	for item := range strings.SplitSeq(list, ",") {
		name, text, ok := strings.Cut(item, "=")
		value, err := url.PathUnescape(strings.TrimSpace(text))
		if name = strings.TrimSpace(name); name == "" && !ok {
			continue
		}
		if name == "" || !ok || err != nil {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS: write name=value, several with commas between, and values percent-encoded")
		}
		header.Set(name, value)
	}
	return header, nil
}
