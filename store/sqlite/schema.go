package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
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
	schemaVersion = 1
)

// schema is schema version 1.
//
// Ids of rooms are never used again (AUTOINCREMENT): a reader that looked an id up before the room went must not find
// another room's messages under it. used is the number of a chunk that was written when the room was last noted as
// used. In chunk, last is the position of the chunk's last message in the room, and bytes adds up the length of all
// bodies the room ever had, up to and with this one; so what a room takes is the difference of two rows. total.messages adds up
// chunk.n, and total.merged is the number of the last record of the tail whose messages are here.
const schema = `
CREATE TABLE room (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL UNIQUE,
	used INTEGER NOT NULL
);
CREATE INDEX room_used ON room (used);
CREATE TABLE chunk (
	seq   INTEGER PRIMARY KEY,
	room  INTEGER NOT NULL,
	last  INTEGER NOT NULL,
	n     INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	body  BLOB NOT NULL
);
CREATE UNIQUE INDEX chunk_room ON chunk (room, last);
CREATE TABLE total (
	messages INTEGER NOT NULL,
	merged   INTEGER NOT NULL
);
INSERT INTO total VALUES (0, 0);
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
func prepareFile(ctx context.Context, conn *sql.Conn) error {
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
	if !fresh {
		return nil
	}
	// One transaction: a crash in the middle leaves an empty file behind.
	_, err = conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		schema, applicationID, schemaVersion))
	return err
}

// classify gives SQLite's own words for a file that is not a database the error that callers can ask for.
func classify(err error) error {
	var e *driver.Error
	if errors.As(err, &e) && e.Code() == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%w: %w", ErrNotDatabase, err)
	}
	return err
}
