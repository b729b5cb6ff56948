package sqlite

import (
	"context"
	"fmt"
)

const (
	// pruneChunks is about how many chunks one transaction deletes, so that messages do not wait long behind it.
	pruneChunks = 4096
	// vacuumPages is how many unused pages are given back to the file system at a time.
	vacuumPages = 1024
)

// trim deletes the oldest chunks of a room that is over its bounds.
func (w *writer) trim(ctx context.Context, at *place) error {
	rows, err := w.roomSizes.QueryContext(ctx, at.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	keep := int64(at.next) - int64(w.limits.RoomMessages) // the oldest position that may stay
	removed, low, before := int64(0), at.low, at.before
	for rows.Next() {
		var last, n, bytes int64
		if err := rows.Scan(&last, &n, &bytes); err != nil {
			return err
		}
		newest := last == int64(at.next)-1
		if newest || last >= keep && bytes > at.bytes-w.limits.RoomBytes {
			low = uint64(last - n + 1)
			break
		}
		removed += n
		before = bytes
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if removed == 0 {
		return nil
	}
	if _, err := w.trimRoom.ExecContext(ctx, at.id, int64(low)-1); err != nil {
		return err
	}
	w.messages -= removed
	at.low, at.before = low, before
	return nil
}

// dropped is a room that was deleted from disk.
type dropped struct {
	id   int64
	name string
}

// dropRooms deletes rooms while there is too much on disk, the ones that waited longest for a message first, until an
// eighth of the bound is free or one room is left. It returns the rooms it has deleted, and whether it stopped early
// and wants to be called again. It must run in a transaction.
func (w *writer) dropRooms(ctx context.Context) (gone []dropped, more bool, err error) {
	candidates, err := w.candidates(ctx)
	if err != nil {
		return nil, false, err
	}
	chunks := int64(0)
	for _, room := range candidates {
		if err := w.measure(ctx); err != nil {
			return nil, false, err
		}
		if w.messages <= int64(w.limits.Messages-w.limits.Messages/8) && w.usedBytes <= w.limits.Bytes-w.limits.Bytes/8 {
			return gone, false, nil
		}
		var left int
		if err := w.countRooms.QueryRowContext(ctx).Scan(&left); err != nil {
			return nil, false, err
		}
		if left < 2 {
			return gone, false, nil
		}
		if chunks >= pruneChunks {
			break
		}
		var count, messages int64
		if err := w.countChunks.QueryRowContext(ctx, room.id).Scan(&count, &messages); err != nil {
			return nil, false, err
		}
		if _, err := w.dropChunks.ExecContext(ctx, room.id); err != nil {
			return nil, false, err
		}
		if _, err := w.dropRoom.ExecContext(ctx, room.id); err != nil {
			return nil, false, err
		}
		w.messages -= messages
		chunks += count
		gone = append(gone, room)
	}
	return gone, len(gone) > 0, nil
}

// candidates returns the rooms that are the first to go.
func (w *writer) candidates(ctx context.Context) (rooms []dropped, err error) {
	rows, err := w.idleRooms.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var room dropped
		if err := rows.Scan(&room.id, &room.name); err != nil {
			return nil, err
		}
		rooms = append(rooms, room)
	}
	return rooms, rows.Err()
}

// vacuum gives unused pages back while the file is larger than it may be, and reports whether there is more to give.
// Below that they are kept: the next messages need them.
func (w *writer) vacuum(ctx context.Context) (more bool, err error) {
	if w.fileBytes <= w.limits.Bytes || w.fileBytes == w.usedBytes {
		return false, nil
	}
	over := (w.fileBytes - w.limits.Bytes + w.pageBytes - 1) / w.pageBytes
	// The pragma gives back one page for each step of the statement, so it is stepped to its end.
	rows, err := w.conn.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(over, vacuumPages)))
	if err != nil {
		return false, err
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	if err := rows.Close(); err != nil {
		return false, err
	}
	was := w.fileBytes
	if err := w.measure(ctx); err != nil {
		return false, err
	}
	return w.fileBytes < was && w.fileBytes > w.limits.Bytes, nil
}
