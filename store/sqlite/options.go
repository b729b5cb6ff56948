package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signalbox/store"
)

const (
	defaultFlushInterval   = 250 * time.Millisecond
	defaultPendingMessages = 65_536
	defaultPendingBytes    = 32 << 20

	// A transaction is begun before its time when this much is waiting, and takes no more.
	batchMessages = 4096
	batchBytes    = 4 << 20

	// minBytes is what the whole must at least be allowed: an empty file and its indexes take some of it.
	minBytes = 256 << 10
)

// Options say where a history is and what it may take. The zero value of every field but Path and Log stands for its
// default.
type Options struct {
	// Path is the database. It is made where it is missing; its folder is not. Beside it are, under its name with an
	// ending, the lock (-lock) and SQLite's own log (-wal, -shm).
	Path string
	// Limits bound what is on disk. Bytes bounds the database; SQLite's log takes some more.
	// Defaults: 1,000 messages and 4 MiB a room, 5,000,000 messages and 1 GiB in all. Bytes is 256 KiB at least.
	Limits store.HistoryLimits
	// FlushInterval is how long a message waits at most before it is written: what a crash costs. Default: 250 ms.
	FlushInterval time.Duration
	// PendingMessages and PendingBytes bound what waits in memory while the disk fails, or is slow. Defaults: 65,536
	// messages, 32 MiB.
	PendingMessages int
	PendingBytes    int64
	// Log gets a line at the start, when writing begins to fail, and when it works again.
	Log *slog.Logger
}

// DefaultLimits returns the limits of a history on disk.
func DefaultLimits() store.HistoryLimits {
	return store.HistoryLimits{RoomMessages: 1000, RoomBytes: 4 << 20, Messages: 5_000_000, Bytes: 1 << 30}
}

// resolve returns the options with every default in its place, or an error naming every field that is wrong.
func (o Options) resolve() (Options, error) {
	var errs []error
	var err error
	if o.Path == "" {
		errs = append(errs, errors.New("no path"))
	}
	if o.Limits, err = o.Limits.Resolve(DefaultLimits()); err != nil {
		errs = append(errs, err)
	} else if o.Limits.Bytes < minBytes {
		errs = append(errs, fmt.Errorf("history limits: Bytes is %d, must be at least %d", o.Limits.Bytes, minBytes))
	}
	if o.FlushInterval == 0 {
		o.FlushInterval = defaultFlushInterval
	}
	if o.PendingMessages == 0 {
		o.PendingMessages = defaultPendingMessages
	}
	if o.PendingBytes == 0 {
		o.PendingBytes = defaultPendingBytes
	}
	if o.FlushInterval < 0 || o.PendingMessages < 0 || o.PendingBytes < 0 {
		errs = append(errs, errors.New("FlushInterval, PendingMessages and PendingBytes must not be negative"))
	}
	return o, errors.Join(errs...)
}
