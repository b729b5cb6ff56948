package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// lookups are the queries that readers and the writer share.
type lookups struct {
	room   *sql.Stmt // id of a room by its name
	newest *sql.Stmt // where a room ends
	oldest *sql.Stmt // where a room begins
	chunks *sql.Stmt // chunks of a room by the position of their last message, the newest first
}

// preparer is a [sql.DB] or a [sql.Conn].
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func prepareLookups(ctx context.Context, p preparer) (*lookups, error) {
	l := new(lookups)
	return l, prepare(ctx, p, map[**sql.Stmt]string{
		&l.room:   `SELECT id FROM room WHERE name = ?`,
		&l.newest: `SELECT last + 1, bytes FROM chunk WHERE room = ? ORDER BY last DESC LIMIT 1`,
		&l.oldest: `SELECT last + 1 - n, bytes - length(body) FROM chunk WHERE room = ? ORDER BY last LIMIT 1`,
		&l.chunks: `SELECT last, body FROM chunk WHERE room = ? AND last >= ? AND last < ? ORDER BY last DESC`,
	})
}

func prepare(ctx context.Context, p preparer, queries map[**sql.Stmt]string) error {
	for stmt, query := range queries {
		var err error
		if *stmt, err = p.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// place returns where a room stands on disk. It asks several times, so the caller must know that the writer does not
// change the room meanwhile.
func (l *lookups) place(ctx context.Context, name string) (place, error) {
	at := place{known: true}
	err := l.room.QueryRowContext(ctx, name).Scan(&at.id)
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil
	}
	if err != nil {
		return place{}, err
	}
	err = l.newest.QueryRowContext(ctx, at.id).Scan(&at.next, &at.bytes)
	if err == nil {
		err = l.oldest.QueryRowContext(ctx, at.id).Scan(&at.low, &at.before)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return place{}, err
	}
	return at, nil
}
