package router

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"signalbox/internal/backoff"
	"signalbox/server/app"
)

// Question is one envelope on its way to a backend.
type Question struct {
	ID       string
	Body     []byte
	Socket   *Socket
	Event    string // [ConnectEvent] for a client that wants to come in
	Connect  bool
	Deadline time.Time
}

// Unanswered is the error of a [Question] that brought no result.
type Unanswered struct {
	Reason string
	Again  bool // it may be answered when it is sent again
	Unsent bool // the backend knows nothing of it
}

func (u *Unanswered) Error() string { return u.Reason }

// OutsideOptions are what an [Outside] is made of. The zero value of a number stands for its default.
type OutsideOptions struct {
	// Timeout is for the answer to one event, from when it was taken from its socket; default 3 s.
	Timeout time.Duration
	// ConnectWait is how long a client is kept waiting while the backend does not answer; default 10 s.
	ConnectWait time.Duration
	// Admit lets clients in that the backend said nothing about, and tells it later.
	Admit bool
	// Retry are events that are sent again where that may help; "*" is any.
	Retry []string
	// Headers of a client's handshake are told when it connects.
	Headers []string
	// Notices tells the backend who has left; nil: nobody does.
	Notices *Notices
	// Through returns what stands before the transport; nil: nothing does.
	Through func(Transport) Transport
	Log     *slog.Logger
}

// Transport carries envelopes to a backend outside this process.
type Transport interface {
	// Ask returns the result of one envelope; the error is an *[Unanswered]. ctx ends when nobody wants it any more.
	Ask(ctx context.Context, q *Question) (json.RawMessage, error)
	// Tell returns when the backend has heard notices, one of each socket at most. An error that wraps [ErrNoticeRefused] is
	// about what is in them.
	Tell(ctx context.Context, batch []Notice) error
}

// Reacher is a [Transport] that does not reach everybody at all times. What it does not reach waits, until
// [Outside.Nudge] says that this may have changed.
type Reacher interface {
	Transport
	Reaches(n *Notice) bool
}

// Outside is a [Backend] and a [Leaver] behind a [Transport]: how long is waited, what is sent again, and how clients come in.
type Outside struct {
	// Static after construction.
	o         OutsideOptions
	transport Transport

	terms atomic.Pointer[OutsideOptions]

	wrong    atomic.Uint64
	retried  atomic.Uint64
	admitted atomic.Uint64
}

// NewOutside returns the backend behind t.
func NewOutside(o OutsideOptions, t Transport) *Outside {
	if o.Through != nil {
		t = o.Through(t)
	}
	if o.Notices != nil {
		o.Notices.start(t)
	}
	b := &Outside{o: o, transport: t}
	b.SetTerms(o)
	return b
}

// SetTerms has what begins from now on go by o, of which Notices and Log do not count.
func (b *Outside) SetTerms(o OutsideOptions) {
	o.Timeout = cmp.Or(o.Timeout, 3*time.Second)
	o.ConnectWait = cmp.Or(o.ConnectWait, 10*time.Second)
	b.terms.Store(&o)
}

// Timeout is for the answer to one event.
func (b *Outside) Timeout() time.Duration { return b.terms.Load().Timeout }

// Restore has notices told that the store kept of the process before. It is called before the first client.
func (b *Outside) Restore(kept []Notice) {
	if b.o.Notices != nil {
		b.o.Notices.restore(kept)
	}
}

// Notices returns who tells the backend what nobody waits for; nil: nobody does.
func (b *Outside) Notices() *Notices { return b.o.Notices }

// Nudge has notices look again who can be reached.
func (b *Outside) Nudge() {
	if b.o.Notices != nil {
		b.o.Notices.nudge()
	}
}

// Remote implements [Backend].
func (b *Outside) Remote() bool { return true }

// attempts is how often an event of OutsideOptions.Retry is sent.
const attempts = 3

// Event implements [Backend].
func (b *Outside) Event(ctx context.Context, e *Event) (*Result, error) {
	q := Question{ID: e.ID, Body: e.AppendEnvelope(nil), Socket: e.Socket, Event: e.Name}
	pause := backoff.Pause{Least: 200 * time.Millisecond, Most: time.Second}
	for try, sent := 1, false; ; try++ {
		q.Deadline = time.Now().Add(b.Timeout())
		raw, err := b.transport.Ask(ctx, &q)
		if err == nil {
			return b.result(raw)
		}
		u := (*Unanswered)(nil)
		errors.As(err, &u)
		if sent = sent || u == nil || !u.Unsent; sent && u != nil && u.Unsent {
			err = &Unanswered{Reason: u.Reason} // it was sent before
		}
		if u == nil || !u.Again || try == attempts || !b.retries(e.Name) || !sleep(ctx, pause.Spread()) {
			b.o.Log.LogAttrs(ctx, slog.LevelDebug, "event not answered", slog.String("event", e.Name), slog.String("reason", err.Error()))
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		b.retried.Add(1)
	}
}

func (b *Outside) retries(event string) bool {
	again := b.terms.Load().Retry
	return slices.Contains(again, event) || slices.Contains(again, "*")
}

func (b *Outside) result(raw json.RawMessage) (*Result, error) {
	result, err := DecodeResult(raw)
	if err != nil {
		b.countWrong(err)
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return result, nil
}

// countWrong counts a result that cannot be carried out.
func (b *Outside) countWrong(err error) {
	b.wrong.Add(1)
	b.o.Log.Debug("an answer of the backend cannot be carried out", "reason", err.Error())
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

// Connect implements [Backend].
func (b *Outside) Connect(ctx context.Context, c *Connect) (*Welcome, error) {
	terms := b.terms.Load()
	end := time.Now().Add(terms.ConnectWait)
	giveUp := end.Add(-rand.N(min(lastPart, terms.ConnectWait) + 1))
	q := Question{ID: c.Socket.ConnectID(), Body: c.AppendEnvelope(nil, terms.Headers), Socket: c.Socket, Event: ConnectEvent, Connect: true}
	sent, written := false, b.o.Notices == nil
	pause := backoff.Pause{Least: 100 * time.Millisecond, Most: time.Second}
	for {
		if !written {
			written = b.o.Notices.asked(ctx, c.Socket) == nil
		}
		if written {
			q.Deadline = time.Now().Add(min(b.Timeout(), time.Until(end)))
			welcome, err := b.ask(ctx, &q)
			if err == nil {
				if b.o.Notices != nil {
					c.Socket.Named(welcome.User)
					b.o.Notices.admitted(c.Socket)
				}
				return welcome, nil
			}
			if refusal := (*app.ConnectError)(nil); errors.As(err, &refusal) {
				b.o.Notices.withdraw(c.Socket)
				return nil, refusal
			}
			u := (*Unanswered)(nil)
			sent = sent || !errors.As(err, &u) || !u.Unsent
		}
		now, wait := time.Now(), pause.Spread()
		if left := giveUp.Sub(now); wait >= left {
			if sleep(ctx, max(0, left)) && terms.Admit {
				return b.admitLate(c, q.Body), nil
			}
			break
		}
		if !sleep(ctx, wait) {
			break
		}
	}
	if sent && written {
		b.Left(c.Socket, ReasonNotAdmitted)
	} else {
		b.o.Notices.withdraw(c.Socket)
	}
	return nil, ErrUnavailable
}

// admitLate lets a client in that the backend said nothing about.
func (b *Outside) admitLate(c *Connect, body []byte) *Welcome {
	b.admitted.Add(1)
	if b.o.Notices != nil {
		b.o.Notices.admitted(c.Socket)
		b.o.Notices.add(c.Socket.ConnectID(), c.Socket, body)
	}
	return new(Welcome)
}

func (b *Outside) ask(ctx context.Context, q *Question) (*Welcome, error) {
	raw, err := b.transport.Ask(ctx, q)
	if err != nil {
		return nil, err
	}
	welcome, err := DecodeWelcome(raw)
	if refusal := (*app.ConnectError)(nil); err != nil && !errors.As(err, &refusal) {
		b.countWrong(err)
	}
	return welcome, err
}

// Arrived and Moved implement [Follower].
func (b *Outside) Arrived(s *Socket) {
	if b.o.Notices != nil {
		b.o.Notices.admitted(s)
	}
}
func (b *Outside) Moved(s *Socket) { b.o.Notices.withdraw(s) }

// Left implements [Leaver].
func (b *Outside) Left(s *Socket, reason string) { b.o.Notices.Left(s, reason) }

// Close tells what waits to be told, until ctx is over at most. It is called after the router's, while the transport still is
// there.
func (b *Outside) Close(ctx context.Context) { b.o.Notices.close(ctx) }

// OutsideStats are figures since the start.
type OutsideStats struct {
	Wrong        uint64 // results that could not be carried out
	Retried      uint64 // events that were sent again
	AdmittedLate uint64 // clients that were let in without the backend
	Notices      NoticeStats
}

// OutsideStats may be called from any goroutine.
func (b *Outside) OutsideStats() OutsideStats {
	return OutsideStats{
		Wrong: b.wrong.Load(), Retried: b.retried.Load(), AdmittedLate: b.admitted.Load(), Notices: b.o.Notices.stats(),
	}
}
