package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"signalbox/handlers/router"
	"signalbox/internal/backoff"
	"signalbox/server/app"
)

// Options are what a backend behind a URL is made of. The zero value of a number stands for its default.
type Options struct {
	URL  string
	Keys Keys // none: requests are not signed
	// Timeout is for the answer to one event, from when it was taken from its socket; default 3 s.
	Timeout time.Duration
	// ConnectWait is how long a client is kept waiting while the backend does not answer; default 10 s.
	ConnectWait time.Duration
	// Admit lets clients in that the backend said nothing about, and tells it later.
	Admit bool
	// Retry are events that are sent again after a 5xx or a time-out; "*" is any.
	Retry []string
	// Headers of a client's handshake are told when it connects.
	Headers []string
	// Concurrency is how many requests may be out; default 32. Batch is how many events one may bring; default 64.
	Concurrency, Batch int
	// Notices tells the backend who has left; nil: nobody does.
	Notices *Notices
	Log     *slog.Logger
}

// Hooks is a [router.Backend] behind a URL.
type Hooks struct {
	// Static after construction.
	o        Options
	client   *client
	breaker  *breaker
	gatherer *gatherer

	wrong    atomic.Uint64 // answers that could not be carried out
	retried  atomic.Uint64
	admitted atomic.Uint64 // without being asked about
}

// New returns the backend of o.
func New(o Options) *Hooks {
	o.Timeout = orDefault(o.Timeout, 3*time.Second)
	o.ConnectWait = orDefault(o.ConnectWait, 10*time.Second)
	o.Concurrency, o.Batch = orDefault(o.Concurrency, 32), orDefault(o.Batch, 64)
	h := &Hooks{o: o, client: newClient(o.URL, o.Keys, o.Concurrency), breaker: newBreaker(o.Log)}
	h.gatherer = &gatherer{client: h.client, breaker: h.breaker, concurrency: o.Concurrency, most: o.Batch}
	if o.Notices != nil {
		o.Notices.start(h)
	}
	return h
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Remote implements [router.Backend].
func (h *Hooks) Remote() bool { return true }

// attempts is how often an event of Options.Retry is sent.
const attempts = 3

// Event implements [router.Backend].
func (h *Hooks) Event(ctx context.Context, e *router.Event) (*router.Result, error) {
	it := &item{id: e.ID, body: e.AppendEnvelope(nil)}
	pause := backoff.Pause{Least: 200 * time.Millisecond, Most: time.Second}
	for try := 1; ; try++ {
		it.deadline = time.Now().Add(h.o.Timeout)
		raw, err := h.gatherer.do(it)
		if err == nil {
			return h.result(raw)
		}
		f := (*failure)(nil)
		if !errors.As(err, &f) || !f.again || try == attempts || !h.retries(e.Name) || !sleep(ctx, pause.Spread()) {
			h.o.Log.LogAttrs(ctx, slog.LevelDebug, "event not answered", slog.String("event", e.Name), slog.String("reason", err.Error()))
			return nil, fmt.Errorf("%w: %w", router.ErrUnavailable, err)
		}
		h.retried.Add(1)
		it = &item{id: it.id, body: it.body}
	}
}

func (h *Hooks) retries(event string) bool {
	return slices.Contains(h.o.Retry, event) || slices.Contains(h.o.Retry, "*")
}

func (h *Hooks) result(raw json.RawMessage) (*router.Result, error) {
	result, err := router.DecodeResult(raw)
	if err != nil {
		h.countWrong(err)
		return nil, fmt.Errorf("%w: %w", router.ErrUnavailable, err)
	}
	return result, nil
}

// countWrong counts an answer that cannot be carried out.
func (h *Hooks) countWrong(err error) {
	h.wrong.Add(1)
	h.o.Log.Debug("an answer of the backend cannot be carried out", "reason", err.Error())
}

// sleep waits, and reports false where ctx was over before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lastPart is the part of the wait in which clients are turned away, each at a moment of its own.
const lastPart = 5 * time.Second

// Connect implements [router.Backend].
func (h *Hooks) Connect(ctx context.Context, c *router.Connect) (*router.Welcome, error) {
	start := time.Now()
	end := start.Add(h.o.ConnectWait)
	giveUp := end.Add(-rand.N(min(lastPart, h.o.ConnectWait) + 1))
	body := c.AppendEnvelope(nil, h.o.Headers)
	sent, written := false, h.o.Notices == nil
	pause := backoff.Pause{Least: 100 * time.Millisecond, Most: time.Second}
	for {
		if !written {
			written = h.o.Notices.asked(ctx, c.Socket) == nil
		}
		if written {
			it := &item{id: c.Socket.ConnectID(), body: body, alone: true}
			it.deadline = earlier(time.Now().Add(h.o.Timeout), end)
			open, _ := h.breaker.isOpen()
			sent = sent || !open
			if welcome, err := h.ask(it); err == nil {
				if h.o.Notices != nil {
					c.Socket.Named(welcome.User)
					h.o.Notices.admitted(c.Socket)
				}
				return welcome, nil
			} else if refusal := (*app.ConnectError)(nil); errors.As(err, &refusal) {
				h.o.Notices.withdraw(c.Socket)
				return nil, refusal
			}
		}
		now, wait := time.Now(), pause.Spread()
		if left := giveUp.Sub(now); wait >= left {
			if !sleep(ctx, max(0, left)) {
				break
			}
			if h.o.Admit {
				return h.admitLate(c, body), nil
			}
			break
		}
		if !sleep(ctx, wait) {
			break
		}
	}
	if sent && written {
		h.o.Notices.Left(c.Socket, router.ReasonNotAdmitted)
	} else {
		h.o.Notices.withdraw(c.Socket)
	}
	return nil, router.ErrUnavailable
}

// admitLate lets a client in that the backend said nothing about.
func (h *Hooks) admitLate(c *router.Connect, body []byte) *router.Welcome {
	h.admitted.Add(1)
	if h.o.Notices != nil {
		h.o.Notices.admitted(c.Socket)
		h.o.Notices.add(c.Socket.ConnectID(), c.Socket.Peer.ID(), body)
	}
	return new(router.Welcome)
}

func (h *Hooks) ask(it *item) (*router.Welcome, error) {
	raw, err := h.gatherer.do(it)
	if err != nil {
		return nil, err
	}
	welcome, err := router.DecodeWelcome(raw)
	if refusal := (*app.ConnectError)(nil); err != nil && !errors.As(err, &refusal) {
		h.countWrong(err)
	}
	return welcome, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Left implements [router.Leaver].
func (h *Hooks) Left(s *router.Socket, reason string) { h.o.Notices.Left(s, reason) }

// Close returns when nothing is on its way any more: what waits to be told, until ctx is over at most. It is called after the
// router's.
func (h *Hooks) Close(ctx context.Context) {
	h.o.Notices.close(ctx)
	h.gatherer.close()
	h.client.close()
}

// Stats are figures since the start.
type Stats struct {
	Requests, Failures, Events uint64
	Time                       time.Duration // of requests
	Full                       uint64        // events for which there was no place
	Wrong                      uint64        // answers that could not be carried out
	Retried                    uint64        // events that were sent again
	AdmittedLate               uint64        // clients that were let in without the backend
	Out, Waiting               int           // now
	Open                       bool          // the circuit breaker, now
	Opened                     uint64        // times that it opened
	Notices                    NoticeStats
}

// Stats may be called from any goroutine.
func (h *Hooks) Stats() Stats {
	g := h.gatherer
	g.mu.Lock()
	s := Stats{Requests: g.stats.requests, Failures: g.stats.failures, Events: g.stats.events, Time: g.stats.time,
		Full: g.stats.full, Out: g.out, Waiting: len(g.waiting)}
	g.mu.Unlock()
	s.Wrong, s.Retried, s.AdmittedLate = h.wrong.Load(), h.retried.Load(), h.admitted.Load()
	s.Open, s.Opened = h.breaker.isOpen()
	s.Notices = h.o.Notices.stats()
	return s
}
