package hooks

import (
	"log/slog"
	"sync"
	"time"

	"signalbox/internal/backoff"
)

// breakAfter failures one after the other open the breaker.
const breakAfter = 5

// breaker keeps requests from a backend that does not answer. While it is open one try at a time goes through, after a pause that
// grows.
type breaker struct {
	log *slog.Logger

	mu sync.Mutex
	// mu guards the following.
	failures int
	open     bool
	trying   bool // a try is out
	next     time.Time
	since    time.Time
	pause    backoff.Pause
	opened   uint64
}

func newBreaker(log *slog.Logger) *breaker {
	return &breaker{log: log, pause: backoff.Pause{Least: 500 * time.Millisecond, Most: 4 * time.Second}}
}

// allow reports whether a request may go out; report has to follow it then.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true
	}
	if b.trying || time.Now().Before(b.next) {
		return false
	}
	b.trying = true
	return true
}

// report tells how a request went.
func (b *breaker) report(err error) {
	f, _ := err.(*failure)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	if f == nil || !f.breaks {
		b.failures = 0
		if b.open && (f == nil || f.status != 0) {
			b.open = false
			b.pause.Reset()
			b.log.Info("the backend answers again", "after", time.Since(b.since).Round(time.Millisecond).String())
		}
		return
	}
	b.failures++
	if b.open || b.failures >= breakAfter {
		if !b.open {
			b.open, b.since = true, time.Now()
			b.opened++
			b.log.Warn("the backend does not answer: hooks wait", "reason", f.text)
		}
		b.next = time.Now().Add(b.pause.Spread())
	}
}

func (b *breaker) isOpen() (open bool, times uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open, b.opened
}
