package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"signalbox/store"
)

// maxReaders is how many reads of the disk run at once; more wait.
const maxReaders = 2

// reader reads messages from disk.
type reader struct {
	db *sql.DB
	statements
	page     *sql.Stmt
	findID   *sql.Stmt
	findTime *sql.Stmt
}

// visible are the messages of a room older than a number that may be seen: so many of the newest.
const visible = `WITH visible AS MATERIALIZED (SELECT seq, milli, id FROM message
	WHERE room = (SELECT id FROM room WHERE name = ?) AND seq < ? ORDER BY seq DESC LIMIT ?) `

func (r *reader) open(ctx context.Context, path string) (err error) {
	if r.db, err = sql.Open("sqlite", source(path, "query_only(1)", "cache_size(-4096)")); err != nil {
		return err
	}
	r.db.SetMaxOpenConns(maxReaders)
	r.db.SetMaxIdleConns(maxReaders)
	return r.prepare(ctx, r.db, map[**sql.Stmt]string{
		&r.page: `SELECT id, milli, json FROM message WHERE room = (SELECT id FROM room WHERE name = ?)
			AND seq >= ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
		&r.findID:   visible + `SELECT (SELECT min(seq) FROM visible), max(seq) FROM visible WHERE id = ?`,
		&r.findTime: visible + `SELECT (SELECT min(seq) FROM visible), max(seq) + 1 FROM visible WHERE milli < ?`,
	})
}

func (r *reader) close() error {
	if r.db == nil {
		return nil
	}
	return errors.Join(r.statements.close(), r.db.Close())
}

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

// in returns where the page ends among messages that wait, and whether it does.
func (s seek) in(waiting []entry) (end int, found bool) {
	if s.newest {
		return len(waiting), true
	}
	for i, e := range slices.Backward(waiting) {
		switch {
		case s.byTime && e.Time.UnixMilli() < s.milli:
			return i + 1, true
		case !s.byTime && e.ID == s.id:
			return i, true
		}
	}
	return 0, false
}

// page returns the limit messages before a place, of those that wait and, where they are not enough, from disk.
func (h *History) page(ctx context.Context, name string, s seek, limit int) ([]store.Message, error) {
	bound := h.options.Limits.RoomMessages
	limit = max(0, min(limit, bound))
	// What is written between here and the read of the disk has numbers that the read leaves out.
	h.mu.Lock()
	if err := h.usableLocked(ctx); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	waiting := h.pending.rooms[name]
	h.mu.Unlock()
	waiting = waiting[max(0, len(waiting)-bound):]
	end, found := s.in(waiting)
	waits := waiting[max(0, end-limit):end]
	messages := make([]store.Message, len(waits))
	for i := range waits {
		messages[i] = waits[i].Message
	}
	var older []store.Message
	if left := bound - len(waiting); left > 0 && (!found || len(messages) < limit) {
		before := int64(math.MaxInt64)
		if len(waiting) > 0 {
			before = waiting[0].seq
		}
		var err error
		if found {
			older, err = h.reads.older(ctx, name, 0, before, min(left, limit-len(messages)))
		} else {
			older, found, err = h.reads.seek(ctx, name, s, before, left, limit)
		}
		if err != nil {
			return messages, cmp.Or(h.usable(ctx), fmt.Errorf("read history: %w", err))
		}
	}
	if !found && !s.byTime { // a time that nothing is older than has an empty page
		return nil, store.ErrUnknownMessage
	}
	return append(older, messages...), nil
}

// seek returns the limit messages of a room before a place among the count newest before a number, and whether the place
// is there.
func (r *reader) seek(ctx context.Context, name string, s seek, before int64, count, limit int) ([]store.Message, bool, error) {
	find, what := r.findID, any(blob(s.id))
	if s.byTime {
		find, what = r.findTime, s.milli
	}
	var floor, end sql.NullInt64
	err := find.QueryRowContext(ctx, blob(name), before, count, what).Scan(&floor, &end)
	if err != nil || !end.Valid {
		return nil, false, err
	}
	older, err := r.older(ctx, name, floor.Int64, end.Int64, limit)
	return older, true, err
}

// older returns the limit newest messages of a room from one number to, and without, another; the oldest first.
func (r *reader) older(ctx context.Context, name string, floor, before int64, limit int) ([]store.Message, error) {
	rows, err := r.page.QueryContext(ctx, blob(name), floor, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	messages := make([]store.Message, 0, min(limit, 64))
	var id, json sql.RawBytes
	for rows.Next() {
		var milli int64
		if err := rows.Scan(&id, &milli, &json); err != nil {
			return nil, err
		}
		messages = append(messages, store.Message{ID: string(id), JSON: string(json), Time: time.UnixMilli(milli).UTC()})
	}
	slices.Reverse(messages)
	return messages, rows.Err()
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
