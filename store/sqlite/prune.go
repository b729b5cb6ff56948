package sqlite

import (
	"context"
	"errors"
	"fmt"
)

const (
	// pruneMessages is about how many messages one transaction deletes, so that others do not wait long behind it.
	pruneMessages = 65_536
	// vacuumPages is how many unused pages are given back to the file system at a time.
	vacuumPages = 1024
)

// overBounds reports whether there is more on disk than there may be in all.
func (w *writer) overBounds() bool {
	return w.messages > int64(w.limits.Messages) || w.usedBytes > w.limits.Bytes || w.fileBytes > w.limits.Bytes
}

// prune deletes rooms where there is too much on disk in all, and makes the file smaller where it may be. It reports
// whether it wants to be called again.
func (w *writer) prune(ctx context.Context) (more bool, err error) {
	if err := w.measure(ctx); err != nil {
		return false, err
	}
	if !w.overBounds() {
		return false, nil
	}
	err = w.transaction(ctx, func() (err error) {
		more, err = w.dropRooms(ctx)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("prune rooms: %w", err)
	}
	if err := w.measure(ctx); err != nil || more {
		return more, err
	}
	if more, err = w.vacuum(ctx); err != nil {
		return false, fmt.Errorf("vacuum: %w", err)
	}
	return more, nil
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

// dropRooms deletes rooms while there is too much on disk, the ones that waited longest for a message first, until an
// eighth of the bound is free or one room is left. It reports whether it stopped early and wants to be called again. It
// must run in a transaction.
func (w *writer) dropRooms(ctx context.Context) (more bool, err error) {
	candidates, err := w.candidates(ctx)
	if err != nil {
		return false, err
	}
	deleted := int64(0)
	for i, room := range candidates {
		if err := w.measure(ctx); err != nil {
			return false, err
		}
		enough := w.messages <= int64(w.limits.Messages-w.limits.Messages/8) && w.usedBytes <= w.limits.Bytes-w.limits.Bytes/8
		if newest := i == len(candidates)-1; enough || newest && i == 0 {
			return false, nil
		} else if newest || deleted >= pruneMessages {
			return true, nil
		}
		if _, err := w.dropMessages.ExecContext(ctx, room.id); err != nil {
			return false, err
		}
		if _, err := w.dropRoom.ExecContext(ctx, room.id); err != nil {
			return false, err
		}
		w.messages -= room.messages
		deleted += room.messages
		w.dropped++
	}
	return false, nil
}

// candidate is a room that may be deleted.
type candidate struct{ id, messages int64 }

// candidates returns the rooms that are the first to go. The last of them stays: it may be the only one.
func (w *writer) candidates(ctx context.Context) (rooms []candidate, err error) {
	rows, err := w.idleRooms.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var room candidate
		if err := rows.Scan(&room.id, &room.messages); err != nil {
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
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, err
	}
	was := w.fileBytes
	if err := w.measure(ctx); err != nil {
		return false, err
	}
	return w.fileBytes < was && w.fileBytes > w.limits.Bytes, nil
}
