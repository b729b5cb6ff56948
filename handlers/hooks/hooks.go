package hooks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/trace"
)

// Options are what a backend behind a URL is made of. The zero value of a number stands for its default.
type Options struct {
	URL  string
	Keys Keys // none: requests are not signed
	// OutsideOptions are what backends outside this process have in common. Events of Retry are sent again after a 5xx or
	// a time-out.
	router.OutsideOptions
	// Concurrency is how many requests may be out; default 32. Batch is how many events one may bring; default 64.
	Concurrency, Batch int
	// Tracer is told of requests that bring notices; those with events are parts of the events' traces. nil: nobody is.
	Tracer *trace.Tracer
}

// Hooks is a [router.Backend] behind a URL.
type Hooks struct {
	*router.Outside

	// Static after construction.
	client   *client
	breaker  *breaker
	gatherer *gatherer
	tracer   *trace.Tracer
}

// New returns the backend of o.
func New(o Options) *Hooks {
	o.Concurrency, o.Batch = cmp.Or(o.Concurrency, 32), cmp.Or(o.Batch, 64)
	h := &Hooks{client: newClient(o.URL, o.Keys, o.Concurrency), breaker: newBreaker(o.Log), tracer: o.Tracer}
	h.gatherer = &gatherer{client: h.client, breaker: h.breaker, concurrency: o.Concurrency, most: o.Batch}
	h.Outside = router.NewOutside(o.OutsideOptions, h)
	return h
}

// SetTarget has requests from now on go to another URL, signed with other keys.
func (h *Hooks) SetTarget(url string, keys Keys) { h.client.target.Store(&target{url, keys}) }

// Ask implements [router.Transport].
func (h *Hooks) Ask(ctx context.Context, q *router.Question) (json.RawMessage, error) {
	raw, err := h.gatherer.do(&item{id: q.ID, body: q.Body, alone: q.Connect, deadline: q.Deadline, span: trace.Of(ctx)})
	if f := (*failure)(nil); errors.As(err, &f) {
		return nil, &router.Unanswered{Reason: f.text, Again: f.again, Unsent: f.unsent}
	}
	return raw, err
}

const noticeTimeout = 10 * time.Second

// Tell implements [router.Transport].
func (h *Hooks) Tell(ctx context.Context, batch []router.Notice) error {
	if !h.breaker.allow() {
		return &failure{text: "the circuit breaker is open", unsent: true}
	}
	list := make([]*item, len(batch))
	for i := range batch {
		list[i] = &item{body: batch[i].Body}
	}
	id := batch[0].ID
	if len(batch) > 1 {
		id = newID("b.")
	}
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	_, err := h.client.post(ctx, id, body(list), h.tracer.Start(trace.Client, "notices", batch[0].Namespace))
	h.breaker.report(err)
	if f := (*failure)(nil); errors.As(err, &f) && f.status >= 400 && f.status < 500 {
		return fmt.Errorf("%w: %w", router.ErrNoticeRefused, err)
	}
	return err
}

// Close returns when nothing is on its way any more: what waits to be told, until ctx is over at most. It is called after the
// router's.
func (h *Hooks) Close(ctx context.Context) {
	h.Outside.Close(ctx)
	h.gatherer.close()
	h.client.close()
}

// Stats are figures since the start.
type Stats struct {
	Requests, Failures, Events uint64
	Time                       time.Duration // of requests
	Full                       uint64        // events for which there was no place
	Out, Waiting               int           // now
	Open                       bool          // the circuit breaker, now
	Opened                     uint64        // times that it opened
	router.OutsideStats
}

// Stats may be called from any goroutine.
func (h *Hooks) Stats() Stats {
	g := h.gatherer
	g.mu.Lock()
	s := Stats{Requests: g.stats.requests, Failures: g.stats.failures, Events: g.stats.events, Time: g.stats.time,
		Full: g.stats.full, Out: g.out, Waiting: len(g.waiting)}
	g.mu.Unlock()
	s.OutsideStats = h.OutsideStats()
	s.Open, s.Opened = h.breaker.isOpen()
	return s
}
