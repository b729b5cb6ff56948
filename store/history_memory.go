package store

import (
	"context"
	"sync"
	"time"

	"signalbox/store/internal/recent"
)

// MemoryHistory is a [History] in the memory of this process; its messages end with the process. Appending keeps the
// strings it is given and allocates nothing but, now and then, a longer ring. Use [NewMemoryHistory].
type MemoryHistory struct {
	limits HistoryLimits

	mu sync.Mutex
	// mu guards the following.
	rooms  *recent.Rooms[struct{}]
	closed bool
}

var _ History = (*MemoryHistory)(nil)

// NewMemoryHistory returns an empty history. Zero fields of limits stand for those of [DefaultHistoryLimits].
func NewMemoryHistory(limits HistoryLimits) (*MemoryHistory, error) {
	limits, err := limits.Resolve(DefaultHistoryLimits())
	if err != nil {
		return nil, err
	}
	return &MemoryHistory{limits: limits, rooms: recent.New[struct{}](recent.Limits(limits))}, nil
}

// Append implements [History].
func (h *MemoryHistory) Append(room string, m Message) error {
	e := recent.Entry{ID: m.ID, JSON: m.JSON, Milli: m.Time.UnixMilli()}
	if e.Bytes() > h.limits.RoomBytes {
		return ErrMessageTooLarge
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrHistoryClosed
	}
	h.rooms.Append(h.rooms.Ensure(room), e)
	return nil
}

// Last implements [History].
func (h *MemoryHistory) Last(ctx context.Context, room string, n int) ([]Message, error) {
	return h.page(ctx, room, n, func(r *recent.Room[struct{}]) (uint64, bool) { return r.Next(), true })
}

// Before implements [History].
func (h *MemoryHistory) Before(ctx context.Context, room string, before Cursor, limit int) ([]Message, error) {
	return h.page(ctx, room, limit, func(r *recent.Room[struct{}]) (uint64, bool) {
		if before.ID != "" {
			if end, ok := r.FindID(before.ID); ok {
				return end, true
			}
		}
		if before.Time.IsZero() {
			return 0, false
		}
		end, _ := r.FindTime(before.Time.UnixMilli()) // nothing older: an empty page
		return end, true
	})
}

// page returns the limit messages before the position that find returns. A room that is not there has every end but
// that of a message.
func (h *MemoryHistory) page(ctx context.Context, room string, limit int,
	find func(*recent.Room[struct{}]) (end uint64, ok bool)) ([]Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrHistoryClosed
	}
	r := h.rooms.Get(room)
	if r == nil {
		r = new(recent.Room[struct{}])
	}
	end, ok := find(r)
	if !ok {
		return nil, ErrUnknownMessage
	}
	from, to := r.Range(end, limit)
	messages := make([]Message, 0, to-from)
	for ; from < to; from++ {
		e := r.At(from)
		messages = append(messages, Message{ID: e.ID, JSON: e.JSON, Time: time.UnixMilli(e.Milli).UTC()})
	}
	return messages, nil
}

// Stats implements [History].
func (h *MemoryHistory) Stats() HistoryStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return HistoryStats{
		Rooms:    h.rooms.Len(),
		Messages: h.rooms.Messages(),
		Bytes:    h.rooms.Bytes(),
		Evicted:  h.rooms.Evicted(),
	}
}

// Close implements [History]. It forgets everything.
func (h *MemoryHistory) Close(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.rooms = recent.New[struct{}](recent.Limits(h.limits))
	return nil
}
