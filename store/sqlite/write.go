package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"signalbox/store"
)

// insertRows is how many rows one statement inserts where there are as many: it costs less than one by one.
const insertRows = 16

// writer is the one connection that writes. It knows what is on disk and nothing of what waits.
type writer struct {
	// Static after open.
	limits store.HistoryLimits

	db   *sql.DB
	conn *sql.Conn
	statements
	begin, commit, rollback *sql.Stmt
	noteRoom, setRoom       *sql.Stmt
	insertOne, insertMany   *sql.Stmt
	oldest, trimRoom        *sql.Stmt
	idleRooms               *sql.Stmt
	dropMessages, dropRoom  *sql.Stmt
	pageCount, freePages    *sql.Stmt

	rooms map[string][]entry // of the batch that is being written
	names []string           // of rooms, in the order of their first message
	args  []any

	seq       int64 // of the newest message on disk
	messages  int64 // on disk
	dropped   uint64
	pageBytes int64
	usedBytes int64 // of the file, as of the last measure
	fileBytes int64 // the unused pages included
}

func (w *writer) open(ctx context.Context, path string, options Options) (err error) {
	w.limits = options.Limits
	w.rooms = map[string][]entry{}
	if w.db, err = sql.Open("sqlite", source(path, "synchronous(FULL)", "journal_size_limit(8388608)")); err != nil {
		return err
	}
	if w.conn, err = w.db.Conn(ctx); err != nil {
		return classify(err)
	}
	if err = prepareFile(ctx, w.conn, path, options.Log); err != nil {
		return err
	}
	err = w.statements.prepare(ctx, w.conn, map[**sql.Stmt]string{
		&w.begin:    `BEGIN IMMEDIATE`,
		&w.commit:   `COMMIT`,
		&w.rollback: `ROLLBACK`,
		&w.noteRoom: `INSERT INTO room (name, last, messages, bytes) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
			last = excluded.last, messages = messages + excluded.messages, bytes = bytes + excluded.bytes
			RETURNING id, messages, bytes`,
		&w.setRoom:      `UPDATE room SET messages = ?, bytes = ? WHERE id = ?`,
		&w.insertOne:    insertMessages(1),
		&w.insertMany:   insertMessages(insertRows),
		&w.oldest:       `SELECT seq, length(id) + length(json) FROM message WHERE room = ? ORDER BY seq`,
		&w.trimRoom:     `DELETE FROM message WHERE room = ? AND seq <= ?`,
		&w.idleRooms:    `SELECT id, messages FROM room ORDER BY last LIMIT 256`,
		&w.dropMessages: `DELETE FROM message WHERE room = ?`,
		&w.dropRoom:     `DELETE FROM room WHERE id = ?`,
		&w.pageCount:    `PRAGMA page_count`,
		&w.freePages:    `PRAGMA freelist_count`,
	})
	if err != nil {
		return err
	}
	const sums = `SELECT coalesce(max(last), 0), coalesce(sum(messages), 0) FROM room`
	if err = w.conn.QueryRowContext(ctx, sums).Scan(&w.seq, &w.messages); err != nil {
		return err
	}
	if err = w.conn.QueryRowContext(ctx, `PRAGMA page_size`).Scan(&w.pageBytes); err != nil {
		return err
	}
	return w.measure(ctx)
}

func insertMessages(n int) string {
	return `INSERT INTO message (room, seq, milli, id, json) VALUES (?,?,?,?,?)` + strings.Repeat(`,(?,?,?,?,?)`, n-1)
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
	seq, messages, dropped := w.seq, w.messages, w.dropped
	err := do()
	if err == nil {
		_, err = w.commit.ExecContext(ctx)
	}
	if err != nil {
		w.seq, w.messages, w.dropped = seq, messages, dropped
		// SQLite has ended the transaction itself after some errors, and then has nothing to roll back.
		_, _ = w.rollback.ExecContext(ctx)
	}
	return err
}

// write adds a batch of messages in one transaction, and prunes the rooms that grew too large.
func (w *writer) write(ctx context.Context, batch []entry) error {
	if len(batch) == 0 {
		return nil
	}
	defer func() {
		clear(w.rooms)
		clear(w.names)
		clear(w.args)
		w.names, w.args = w.names[:0], w.args[:0]
	}()
	for _, e := range batch {
		room, known := w.rooms[e.room]
		if !known {
			w.names = append(w.names, e.room)
		}
		w.rooms[e.room] = append(room, e)
	}
	return w.transaction(ctx, func() error {
		for _, name := range w.names {
			if err := w.writeRoom(ctx, name, w.rooms[name]); err != nil {
				return fmt.Errorf("write messages: %w", err)
			}
		}
		w.seq = batch[len(batch)-1].seq
		return nil
	})
}

// writeRoom adds messages of one room. Of more than the room may have, the rest is not written at all.
func (w *writer) writeRoom(ctx context.Context, name string, entries []entry) error {
	if over := len(entries) - w.limits.RoomMessages; over > 0 {
		entries = entries[over:]
	}
	added := int64(0)
	for i := range entries {
		added += entries[i].bytes()
	}
	var id, messages, bytes int64
	last := entries[len(entries)-1].seq
	if err := w.noteRoom.QueryRowContext(ctx, blob(name), last, len(entries), added).Scan(&id, &messages, &bytes); err != nil {
		return err
	}
	for len(entries) > 0 {
		n, insert := 1, w.insertOne
		if len(entries) >= insertRows {
			n, insert = insertRows, w.insertMany
		}
		w.args = w.args[:0]
		for _, e := range entries[:n] {
			w.args = append(w.args, id, e.seq, e.Time.UnixMilli(), blob(e.ID), blob(e.JSON))
		}
		if _, err := insert.ExecContext(ctx, w.args...); err != nil {
			return err
		}
		entries = entries[n:]
		w.messages += int64(n)
	}
	// Rooms are pruned an eighth late, so that one deletion serves many messages. Readers do not see it.
	if messages > int64(w.limits.RoomMessages+w.limits.RoomMessages/8) || bytes > w.limits.RoomBytes+w.limits.RoomBytes/8 {
		return w.trim(ctx, id, messages, bytes)
	}
	return nil
}

// blob returns a text as SQLite keeps it byte for byte, whatever is in it.
func blob(text string) []byte { return append([]byte{}, text...) }

// trim deletes the oldest messages of a room, which has so many messages and bytes, until it is within its bounds.
func (w *writer) trim(ctx context.Context, room, messages, bytes int64) error {
	rows, err := w.oldest.QueryContext(ctx, room)
	if err != nil {
		return err
	}
	defer rows.Close()
	end, had := int64(0), messages
	for (messages > int64(w.limits.RoomMessages) || bytes > w.limits.RoomBytes) && rows.Next() {
		var size int64
		if err := rows.Scan(&end, &size); err != nil {
			return err
		}
		messages--
		bytes -= size + entryBytes
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if _, err := w.trimRoom.ExecContext(ctx, room, end); err != nil {
		return err
	}
	w.messages -= had - messages
	_, err = w.setRoom.ExecContext(ctx, messages, bytes, room)
	return err
}
