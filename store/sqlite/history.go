package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"signalbox/store"
	"signalbox/store/internal/recent"
)

// room is a room in memory: its newest messages, and where it stands on disk.
type room = recent.Room[state]

// state is what is known of a room beside its messages.
type state struct {
	place
	// loaded: the memory holds as much of the room as it may, or as there is.
	loaded bool
	// loading is closed when the one reader that loads the room is done; nil: nobody does.
	loading chan struct{}
	// inFlight counts the pinned messages that are being written, gaveUp those that were let go meanwhile. What is let
	// go first is what is being written, so it is lost only if there is more of it or the write fails.
	inFlight, gaveUp int
}

// place is where a room stands on disk.
type place struct {
	// known: the other fields are set, and the positions of the room in memory are the positions on disk. Until
	// somebody has asked the disk, they count from 0.
	known bool
	id    int64  // row of the room; 0: it has none
	low   uint64 // position of the oldest message on disk; next where there is none
	next  uint64 // position behind the newest message on disk
	// before and bytes are the sums of the bodies the room ever had: before the oldest chunk that is left, and in all.
	before, bytes int64
	used          time.Time // when the room was last noted as used
}

// History is a [store.History] in an SQLite file. Use [Open].
type History struct {
	// Static after construction.
	options Options
	read    *sql.DB
	reads   lookups
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when the writer has ended
	wake    chan struct{} // something waits to be written
	full    chan struct{} // a batch is full

	// Owned by the goroutine of run.
	writer writer
	tail   *tail

	mu sync.Mutex
	// mu guards the following.
	rooms      *recent.Rooms[state]
	fresh      []waiting // messages that are not in the tail yet, unless merge is set
	freshBytes int64
	merge      bool   // the next write merges, so nothing needs to go to the tail before
	armed      bool   // the writer knows that something waits
	unwritten  int    // messages that a crash would lose
	generation uint64 // counts deletions of whole rooms on disk
	closed     bool
	closing    context.Context // bounds the last write; set with closed
	closeErr   error           // set before done is closed
	stats      store.HistoryStats
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
	options.Log.Info("history is on disk: a crash of the process loses what was said in about the last flush interval, a power cut at most what came since the last merge",
		slog.String("file", options.Path), slog.Duration("flush_interval", options.FlushInterval), slog.Duration("merge_interval", options.mergeInterval),
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
		rooms:   recent.New[state](recent.Limits(options.Cache)),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.closeFiles())
		}
	}()
	// The lock comes first: looking into a database that this process has open already would end SQLite's own locks.
	if h.tail, err = openTail(path); err != nil {
		return nil, err
	}
	if err = checkFile(path); err != nil {
		return nil, err
	}
	ctx := context.Background() // opening is not interrupted: it waits for nobody but, at most 5 s, a lock
	if err = h.writer.open(ctx, path, options); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if h.read, err = sql.Open("sqlite", source(path, "query_only(1)", "cache_size(-1024)")); err != nil {
		return nil, err
	}
	h.read.SetMaxOpenConns(maxReaders)
	h.read.SetMaxIdleConns(maxReaders)
	if err = h.reads.prepare(ctx, h.read); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	err = h.tail.replay(h.writer.merged, func(m waiting) {
		h.pinLocked(m.room, m.entry)
	})
	if err != nil {
		return nil, fmt.Errorf("read tail: %w", err)
	}
	if h.tail.cut > 0 {
		options.Log.Warn("history was cut off in the middle of a write", slog.Int64("bytes", h.tail.cut))
	}
	h.noteDiskLocked()
	if h.tail.messages > 0 || h.writer.overBounds() { // the bounds may have been lowered
		h.merge, h.armed = true, true
		notify(h.wake)
	}
	return h, nil
}

// Append implements [store.History].
func (h *History) Append(name string, m store.Message) error {
	e := recent.Entry{ID: m.ID, JSON: m.JSON, Milli: m.Time.UnixMilli()}
	if e.Bytes() > h.options.Limits.RoomBytes {
		return store.ErrMessageTooLarge
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return store.ErrHistoryClosed
	}
	r := h.pinLocked(name, e)
	h.unwritten++
	if n, bytes := h.rooms.Pinned(); n > h.options.PendingMessages || bytes > h.options.PendingBytes {
		h.giveUpLocked()
	}
	if !h.merge {
		h.fresh = append(h.fresh, waiting{r.Name, e})
		h.freshBytes += e.Bytes()
		if len(h.fresh) >= batchMessages || h.freshBytes >= batchBytes {
			notify(h.full)
		}
		if len(h.fresh) >= 2*batchMessages || h.freshBytes >= 2*batchBytes {
			h.mergeLocked() // the writer does not keep up
		}
	}
	if !h.armed {
		h.armed = true
		notify(h.wake)
	}
	return nil
}

// pinLocked adds a message that is not in the database.
func (h *History) pinLocked(name string, e recent.Entry) *room {
	r := h.rooms.Ensure(name)
	h.rooms.Append(r, e, true)
	if bound := h.options.Limits.RoomMessages; r.Pinned() > bound { // the oldest would be pruned as soon as it is merged
		h.rooms.Unpin(r, r.Next()-uint64(bound))
	}
	return r
}

// mergeLocked makes the next write a merge. It writes everything that is pinned, so nothing is fresh.
func (h *History) mergeLocked() {
	h.merge = true
	h.dropFreshLocked()
}

func (h *History) dropFreshLocked() {
	clear(h.fresh)
	h.fresh, h.freshBytes = h.fresh[:0], 0
}

// noteDiskLocked brings the counts of what is on disk up to date.
func (h *History) noteDiskLocked() {
	h.stats.DiskMessages = h.writer.messages + int64(h.tail.messages)
	h.stats.DiskBytes = h.writer.usedBytes + h.tail.end
}

// giveUpLocked lets go of the messages that have waited longest, until what waits is within its bounds.
func (h *History) giveUpLocked() {
	for {
		n, bytes := h.rooms.Pinned()
		if n <= h.options.PendingMessages && bytes <= h.options.PendingBytes {
			return
		}
		r := h.rooms.OldestDirty()
		k := max(1, r.Pinned()/8)
		if r.Data.inFlight > 0 {
			r.Data.gaveUp += k
		} else {
			h.lostLocked(k)
		}
		h.rooms.Unpin(r, r.Next()-uint64(r.Pinned())+uint64(k))
	}
}

// lostLocked counts messages that will never be written.
func (h *History) lostLocked(n int) {
	h.stats.Lost += uint64(n)
	h.unwritten = max(0, h.unwritten-n)
}

// Stats implements [store.History].
func (h *History) Stats() store.HistoryStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Rooms, s.Messages, s.Bytes = h.rooms.Len(), h.rooms.Messages(), h.rooms.Bytes()
	s.Evicted = h.rooms.Evicted()
	s.Pending = h.unwritten
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
	var errs []error
	if h.read != nil {
		errs = append(errs, h.reads.close(), h.read.Close())
	}
	errs = append(errs, h.writer.close())
	if h.tail != nil { // last: it holds the lock
		errs = append(errs, h.tail.close())
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
