package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"signalbox/internal/backoff"
)

// NoticesOptions say where notices are kept.
type NoticesOptions struct {
	// Path is the database. It is made where it is missing; its folder is not. It is another file than a history's.
	Path string
	Log  *slog.Logger
}

// KeptNotice is what is to be told when nobody took it back: by this process, or by the next one that opens the file.
type KeptNotice struct {
	ID, Socket string
	Since      time.Time
	Body       []byte
}

// Notices keeps notices in a file. One goroutine writes what has gathered in one transaction. Make it with [OpenNotices].
type Notices struct {
	// Static after construction.
	log  *slog.Logger
	lock *os.File
	db   *sql.DB
	done chan struct{} // closed when the writer has ended
	wake chan struct{} // holds one: there is something to write, or Close was called

	mu sync.Mutex
	// mu guards the following.
	changes []change
	closed  bool
	err     error // of the last transaction
}

// change is one thing to write: a notice, or that one is forgotten.
type change struct {
	notice KeptNotice
	forget bool
	done   func(error) // nil: nobody waits
}

const noticesVersion = 1

const noticesSchema = `
CREATE TABLE IF NOT EXISTS notice (
	seq    INTEGER PRIMARY KEY AUTOINCREMENT,
	id     TEXT NOT NULL UNIQUE,
	socket TEXT NOT NULL,
	milli  INTEGER NOT NULL,
	body   BLOB NOT NULL
);`

// noticesID marks the file as one of notices ("SgBn"); see PRAGMA application_id.
const noticesID = 0x5367426e

// OpenNotices opens a file, for this process alone, and returns what the process before has left in it, the oldest first.
func OpenNotices(ctx context.Context, o NoticesOptions) (_ *Notices, kept []KeptNotice, err error) {
	n := &Notices{log: o.Log, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if err := checkFile(o.Path); err != nil {
		return nil, nil, err
	}
	if n.lock, err = openLocked(o.Path + "-lock"); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			if n.db != nil {
				err = errors.Join(err, n.db.Close())
			}
			err = errors.Join(err, n.lock.Close())
		}
	}()
	if n.db, err = sql.Open("sqlite", source(o.Path, "journal_mode(wal)", "synchronous(normal)")); err != nil {
		return nil, nil, err
	}
	n.db.SetMaxOpenConns(1)
	if err = n.prepare(ctx); err != nil {
		return nil, nil, err
	}
	if kept, err = n.read(ctx); err != nil {
		return nil, nil, err
	}
	go n.write() // awaited by Close
	return n, kept, nil
}

// prepare makes the table in a file that is new, and refuses one that is somebody else's.
func (n *Notices) prepare(ctx context.Context) error {
	var application, version, tables int64
	row := n.db.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&application, &version, &tables); err != nil {
		return classify(err)
	}
	switch {
	case application == 0 && tables == 0:
	case application != noticesID:
		return ErrForeign
	case version > noticesVersion:
		return ErrNewerSchema
	}
	_, err := n.db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; %s", noticesID, noticesVersion, noticesSchema))
	return classify(err)
}

func (n *Notices) read(ctx context.Context) (kept []KeptNotice, err error) {
	rows, err := n.db.QueryContext(ctx, "SELECT id, socket, milli, body FROM notice ORDER BY seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k KeptNotice
		var milli int64
		if err := rows.Scan(&k.ID, &k.Socket, &milli, &k.Body); err != nil {
			return nil, err
		}
		k.Since = time.UnixMilli(milli)
		kept = append(kept, k)
	}
	return kept, rows.Err()
}

// Put keeps a notice, in place of an older one with its id. done is called when it would outlive this process; nil: nobody waits.
func (n *Notices) Put(k KeptNotice, done func(error)) { n.add(change{notice: k, done: done}) }

// Delete forgets notices.
func (n *Notices) Delete(ids ...string) {
	for _, id := range ids {
		n.add(change{notice: KeptNotice{ID: id}, forget: true})
	}
}

func (n *Notices) add(c change) {
	n.mu.Lock()
	closed := n.closed
	if !closed {
		n.changes = append(n.changes, c)
	}
	n.mu.Unlock()
	if closed {
		if c.done != nil {
			c.done(os.ErrClosed)
		}
		return
	}
	n.nudge()
}

func (n *Notices) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// write writes what has gathered, until Close was called and everything is written.
func (n *Notices) write() {
	defer close(n.done)
	pause := backoff.Pause{Least: 100 * time.Millisecond, Most: 5 * time.Second}
	for {
		n.mu.Lock()
		changes, closed := n.changes, n.closed
		n.changes = nil
		n.mu.Unlock()
		if len(changes) == 0 {
			if closed {
				return
			}
			<-n.wake
			continue
		}
		err := n.transact(changes)
		for _, c := range changes {
			if c.done != nil {
				c.done(err)
			}
		}
		n.report(err)
		if err == nil {
			pause.Reset()
			continue
		}
		if closed {
			return
		}
		n.again(changes)
		time.Sleep(pause.Next())
	}
}

// again queues what could not be written, but for what somebody waited for and knows of.
func (n *Notices) again(changes []change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rest []change
	for _, c := range changes {
		if c.done == nil {
			rest = append(rest, c)
		}
	}
	n.changes = append(rest, n.changes...)
}

func (n *Notices) transact(changes []change) error {
	tx, err := n.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	for _, c := range changes {
		k := c.notice
		if c.forget {
			_, err = tx.Exec("DELETE FROM notice WHERE id = ?", k.ID)
		} else {
			_, err = tx.Exec("INSERT OR REPLACE INTO notice (id, socket, milli, body) VALUES (?, ?, ?, ?)", k.ID, k.Socket, k.Since.UnixMilli(), k.Body)
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// report logs when writing begins to fail, and when it works again.
func (n *Notices) report(err error) {
	n.mu.Lock()
	before := n.err
	n.err = err
	n.mu.Unlock()
	switch {
	case err != nil && before == nil:
		n.log.Error("notices cannot be written: clients wait", "error", err)
	case err == nil && before != nil:
		n.log.Info("notices are written again")
	}
}

// Close returns when everything is written.
func (n *Notices) Close() error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.nudge()
	<-n.done
	n.mu.Lock()
	err := n.err
	n.mu.Unlock()
	return errors.Join(err, n.db.Close(), n.lock.Close())
}
