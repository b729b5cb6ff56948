package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// lookups are the queries that readers and the writer share.
type lookups struct {
	statements
	room   *sql.Stmt // id of a room by its name
	newest *sql.Stmt // where a room ends
	oldest *sql.Stmt // where a room begins
	chunks *sql.Stmt // chunks of a room by the position of their last message, the newest first
}

// prepare readies the queries. The lookups must be closed even where it fails.
func (l *lookups) prepare(ctx context.Context, p preparer) error {
	return l.statements.prepare(ctx, p, map[**sql.Stmt]string{
		&l.room:   `SELECT id FROM room WHERE name = ?`,
		&l.newest: `SELECT last + 1, bytes FROM chunk WHERE room = ? ORDER BY last DESC LIMIT 1`,
		&l.oldest: `SELECT last + 1 - n, bytes - length(body) FROM chunk WHERE room = ? ORDER BY last LIMIT 1`,
		&l.chunks: `SELECT last, body FROM chunk WHERE room = ? AND last >= ? AND last < ? ORDER BY last DESC`,
	})
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

// preparer is a [sql.DB] or a [sql.Conn].
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// statements are prepared statements. Those of a [sql.Conn] must be closed before it: SQLite does not end a connection
// that has any, and only the end of the last connection puts the log into the database.
type statements []*sql.Stmt

func (s *statements) prepare(ctx context.Context, p preparer, queries map[**sql.Stmt]string) error {
	for stmt, query := range queries {
		prepared, err := p.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		*stmt = prepared
		*s = append(*s, prepared)
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range *s {
		errs = append(errs, stmt.Close())
	}
	*s = nil
	return errors.Join(errs...)
}
