package hooks

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"sync"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/trace"
)

const (
	// gatherTime is how long the events of one request should take together.
	gatherTime = 200 * time.Millisecond
	// maxGatherBytes bounds what one request brings.
	maxGatherBytes = 256 << 10
	// maxWaiting and maxWaitingBytes bound what waits for a request.
	maxWaiting      = 100_000
	maxWaitingBytes = 64 << 20
)

// item is one event on its way.
type item struct {
	id       string
	body     []byte
	alone    bool // it shares a request with nobody
	taken    bool // for a request; guarded by gatherer.mu
	deadline time.Time
	done     chan outcome // takes one value; set while the item waits
	span     *trace.Span  // of the event; nil: it has none
}

type outcome struct {
	result json.RawMessage
	err    error
}

// gatherer sends events. One leaves at once while fewer requests are out than may be; only then do they gather.
type gatherer struct {
	// Static after construction.
	client      *client
	breaker     *breaker
	concurrency int
	most        int // events of one request

	requests sync.WaitGroup // those that carry what has waited; awaited by close

	mu sync.Mutex
	// mu guards the following.
	out     int
	waiting []*item
	bytes   int
	each    time.Duration // what an event took lately, a moving average
	stats   gatherStats
}

type gatherStats struct {
	requests, failures, events uint64
	full                       uint64
	time                       time.Duration
}

// do sends one event and returns its result.
func (g *gatherer) do(it *item) (json.RawMessage, error) {
	g.mu.Lock()
	if g.out < g.concurrency && len(g.waiting) == 0 {
		g.out++
		g.mu.Unlock()
		list := []*item{it}
		results, err := g.send(list)
		g.next()
		if err != nil {
			return nil, err
		}
		return results[0], nil
	}
	if len(g.waiting) >= maxWaiting || g.bytes+len(it.body) > maxWaitingBytes {
		g.stats.full++
		g.mu.Unlock()
		return nil, &failure{text: "too many events wait", unsent: true}
	}
	it.done = make(chan outcome, 1)
	g.waiting = append(g.waiting, it)
	g.bytes += len(it.body)
	g.mu.Unlock()
	late := time.NewTimer(time.Until(it.deadline))
	defer late.Stop()
	select {
	case o := <-it.done:
		return o.result, o.err
	case <-late.C: // who picks it later finds that it is too late, or its answer comes for nobody
		g.mu.Lock()
		defer g.mu.Unlock()
		return nil, &failure{text: "no answer in time", again: true, unsent: !it.taken}
	}
}

// next has the place of a request that is over go to those who wait.
func (g *gatherer) next() {
	g.mu.Lock()
	list := g.takeLocked()
	if len(list) == 0 {
		g.out--
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	g.requests.Go(func() {
		for len(list) > 0 {
			results, err := g.send(list)
			for i, it := range list {
				o := outcome{err: err}
				if err == nil {
					o.result = results[i]
				}
				it.done <- o
			}
			g.mu.Lock()
			if list = g.takeLocked(); len(list) == 0 {
				g.out--
			}
			g.mu.Unlock()
		}
	})
}

// takeLocked returns what the next request brings.
func (g *gatherer) takeLocked() (list []*item) {
	most := g.most
	if g.each > 0 {
		most = min(most, max(1, int(gatherTime/g.each)))
	}
	size, now, taken := 0, time.Now(), 0
	for _, it := range g.waiting {
		if !now.Before(it.deadline) { // nobody waits for it any more
			taken++
			g.bytes -= len(it.body)
			continue
		}
		if len(list) > 0 && (it.alone || list[0].alone || len(list) >= most || size+len(it.body) > maxGatherBytes) {
			break
		}
		list, it.taken = append(list, it), true
		size += len(it.body)
		taken++
		g.bytes -= len(it.body)
	}
	clear(g.waiting[:taken])
	if g.waiting = g.waiting[taken:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
	return list
}

// send makes one request of a list.
func (g *gatherer) send(list []*item) ([]json.RawMessage, error) {
	if !g.breaker.allow() {
		return nil, &failure{text: "the circuit breaker is open", unsent: true}
	}
	deadline, id := list[0].deadline, list[0].id
	for _, it := range list[1:] {
		if it.deadline.Before(deadline) {
			deadline = it.deadline
		}
	}
	if len(list) > 1 {
		id = newID("b.")
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	start := time.Now()
	answer, err := g.client.post(ctx, id, body(list), spanOf(list))
	var out []json.RawMessage
	if err == nil {
		out, err = results(answer, len(list))
	}
	g.breaker.report(err)
	g.count(len(list), time.Since(start), err)
	return out, err
}

// spanOf begins the span of a request: within the trace of its first event that has one, and with links to those of the others.
func spanOf(list []*item) (span *trace.Span) {
	for _, it := range list {
		if span == nil {
			span = it.span.Child(trace.Client, "hook")
		} else {
			span.Link(it.span)
		}
	}
	span.SetNumber("signalbox.events", len(list))
	return span
}

func (g *gatherer) count(events int, took time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.requests++
	g.stats.events += uint64(events)
	g.stats.time += took
	if err != nil {
		g.stats.failures++
		return
	}
	each := took / time.Duration(events)
	if g.each == 0 {
		g.each = each
	} else {
		g.each += (each - g.each) / 8
	}
	g.each = max(g.each, 1)
}

// body returns the body of a request.
func body(list []*item) []byte {
	envelopes := make([][]byte, len(list))
	for i, it := range list {
		envelopes[i] = it.body
	}
	return router.Envelopes(envelopes...)
}

func newID(prefix string) string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func (g *gatherer) close() { g.requests.Wait() }
