package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"slices"

	"signalbox/store/internal/recent"
)

// query asks the disk for messages of a room.
type query struct {
	room   int64
	floor  uint64 // the oldest position wanted
	before uint64 // the position behind the newest one wanted
	limit  int
	seek   *seek // the page ends there; nil: at before
}

// older returns the newest messages that a query asks for, oldest first, and whether the place was found where they
// end.
func (h *History) older(ctx context.Context, q query) (entries []recent.Entry, found bool, err error) {
	found = q.seek == nil
	if q.room == 0 || q.floor >= q.before || found && q.limit <= 0 {
		return nil, found, nil
	}
	// The newest chunk may begin before and end behind the first position that is not wanted.
	rows, err := h.reads.chunks.QueryContext(ctx, q.room, int64(q.floor), int64(q.before)+maxChunkMessages-1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var last int64
		var body sql.RawBytes
		if err := rows.Scan(&last, &body); err != nil {
			return nil, false, err
		}
		if !found && !q.seek.byTime && !bytes.Contains(body, []byte(q.seek.id)) {
			continue
		}
		chunk, err := decodeChunk(body)
		if err != nil {
			h.damaged(q.room, last)
			continue
		}
		position := uint64(last) + 1
		for _, e := range slices.Backward(chunk) {
			position--
			if position >= q.before || position < q.floor {
				continue
			}
			if !found {
				found = q.seek.meets(&e)
				if !q.seek.byTime || !found { // a message that was asked for by its id is not part of the page itself
					continue
				}
			}
			if len(entries) < q.limit {
				entries = append(entries, e)
			}
		}
		if found && len(entries) >= q.limit {
			break
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, err
	}
	slices.Reverse(entries)
	return entries, found, nil
}

// meets reports whether a page that is looked for ends at a message.
func (s *seek) meets(e *recent.Entry) bool {
	if s.byTime {
		return e.Milli < s.milli
	}
	return e.ID == s.id
}

// damaged notes a chunk that cannot be read. What it held is missing from pages.
func (h *History) damaged(room, last int64) {
	h.mu.Lock()
	h.stats.Damaged++
	first := h.stats.Damaged == 1
	h.mu.Unlock()
	if first { // one line: a room that is read often would fill the log
		h.options.Log.Error("history has a damaged record; its messages are missing", slog.Int64("room_row", room),
			slog.Int64("last", last))
	}
}
