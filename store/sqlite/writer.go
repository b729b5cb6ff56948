package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"signalbox/store"
	"signalbox/store/internal/recent"
)

// writer is the one connection that writes. It knows what is on disk and nothing of what is in memory.
type writer struct {
	// Static after open.
	limits        store.HistoryLimits
	chunkMessages int // longest chunk
	chunkBytes    int // a chunk is not continued beyond
	usedInterval  time.Duration

	db   *sql.DB
	conn *sql.Conn
	lookups
	begin, commit, rollback *sql.Stmt
	insertRoom, insertChunk *sql.Stmt
	updateUsed, updateTotal *sql.Stmt
	roomSizes, trimRoom     *sql.Stmt
	countRooms, idleRooms   *sql.Stmt
	countChunks, dropChunks *sql.Stmt
	dropRoom                *sql.Stmt
	pageCount, freePages    *sql.Stmt

	seq       int64 // number of the newest chunk
	pageBytes int64
	messages  int64  // in the database
	merged    uint64 // number of the tail's last record that is in the database
	usedBytes int64  // of the file, as of the last measure
	fileBytes int64  // the unused pages included
	body      []byte
}

// batch is what one room has to merge.
type batch struct {
	r       *room
	entries []recent.Entry
	// at is where the room stands. Before its room was looked up, only [place.known] is set, to false.
	at place
	// start is the position of the first entry; counted from 0 before the room was looked up.
	start uint64
}

func (w *writer) open(ctx context.Context, path string, options Options) (err error) {
	w.limits = options.Limits
	w.chunkMessages = max(1, min(maxChunkMessages, w.limits.RoomMessages/8))
	w.chunkBytes = int(max(1, min(maxChunkBytes, w.limits.RoomBytes/8)))
	w.usedInterval = options.usedInterval
	if w.db, err = sql.Open("sqlite", source(path, "synchronous(FULL)", "journal_size_limit(8388608)")); err != nil {
		return err
	}
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return classify(err)
	}
	if err = prepareFile(ctx, w.conn); err != nil {
		return err
	}
	if err = w.lookups.prepare(ctx, w.conn); err != nil {
		return err
	}
	err = w.statements.prepare(ctx, w.conn, map[**sql.Stmt]string{
		&w.begin:       `BEGIN IMMEDIATE`,
		&w.commit:      `COMMIT`,
		&w.rollback:    `ROLLBACK`,
		&w.insertRoom:  `INSERT INTO room (name, used) VALUES (?, ?)`,
		&w.insertChunk: `INSERT INTO chunk (seq, room, last, n, bytes, body) VALUES (?, ?, ?, ?, ?, ?)`,
		&w.updateUsed:  `UPDATE room SET used = ? WHERE id = ?`,
		&w.updateTotal: `UPDATE total SET messages = ?, merged = ?`,
		&w.roomSizes:   `SELECT last, n, bytes FROM chunk WHERE room = ? ORDER BY last`,
		&w.trimRoom:    `DELETE FROM chunk WHERE room = ? AND last <= ?`,
		&w.countRooms:  `SELECT count(*) FROM (SELECT 1 FROM room LIMIT 2)`,
		&w.idleRooms:   `SELECT id, name FROM room ORDER BY used, id LIMIT 256`,
		&w.countChunks: `SELECT count(*), coalesce(sum(n), 0) FROM chunk WHERE room = ?`,
		&w.dropChunks:  `DELETE FROM chunk WHERE room = ?`,
		&w.dropRoom:    `DELETE FROM room WHERE id = ?`,
		&w.pageCount:   `PRAGMA page_count`,
		&w.freePages:   `PRAGMA freelist_count`,
	})
	if err != nil {
		return err
	}
	var merged int64
	for query, to := range map[string]*int64{
		`SELECT coalesce(max(seq), 0) FROM chunk`: &w.seq,
		`SELECT messages FROM total`:              &w.messages,
		`SELECT merged FROM total`:                &merged,
		`PRAGMA page_size`:                        &w.pageBytes,
	} {
		if err := w.conn.QueryRowContext(ctx, query).Scan(to); err != nil {
			return err
		}
	}
	w.merged = uint64(merged)
	return w.measure(ctx)
}

func (w *writer) close() error {
	errs := []error{w.statements.close()}
	if w.conn != nil {
		errs = append(errs, w.conn.Close())
	}
	if w.db != nil {
		errs = append(errs, w.db.Close())
	}
	return errors.Join(errs...)
}

// transaction runs do in one transaction. Where it returns an error, nothing has changed on disk.
func (w *writer) transaction(ctx context.Context, do func() error) error {
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	seq, messages, merged := w.seq, w.messages, w.merged
	err := do()
	if err == nil {
		if _, err = w.updateTotal.ExecContext(ctx, w.messages, int64(w.merged)); err == nil {
			_, err = w.commit.ExecContext(ctx)
		}
	}
	if err != nil {
		w.seq, w.messages, w.merged = seq, messages, merged
		// SQLite has ended the transaction itself after some errors, and then has nothing to roll back.
		_, _ = w.rollback.ExecContext(ctx)
	}
	return err
}

// write adds the messages of a room whose place is known, and prunes the room where it has grown too large.
func (w *writer) write(ctx context.Context, b *batch) error {
	if b.at.id == 0 {
		result, err := w.insertRoom.ExecContext(ctx, b.r.Name, w.seq)
		if err != nil {
			return err
		}
		if b.at.id, err = result.LastInsertId(); err != nil {
			return err
		}
		b.at.low, b.at.before = b.start, b.at.bytes
		b.at.used = time.Now()
	}
	// Positions that were given up leave a gap on disk.
	b.at.next = b.start
	for rest := b.entries; len(rest) > 0; {
		n := w.cut(rest)
		w.body = appendChunk(w.body[:0], n, func(i int) *recent.Entry { return &rest[i] })
		rest = rest[n:]
		b.at.next += uint64(n)
		b.at.bytes += int64(len(w.body))
		w.seq++
		w.messages += int64(n)
		last := int64(b.at.next) - 1
		if _, err := w.insertChunk.ExecContext(ctx, w.seq, b.at.id, last, n, b.at.bytes, w.body); err != nil {
			return err
		}
	}
	if cap(w.body) > 16*maxChunkBytes { // one long message does not keep its buffer
		w.body = nil
	}
	if now := time.Now(); now.Sub(b.at.used) >= w.usedInterval {
		if _, err := w.updateUsed.ExecContext(ctx, w.seq, b.at.id); err != nil {
			return err
		}
		b.at.used = now
	}
	if b.at.next-b.at.low > uint64(w.limits.RoomMessages+w.limits.RoomMessages/8) ||
		b.at.bytes-b.at.before > w.limits.RoomBytes+w.limits.RoomBytes/8 {
		return w.trim(ctx, &b.at)
	}
	return nil
}

// cut returns how many of the entries make the next chunk.
func (w *writer) cut(entries []recent.Entry) int {
	size := 0
	for i := range entries {
		size += len(entries[i].JSON)
		if i+1 == w.chunkMessages || size >= w.chunkBytes {
			return i + 1
		}
	}
	return len(entries)
}

// overBounds reports whether there is more on disk than there may be in all.
func (w *writer) overBounds() bool {
	return w.messages > int64(w.limits.Messages) || w.usedBytes > w.limits.Bytes || w.fileBytes > w.limits.Bytes
}

// measure asks how large the file is.
func (w *writer) measure(ctx context.Context) error {
	var pages, free int64
	if err := w.pageCount.QueryRowContext(ctx).Scan(&pages); err != nil {
		return err
	}
	if err := w.freePages.QueryRowContext(ctx).Scan(&free); err != nil {
		return err
	}
	w.fileBytes, w.usedBytes = pages*w.pageBytes, (pages-free)*w.pageBytes
	return nil
}
