package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"signalbox/store"
	"signalbox/store/internal/recent"
)

// maxReaders is how many reads of the disk run at once; more wait. Pages that are in memory do not count.
const maxReaders = 2

// Last implements [store.History].
func (h *History) Last(ctx context.Context, name string, n int) ([]store.Message, error) {
	return h.page(ctx, name, seek{newest: true}, n)
}

// Before implements [store.History].
func (h *History) Before(ctx context.Context, name string, before store.Cursor, limit int) ([]store.Message, error) {
	if before.ID != "" {
		page, err := h.page(ctx, name, seek{id: before.ID}, limit)
		if before.Time.IsZero() || !errors.Is(err, store.ErrUnknownMessage) {
			return page, err
		}
	}
	if before.Time.IsZero() {
		return nil, cmp.Or(h.usable(ctx), store.ErrUnknownMessage)
	}
	return h.page(ctx, name, seek{byTime: true, milli: before.Time.UnixMilli()}, limit)
}

// seek says where a page ends: behind the newest message, behind the newest message older than milli, or before the
// newest message with an id.
type seek struct {
	newest bool
	byTime bool
	milli  int64
	id     string
}

// page returns the limit messages before a place, from memory and, where that is not enough, from disk.
func (h *History) page(ctx context.Context, name string, s seek, limit int) ([]store.Message, error) {
	limit = max(0, min(limit, h.options.Limits.RoomMessages))
	h.mu.Lock()
	if err := h.usableLocked(ctx); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	if r := h.rooms.Get(name); r != nil {
		if v := h.viewLocked(r, s, limit); v.whole {
			h.mu.Unlock()
			return v.result(s)
		}
	}
	r := h.rooms.Ensure(name)
	h.rooms.Hold(r)
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.rooms.Release(r)
		h.mu.Unlock()
	}()

	loadErr := h.load(ctx, r)
	h.mu.Lock()
	v := h.viewLocked(r, s, limit)
	h.mu.Unlock()
	if v.whole {
		return v.result(s)
	}
	if loadErr != nil {
		return v.messages, h.readError(ctx, loadErr)
	}
	q := query{room: v.id, floor: v.floor, before: v.first, limit: limit - len(v.messages)}
	if !v.found {
		q.seek = &s
	}
	older, found, err := h.older(ctx, q)
	if err != nil {
		return v.messages, h.readError(ctx, err)
	}
	v.found = v.found || found
	page := make([]store.Message, 0, len(older)+len(v.messages))
	for i := range older {
		page = append(page, message(&older[i]))
	}
	v.messages = append(page, v.messages...)
	return v.result(s)
}

// view is what the memory has of a page.
type view struct {
	messages []store.Message
	// found: the place where the page ends is among the messages in memory.
	found bool
	// whole: the disk has nothing to add.
	whole bool
	// Where to go on, on disk.
	id           int64
	floor, first uint64
}

// viewLocked returns what the memory has of a page.
func (h *History) viewLocked(r *room, s seek, limit int) view {
	v := view{id: r.Data.id, floor: h.floorLocked(r), first: r.First()}
	atFloor := r.Data.known && v.first <= v.floor
	var end uint64
	switch {
	case s.newest:
		end, v.found = r.Next(), true
	case s.byTime:
		end, v.found = r.FindTime(s.milli)
	default:
		end, v.found = r.FindID(s.id)
	}
	if end < v.floor { // in memory still, but over the bound of the room
		v.found = false
	}
	if !v.found {
		v.whole = atFloor
		return v
	}
	from, to := r.Range(end, limit)
	from = min(to, max(from, v.floor))
	v.messages = make([]store.Message, 0, to-from)
	for ; from < to; from++ {
		v.messages = append(v.messages, message(r.At(from)))
	}
	v.whole = atFloor || len(v.messages) == limit
	return v
}

// result returns a page that is whole.
func (v *view) result(s seek) ([]store.Message, error) {
	if !v.found && !s.byTime { // a time that nothing is older than has an empty page
		return nil, store.ErrUnknownMessage
	}
	return v.messages, nil
}

// floorLocked returns the position of the oldest message of the room that may be read. Rooms are pruned late, but
// nobody sees it.
func (h *History) floorLocked(r *room) uint64 {
	floor, bound := uint64(0), uint64(h.options.Limits.RoomMessages)
	if r.Next() > bound {
		floor = r.Next() - bound
	}
	if r.Data.known {
		floor = max(floor, r.Data.low)
	}
	return floor
}

// load fills a room that is held with its newest messages from disk, once. One caller does it, the others wait.
func (h *History) load(ctx context.Context, r *room) error {
	for {
		h.mu.Lock()
		loaded, loading := r.Data.loaded, r.Data.loading
		if !loaded && loading == nil {
			r.Data.loading = make(chan struct{})
		}
		h.mu.Unlock()
		if loaded {
			return nil
		}
		if loading == nil {
			break
		}
		select {
		case <-loading:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := h.loadRoom(ctx, r)
	h.mu.Lock()
	close(r.Data.loading)
	r.Data.loading = nil
	r.Data.loaded = err == nil
	h.mu.Unlock()
	return err
}

func (h *History) loadRoom(ctx context.Context, r *room) error {
	if err := h.know(ctx, r); err != nil {
		return err
	}
	h.mu.Lock()
	generation := h.generation
	q := query{room: r.Data.id, floor: h.floorLocked(r), before: r.First(), limit: h.options.Cache.RoomMessages - r.Len()}
	h.mu.Unlock()
	if q.limit <= 0 {
		return nil
	}
	older, _, err := h.older(ctx, q)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// Where messages have left the room meanwhile, it is full without the older ones.
	if r.First() == q.before && h.generation == generation {
		h.rooms.Prepend(r, older)
	}
	return nil
}

// know sees to it that the place of a room on disk is known.
func (h *History) know(ctx context.Context, r *room) error {
	for {
		h.mu.Lock()
		known, generation := r.Data.known, h.generation
		h.mu.Unlock()
		if known {
			return nil
		}
		at, err := h.reads.place(ctx, r.Name)
		if err != nil {
			return err
		}
		h.mu.Lock()
		// If a room was deleted meanwhile, it may have been this one. And before the writer adds to a room, it makes
		// the room known, so what was read above is what was there when the room came into memory.
		if h.generation == generation {
			h.knowLocked(r, at)
		}
		h.mu.Unlock()
	}
}

// usable returns why nothing can be read, if so.
func (h *History) usable(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.usableLocked(ctx)
}

func (h *History) usableLocked(ctx context.Context) error {
	if h.closed {
		return store.ErrHistoryClosed
	}
	return ctx.Err()
}

// readError returns what a caller gets for a read that failed: a read that was interrupted fails in many words.
func (h *History) readError(ctx context.Context, err error) error {
	return cmp.Or(h.usable(ctx), fmt.Errorf("read history: %w", err))
}

func message(e *recent.Entry) store.Message {
	return store.Message{ID: e.ID, JSON: e.JSON, Time: time.UnixMilli(e.Milli).UTC()}
}
