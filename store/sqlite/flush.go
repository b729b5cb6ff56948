package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signalbox/internal/backoff"
)

const (
	firstPause = 100 * time.Millisecond // after a write that failed
	maxPause   = 5 * time.Second
)

// run writes what gathers until the history is closed, then closes the files.
func (h *History) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for open := true; open; {
		select {
		case <-h.wake:
			open = h.wait(timer, h.options.FlushInterval, h.full)
		case <-h.quit:
			open = false
		}
		for pause := (backoff.Pause{Least: firstPause, Most: maxPause}); open && !h.flush(); {
			open = h.wait(timer, pause.Next(), nil)
		}
	}
	err := errors.Join(h.lastFlush(timer), h.closeFiles())
	h.mu.Lock()
	h.closeErr = err
	h.mu.Unlock()
	close(h.done)
}

// wait waits for d, or less when early gets a token. It reports false when the history is closed.
func (h *History) wait(timer *time.Timer, d time.Duration, early <-chan struct{}) bool {
	timer.Reset(d)
	select {
	case <-timer.C:
	case <-early:
	case <-h.quit:
		return false
	}
	return true
}

// lastFlush writes what is left, trying until it has worked or the context given to Close ends.
func (h *History) lastFlush(timer *time.Timer) error {
	h.mu.Lock()
	ctx := h.closing
	h.mu.Unlock()
	for {
		ok := h.flush()
		h.mu.Lock()
		left := len(h.pending.queue)
		h.mu.Unlock()
		if left == 0 {
			return nil
		}
		if ok { // more than one transaction takes
			continue
		}
		timer.Reset(firstPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("close history: %d messages are not written: %w", left, h.failed)
		}
	}
}

// flush writes a batch of what waits, prunes, and reports whether that worked. The first failure is logged, and the
// first success after it; messages stay in memory meanwhile.
func (h *History) flush() bool {
	ctx := context.Background() // a write is never broken off in the middle
	h.mu.Lock()
	h.armed = false
	select {
	case <-h.full:
	default:
	}
	h.batch = h.pending.batch(h.batch[:0])
	h.mu.Unlock()
	err := h.writer.write(ctx, h.batch)
	h.mu.Lock()
	if h.pending.done(err == nil); err == nil {
		h.stats.Written += uint64(len(h.batch))
	}
	h.mu.Unlock()
	clear(h.batch)
	more := false
	if err == nil {
		more, err = h.writer.prune(ctx)
	}
	h.mu.Lock()
	if err != nil {
		h.stats.Failures++
	}
	h.noteDiskLocked()
	lost, left := h.stats.Lost-h.lost, len(h.pending.queue)
	if more = more || left > 0; more && !h.armed {
		h.armed = true
		notify(h.wake)
	}
	if more && left >= batchMessages || more && left == 0 {
		notify(h.full) // at once
	}
	h.mu.Unlock()
	h.report(err, lost, left)
	return err == nil
}

// report logs when writing begins to fail, works again, or is too slow.
func (h *History) report(err error, lost uint64, left int) {
	log := h.options.Log
	switch {
	case err != nil && h.failed == nil:
		log.Error("history cannot be written; messages are kept in memory, as many as may be", slog.Any("error", err),
			slog.Int("pending", left))
	case err == nil && h.failed != nil:
		log.Info("history is written again", slog.Uint64("lost", lost))
	case err == nil && lost > 0:
		log.Warn("history is written too slowly; messages were not made durable", slog.Uint64("lost", lost))
	}
	if err == nil {
		h.lost += lost
	}
	h.failed = err
}
