package sqlite

import (
	"context"
	"fmt"
)

// mergeBatches moves what was taken into the database and empties the tail.
func (h *History) mergeBatches(ctx context.Context, f *flusher) error {
	err := h.write(ctx, f)
	h.settle(f, err == nil)
	if err == nil {
		err = h.tail.reset()
	}
	return err
}

// write writes the batches in one transaction.
func (h *History) write(ctx context.Context, f *flusher) error {
	if len(f.batches) == 0 && h.tail.end == 0 {
		return nil
	}
	w := &h.writer
	return w.transaction(ctx, func() error {
		w.merged = h.tail.number
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
		}
		h.lostLocked(lost)
		data.inFlight, data.gaveUp = 0, 0
		h.rooms.Release(b.r)
	}
	if ok {
		h.writtenLocked(f)
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
	if err := w.measure(ctx); err != nil {
		return err
	}
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
		h.mergeLocked()
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
