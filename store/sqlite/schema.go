package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors of [Open].
var (
	// ErrInUse is returned for a history that another process has open.
	ErrInUse = errors.New("another process uses this history")
	// ErrNotDatabase is returned for a file that is not an SQLite database.
	ErrNotDatabase = errors.New("not an SQLite database")
	// ErrForeign is returned for an SQLite database of another program. It is left alone.
	ErrForeign = errors.New("an SQLite database of another program")
	// ErrNewerSchema is returned for a history that a newer release has written to. It is left alone.
	ErrNewerSchema = errors.New("history was written by a newer release")
)

const (
	// filePermissions keep what people wrote from other users of the machine.
	filePermissions = 0o600

	// applicationID marks the file as ours ("SgBx"); see PRAGMA application_id.
	applicationID = 0x53674278
	// schemaVersion is PRAGMA user_version of a file that this release writes.
	schemaVersion = 2
)

// schema is schema version 2. Version 1 had chunks of many messages, and a file beside the database; see migrate.
//
// In room, last is the number of the room's newest message, by which rooms go, and messages and bytes add up what it has.
// Names, ids and JSON are kept as blobs: byte for byte, whatever is in them.
const schema = `
CREATE TABLE room (
	id       INTEGER PRIMARY KEY,
	name     BLOB NOT NULL UNIQUE,
	last     INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	bytes    INTEGER NOT NULL
);
CREATE INDEX room_last ON room (last);
CREATE TABLE message (
	room  INTEGER NOT NULL,
	seq   INTEGER NOT NULL,
	milli INTEGER NOT NULL,
	id    BLOB NOT NULL,
	json  BLOB NOT NULL,
	PRIMARY KEY (room, seq)
) WITHOUT ROWID;
`

// checkFile checks that the file at path can be written and is or may become a database, and makes it where it is
// missing.
func checkFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, filePermissions)
	if err != nil {
		return err
	}
	magic := []byte("SQLite format 3\x00")
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err == nil && n > 0 && !bytes.Equal(head, magic) {
		err = fmt.Errorf("%s: %w", path, ErrNotDatabase)
	}
	return errors.Join(err, f.Close())
}

// source returns the data source name for a path: a URI, so that no character of the path has a meaning.
func source(path string, pragmas ...string) string {
	query := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// prepareFile brings an open database to the schema of this release.
func prepareFile(ctx context.Context, conn *sql.Conn, path string, log *slog.Logger) error {
	number := func(query string) (n int64, err error) {
		err = conn.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	}
	application, err := number("PRAGMA application_id")
	if err != nil {
		return classify(err)
	}
	version, err := number("PRAGMA user_version")
	if err != nil {
		return classify(err)
	}
	tables, err := number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return classify(err)
	}
	fresh := application == 0 && version == 0 && tables == 0
	switch {
	case !fresh && application != applicationID:
		return ErrForeign
	case version > schemaVersion:
		return fmt.Errorf("%w: schema version %d, this release knows %d", ErrNewerSchema, version, schemaVersion)
	}
	if fresh { // only an empty file can be set to give pages back
		if _, err := conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return classify(err)
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not allow write-ahead logging (journal mode is %s)", mode)
	}
	if !fresh && version == schemaVersion {
		return nil
	}
	// One transaction: a crash in the middle leaves the file as it was.
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if fresh {
		_, err = conn.ExecContext(ctx, schema)
	} else {
		err = migrate(ctx, conn, path, log)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", applicationID, schemaVersion))
	}
	if err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // SQLite has done it itself after some errors
		return err
	}
	if !fresh {
		return removeTail(path)
	}
	return nil
}

// classify gives SQLite's own words for a file that is not a database the error that callers can ask for.
func classify(err error) error {
	var e *driver.Error
	if errors.As(err, &e) && e.Code() == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	}
	return err
}
