package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"signalbox/store"
)

// History is a [store.History] in an SQLite file. Use [Open].
type History struct {
	// Static after construction.
	options Options
	lock    *os.File
	reads   reader
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended
	wake    chan struct{} // something waits to be written
	full    chan struct{} // a batch is full

	// Owned by the goroutine of run.
	writer writer
	batch  []entry
	failed error // of the last write; nil: it worked
	lost   uint64

	mu sync.Mutex
	// mu guards the following.
	pending  pending
	seq      int64 // of the newest message
	armed    bool  // the writer knows that something waits
	closed   bool
	closing  context.Context // bounds the last write; set with closed
	closeErr error           // set before done is closed
	stats    store.HistoryStats
}

var _ store.History = (*History)(nil)

// Open opens the history in a file and makes the file where there is none. Errors wrap ErrInUse, ErrNotDatabase,
// ErrForeign, ErrNewerSchema, or what the system says about the file.
func Open(options Options) (*History, error) {
	options, err := options.resolve()
	if err != nil {
		return nil, fmt.Errorf("history options: %w", err)
	}
	h, err := open(options)
	if err != nil {
		return nil, fmt.Errorf("history file: %w", err)
	}
	options.Log.Info("history is on disk: a crash loses what was said in about the last flush interval",
		slog.String("file", options.Path), slog.Duration("flush_interval", options.FlushInterval),
		slog.Int64("messages", h.stats.DiskMessages))
	go h.run() // awaited by Close
	return h, nil
}

// open does all of Open but start the goroutine that writes.
func open(options Options) (_ *History, err error) {
	path, err := filepath.Abs(options.Path)
	if err != nil {
		return nil, err
	}
	h := &History{
		options: options,
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		pending: newPending(),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closeFiles())
		}
	}()
	// The lock comes first: looking into a database that this process has open already would end SQLite's own locks.
	if h.lock, err = openLocked(path + "-lock"); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err = checkFile(path); err != nil {
		return nil, err
	}
	ctx := context.Background() // opening is not interrupted: it waits for nobody but, at most 5 s, a lock
	if err = h.writer.open(ctx, path, options); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err = h.reads.open(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	h.seq = h.writer.seq
	h.noteDiskLocked()
	if h.writer.overBounds() { // the bounds may have been lowered
		h.armed = true
		notify(h.wake)
	}
	return h, nil
}

// Append implements [store.History].
func (h *History) Append(name string, m store.Message) error {
	if messageBytes(m) > h.options.Limits.RoomBytes {
		return store.ErrMessageTooLarge
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return store.ErrHistoryClosed
	}
	if _, waits := h.pending.rooms[name]; !waits {
		name = strings.Clone(name) // a name may be a piece of a large message
	}
	h.seq++
	m.Time = time.UnixMilli(m.Time.UnixMilli()).UTC()
	h.pending.add(entry{room: name, seq: h.seq, Message: m})
	for len(h.pending.queue) > h.options.PendingMessages || h.pending.bytes > h.options.PendingBytes {
		if !h.pending.giveUp() {
			break
		}
		h.stats.Lost++
	}
	if len(h.pending.queue) >= batchMessages || h.pending.bytes >= batchBytes {
		notify(h.full)
	}
	if !h.armed {
		h.armed = true
		notify(h.wake)
	}
	return nil
}

// noteDiskLocked brings the counts of what is on disk up to date.
func (h *History) noteDiskLocked() {
	h.stats.DiskMessages, h.stats.DiskBytes = h.writer.messages, h.writer.usedBytes
	h.stats.Evicted = h.writer.dropped
}

// Stats implements [store.History].
func (h *History) Stats() store.HistoryStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Rooms, s.Messages, s.Bytes = len(h.pending.rooms), len(h.pending.queue), h.pending.bytes
	s.Pending = len(h.pending.queue)
	return s
}

// Close implements [store.History]. Where the last write fails, it is tried again until ctx ends.
func (h *History) Close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed, h.closing = true, ctx
		close(h.quit)
	}
	h.mu.Unlock()
	select {
	case <-h.done:
	default:
		select {
		case <-h.done:
		case <-ctx.Done():
			return fmt.Errorf("close history: %w", ctx.Err())
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closeErr
}

// closeFiles closes what open has opened.
func (h *History) closeFiles() error {
	errs := []error{h.reads.close(), h.writer.close()}
	if h.lock != nil { // last: nobody else may open the files before
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

// notify puts a token into a channel of length one, unless one is there.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// statements are prepared statements. Those of a [sql.Conn] must be closed before it: SQLite does not end a connection
// that has any, and only the end of the last connection puts the log into the database.
type statements []*sql.Stmt

// preparer is a [sql.DB] or a [sql.Conn].
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

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
