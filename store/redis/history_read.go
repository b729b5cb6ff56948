package redis

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"signalbox/store"
	"signalbox/store/internal/recent"
)

// Last implements [store.History].
func (h *History) Last(ctx context.Context, room string, n int) ([]store.Message, error) {
	return h.page(ctx, room, seek{}, n)
}

// Before implements [store.History].
func (h *History) Before(ctx context.Context, room string, before store.Cursor, limit int) ([]store.Message, error) {
	s := seek{before: true, id: before.ID, byTime: !before.Time.IsZero()}
	if s.byTime {
		s.milli = before.Time.UnixMilli()
	}
	return h.page(ctx, room, s, limit)
}

// seek says where a page ends: behind the newest message; or, where before is set, before the newest message with an id,
// else, with byTime, behind the newest message older than milli.
type seek struct {
	before bool
	id     string
	byTime bool
	milli  int64
}

// end returns how many of messages are before the place, and whether it is among them.
func (s *seek) end(n int, at func(int) *recent.Entry) (int, bool) {
	if !s.before {
		return n, true
	}
	for i := n - 1; i >= 0; i-- {
		if e := at(i); s.id != "" && e.ID == s.id {
			return i, true
		} else if s.id == "" && s.byTime && e.Milli < s.milli {
			return i + 1, true
		}
	}
	return 0, false
}

// unwritten are messages of a room that this node has appended and Redis may not have yet.
type unwritten []pendingEntry

type pendingEntry struct {
	seq   int64
	entry recent.Entry
}

func (u unwritten) at(i int) *recent.Entry { return &u[i].entry }

// after returns those that were not written when the mark was seq.
func (u unwritten) after(seq int64) unwritten {
	for len(u) > 0 && u[0].seq <= seq {
		u = u[1:]
	}
	return u
}

// unwrittenLocked returns the messages of a room that are not known to be written.
func (h *History) unwrittenLocked(p *place) (u unwritten) {
	l := &h.lanes[p.lane]
	for _, c := range []*writes{&l.sent, &l.waiting} {
		for w := range c.All() {
			if !w.settled && w.place.room == p.room {
				u = append(u, pendingEntry{w.seq, w.entry})
			}
		}
	}
	return u
}

// page returns the limit messages before a place: those in Redis, and behind them those that are on their way there.
func (h *History) page(ctx context.Context, room string, s seek, limit int) ([]store.Message, error) {
	limit = max(0, min(limit, h.limits.RoomMessages))
	h.mu.Lock()
	if err := h.usableLocked(ctx); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	at := h.placeLocked(room)
	own := h.unwrittenLocked(at) // before Redis is asked: what is written in between must not be missing in both
	h.mu.Unlock()
	if s.before && s.id == "" && !s.byTime {
		return nil, store.ErrUnknownMessage
	}
	for {
		// A place among the messages on their way is behind all that are in Redis.
		query := s
		_, among := s.end(len(own), own.at)
		if among {
			query = seek{}
		}
		p, err := h.read(ctx, at, query, limit)
		if err != nil {
			return h.local(room, s, limit, own), h.readError(ctx, err)
		}
		own = own.after(p.mark)
		end := 0
		if among {
			if end, among = s.end(len(own), own.at); !among {
				continue // it is in Redis by now
			}
			p.newer = len(own) - end
		} else {
			if s.byTime && s.id != "" && p.found != "id" { // so the id is nowhere
				s.id = ""
				if _, among := s.end(len(own), own.at); among {
					continue
				}
			}
			p.newer += len(own)
		}
		return h.join(p, own[:end], s, limit)
	}
}

// join returns the messages of a page and those that follow it, as far as the room has room for them: it does with those
// that are on their way as it will when they are written.
func (h *History) join(p *page, own unwritten, s seek, limit int) ([]store.Message, error) {
	free := h.limits.RoomMessages - p.newer
	if p.found == "" || s.id != "" && free < 0 {
		return nil, store.ErrUnknownMessage
	}
	limit = max(0, min(limit, free))
	messages := make([]store.Message, 0, min(limit, len(p.entries)+len(own)))
	older := min(len(p.entries), limit-min(limit, len(own)))
	for i := len(p.entries) - older; i < len(p.entries); i++ {
		messages = append(messages, message(&p.entries[i]))
	}
	for i := len(own) - min(limit, len(own)); i < len(own); i++ {
		messages = append(messages, message(&own[i].entry))
	}
	return messages, nil
}

// read asks Redis for a page.
func (h *History) read(ctx context.Context, at *place, s seek, limit int) (*page, error) {
	mode, milli := "last", ""
	if s.before {
		mode = "before"
	}
	if s.byTime {
		milli = string(appendMilli(nil, s.milli))
	}
	keys := []string{at.heads.(string), at.bodies.(string), h.keys.lanes[at.lane].mark.(string)}
	reply, err := h.link.Run(ctx, historyRead, keys, mode, limit, s.id, milli)
	if err != nil {
		return nil, err
	}
	p, err := parsePage(reply)
	if err != nil {
		return nil, err
	}
	if p.damaged > 0 {
		h.mu.Lock()
		h.stats.Damaged += uint64(p.damaged)
		h.mu.Unlock()
	}
	return p, nil
}

// local returns what this node knows of a page.
func (h *History) local(room string, s seek, limit int, own unwritten) []store.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, at := len(own), own.at
	// Both are the newest messages that this node has appended to the room.
	if r := h.rooms.Get(room); r != nil && r.Len() >= n {
		n, at = r.Len(), func(i int) *recent.Entry { return r.At(r.First() + uint64(i)) }
	}
	end, found := s.end(n, at)
	if !found && s.id != "" {
		s.id = ""
		end, found = s.end(n, at)
	}
	if !found {
		return nil
	}
	messages := make([]store.Message, 0, min(limit, end))
	for i := end - min(limit, end); i < end; i++ {
		messages = append(messages, message(at(i)))
	}
	return messages
}

// placeLocked returns where a room is.
func (h *History) placeLocked(room string) *place {
	if r := h.rooms.Get(room); r != nil && r.Data != nil {
		return r.Data
	}
	return h.keys.place(room)
}

func (h *History) usableLocked(ctx context.Context) error {
	if h.closed {
		return store.ErrHistoryClosed
	}
	return ctx.Err()
}

// readError returns what a caller gets for a read that failed.
func (h *History) readError(ctx context.Context, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return cmp.Or(h.usableLocked(ctx), fmt.Errorf("read history: %w", err))
}

func message(e *recent.Entry) store.Message {
	return store.Message{ID: e.ID, JSON: e.JSON, Time: time.UnixMilli(e.Milli).UTC()}
}
