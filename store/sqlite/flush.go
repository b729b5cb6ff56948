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
	var f flusher
	timer := time.NewTimer(0)
	defer timer.Stop()
	for open := true; open; {
		select {
		case <-h.wake:
			open = h.wait(timer, h.options.FlushInterval, h.full)
		case <-h.quit:
			open = false
		}
		for pause := firstPause; open && !h.flush(&f); pause = min(2*pause, maxPause) {
			open = h.wait(timer, pause, nil)
		}
	}
	err := h.lastFlush(&f, timer)
	err = errors.Join(err, h.closeFiles())
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
func (h *History) lastFlush(f *flusher, timer *time.Timer) error {
	h.mu.Lock()
	ctx := h.closing
	h.mu.Unlock()
	for !h.flush(f) {
		timer.Reset(firstPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			h.mu.Lock()
			n, _ := h.rooms.Pinned()
			h.mu.Unlock()
			return fmt.Errorf("close history: %d messages are not written: %w", n, f.err)
		}
	}
	return nil
}

// flusher is what the writing goroutine remembers from one write to the next.
type flusher struct {
	err     error // of the last write; nil: it worked
	lost    uint64
	batches []batch
	entries []recent.Entry
}

// flush writes what waits and prunes, and reports whether that worked. The first failure is logged, and the first
// success after it; messages stay in memory meanwhile.
func (h *History) flush(f *flusher) bool {
	ctx := context.Background() // a write is never broken off in the middle
	h.snapshot(f)
	err := h.write(ctx, f)
	h.settle(f, err == nil)
	if err == nil {
		err = h.prune(ctx)
	}
	log := h.options.Log
	h.mu.Lock()
	if err != nil {
		h.stats.Failures++
	}
	h.stats.DiskMessages, h.stats.DiskBytes = h.writer.messages, h.writer.usedBytes
	lost := h.stats.Lost - f.lost
	pending, _ := h.rooms.Pinned()
	closed := h.closed
	h.mu.Unlock()
	switch {
	case err != nil && f.err == nil:
		log.Error("history cannot be written; messages are kept in memory, as many as may be", slog.Any("error", err),
			slog.Int("pending", pending))
	case err == nil && f.err != nil:
		log.Info("history is written again", slog.Uint64("lost", lost))
	case err == nil && lost > 0:
		log.Warn("history is written too slowly; messages were not made durable", slog.Uint64("lost", lost))
	}
	if err == nil {
		f.lost += lost
	}
	f.err = err
	return err == nil || closed && pending == 0 // who closes does not wait for pruning
}

// snapshot takes note of everything that waits to be written.
func (h *History) snapshot(f *flusher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.armed = false
	select {
	case <-h.full:
	default:
	}
	n, _ := h.rooms.Pinned()
	if cap(f.entries) < n {
		f.entries = make([]recent.Entry, 0, n) // never grows below, because batches point into it
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
}

// write writes the batches in one transaction.
func (h *History) write(ctx context.Context, f *flusher) error {
	if len(f.batches) == 0 {
		return nil
	}
	w := &h.writer
	err := w.transaction(ctx, func() error {
		for i := range f.batches {
			b := &f.batches[i]
			if !b.at.known {
				if err := h.lookUp(ctx, b); err != nil {
					return fmt.Errorf("look up room: %w", err)
				}
			}
			if err := w.write(ctx, b); err != nil {
				return fmt.Errorf("write messages: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.measure(ctx)
}

// lookUp asks where the room of a batch stands on disk. The room is told before anything of it is written: a reader
// that asks the disk later would count the new messages twice.
func (h *History) lookUp(ctx context.Context, b *batch) error {
	at, err := h.writer.place(ctx, b.r.Name)
	if err != nil {
		return err
	}
	b.at = at
	b.start += at.next
	h.mu.Lock()
	defer h.mu.Unlock()
	h.knowLocked(b.r, at)
	return nil
}

// knowLocked notes where a room stands on disk, unless somebody else was faster.
func (h *History) knowLocked(r *room, at place) {
	if r.Data.known {
		return
	}
	h.rooms.Shift(r, at.next)
	r.Data.place = at
}

// settle lets go of what was written, or of nothing where the write failed.
func (h *History) settle(f *flusher, ok bool) {
	h.mu.Lock()
	for i := range f.batches {
		b := &f.batches[i]
		data := &b.r.Data
		lost := data.gaveUp
		if ok {
			lost = max(0, data.gaveUp-data.inFlight)
			data.place = b.at
			h.rooms.Unpin(b.r, b.at.next)
			h.stats.Written += uint64(len(b.entries))
		}
		h.stats.Lost += uint64(lost)
		data.inFlight, data.gaveUp = 0, 0
		h.rooms.Release(b.r)
	}
	h.mu.Unlock()
	clear(f.entries)
	clear(f.batches)
	f.entries, f.batches = f.entries[:0], f.batches[:0]
	if cap(f.entries) > 4*batchMessages { // a jam does not keep its buffers
		f.entries, f.batches = nil, nil
	}
}

// prune deletes rooms where there is too much on disk in all, and makes the file smaller where it may be.
func (h *History) prune(ctx context.Context) error {
	w := &h.writer
	if !w.overBounds() {
		return nil
	}
	var gone []dropped
	var more bool
	err := w.transaction(ctx, func() (err error) {
		gone, more, err = w.dropRooms(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("prune rooms: %w", err)
	}
	h.forget(gone)
	if err := w.measure(ctx); err != nil {
		return err
	}
	if !more {
		if more, err = w.vacuum(ctx); err != nil {
			return fmt.Errorf("vacuum: %w", err)
		}
	}
	if more {
		h.mu.Lock()
		h.armed = true
		h.mu.Unlock()
		notify(h.wake)
		notify(h.full) // at once
	}
	return nil
}

// forget drops from memory what was deleted on disk.
func (h *History) forget(gone []dropped) {
	if len(gone) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation++
	for _, d := range gone {
		r := h.rooms.Get(d.name)
		if r == nil || h.rooms.Drop(r) || r.Data.id != d.id {
			continue
		}
		// It has messages that are not written yet, or a reader. Its positions stay what they are.
		r.Data.id = 0
		r.Data.low, r.Data.before = r.Data.next, r.Data.bytes
	}
}
