package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signalbox/store/internal/recent"
)

const (
	firstPause = 100 * time.Millisecond // after a write that failed
	maxPause   = 5 * time.Second
)

// run writes what gathers until the history is closed, then closes the files.
func (h *History) run() {
	f := newFlusher()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for open := true; open; {
		select {
		case <-h.wake:
			open = h.wait(timer, h.options.FlushInterval, h.full)
		case <-f.mergeTimer.C:
			h.mu.Lock()
			h.mergeLocked()
			h.mu.Unlock()
		case <-h.quit:
			open = false
		}
		for pause := firstPause; open && !h.flush(&f); pause = min(2*pause, maxPause) {
			open = h.wait(timer, pause, nil)
		}
	}
	f.mergeTimer.Stop()
	err := errors.Join(h.lastFlush(&f, timer), h.closeFiles())
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

// lastFlush merges what is left, trying until it has worked or the context given to Close ends.
func (h *History) lastFlush(f *flusher, timer *time.Timer) error {
	h.mu.Lock()
	h.mergeLocked()
	ctx := h.closing
	h.mu.Unlock()
	for !h.flush(f) {
		timer.Reset(firstPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			h.mu.Lock()
			n := h.unwritten
			h.mu.Unlock()
			return fmt.Errorf("close history: %d messages are not written: %w", n, f.err)
		}
	}
	return nil
}

// flusher is what the writing goroutine remembers from one write to the next.
type flusher struct {
	// mergeTimer runs while the tail has messages.
	mergeTimer *time.Timer
	merging    bool

	err  error // of the last write; nil: it worked
	lost uint64

	fresh     []waiting
	batches   []batch
	entries   []recent.Entry
	unwritten int // messages of this write that a crash would have lost
}

func newFlusher() flusher {
	f := flusher{mergeTimer: time.NewTimer(time.Hour)}
	f.mergeTimer.Stop()
	return f
}

// flush writes what waits, to the tail or into the database, and reports whether that worked. The first failure is
// logged, and the first success after it; messages stay in memory meanwhile.
func (h *History) flush(f *flusher) bool {
	ctx := context.Background() // a write is never broken off in the middle
	merge := h.take(f)
	var err error
	if merge {
		if err = h.mergeBatches(ctx, f); err == nil {
			f.mergeTimer.Stop()
			f.merging = false
			err = h.prune(ctx)
		}
	} else if err = h.writeTail(f); err == nil && h.tail.end > 0 && !f.merging {
		f.mergeTimer.Reset(h.options.mergeInterval)
		f.merging = true
	}
	h.mu.Lock()
	if err != nil {
		h.stats.Failures++
		h.mergeLocked()
	}
	h.noteDiskLocked()
	lost := h.stats.Lost - f.lost
	unwritten := h.unwritten
	closed := h.closed
	h.mu.Unlock()
	h.report(f, err, lost, unwritten)
	return err == nil || closed && unwritten == 0 // who closes does not wait for pruning
}

// report logs when writing begins to fail, works again, or is too slow.
func (h *History) report(f *flusher, err error, lost uint64, unwritten int) {
	log := h.options.Log
	switch {
	case err != nil && f.err == nil:
		log.Error("history cannot be written; messages are kept in memory, as many as may be", slog.Any("error", err),
			slog.Int("pending", unwritten))
	case err == nil && f.err != nil:
		log.Info("history is written again", slog.Uint64("lost", lost))
	case err == nil && lost > 0:
		log.Warn("history is written too slowly; messages were not made durable", slog.Uint64("lost", lost))
	}
	if err == nil {
		f.lost += lost
	}
	f.err = err
}

// take takes what is to be written next, and reports whether it is to be merged: then it is everything that is not in
// the database, otherwise what is not in the tail.
func (h *History) take(f *flusher) (merge bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed = false
	select {
	case <-h.full:
	default:
	}
	n, bytes := h.rooms.Pinned()
	f.unwritten = h.unwritten
	atMessages, atBytes := h.options.mergeAt()
	if !h.merge && n < atMessages && bytes < atBytes && h.tail.end < 2*atBytes {
		f.fresh, h.fresh = h.fresh, f.fresh[:0]
		h.freshBytes = 0
		return false
	}
	h.merge = false
	h.dropFreshLocked()
	if cap(f.entries) < n {
		f.entries = make([]recent.Entry, 0, n) // does not grow below: batches point into it
	}
	h.rooms.Dirty(func(r *room) {
		b := batch{r: r, at: r.Data.place}
		from, to := r.Range(r.Next(), r.Pinned())
		b.start = from
		at := len(f.entries)
		for ; from < to; from++ {
			f.entries = append(f.entries, *r.At(from))
		}
		b.entries = f.entries[at:]
		r.Data.inFlight = len(b.entries)
		h.rooms.Hold(r)
		f.batches = append(f.batches, b)
	})
	return true
}

// writeTail adds what was taken to the tail.
func (h *History) writeTail(f *flusher) error {
	defer func() {
		clear(f.fresh)
		f.fresh = f.fresh[:0]
	}()
	if len(f.fresh) == 0 {
		return nil
	}
	if err := h.tail.append(f.fresh); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writtenLocked(f)
	return nil
}

// writtenLocked counts the messages of a write that has worked.
func (h *History) writtenLocked(f *flusher) {
	n := min(f.unwritten, h.unwritten) // some may have been given up meanwhile
	h.unwritten -= n
	h.stats.Written += uint64(n)
}
