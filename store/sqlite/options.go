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
	defaultMergeInterval   = 30 * time.Second

	// A batch is written before its time when this much is waiting.
	batchMessages = 4096
	batchBytes    = 4 << 20

	// The tail is merged before its time when it has this much, or half of what may wait, or an eighth of what may be
	// there in all.
	mergeMessages = 32_768
	mergeBytes    = 16 << 20

	// Reads walk from chunk to chunk, so a chunk is kept short; beyond this, longer ones save nothing when written.
	maxChunkMessages = 128
	maxChunkBytes    = 32 << 10

	// minBytes is what the whole must at least be allowed: an empty file and its indexes take some of it.
	minBytes = 256 << 10

	// defaultUsedInterval is how often a room that is written to is noted as used, on disk, for the order in which rooms go.
	defaultUsedInterval = time.Minute
)

// Options say where a history is and what it may take. The zero value of every field but Path and Log stands for its
// default.
type Options struct {
	// Path is the database. It is made where it is missing; its folder is not. Beside it are, under its name with an
	// ending, the tail (-tail) and SQLite's own log (-wal, -shm).
	Path string
	// Limits bound what is on disk. Bytes bounds the database; the tail and SQLite's log take up to 64 MiB more.
	// Defaults: 1,000 messages and 4 MiB a room, 5,000,000 messages and 1 GiB in all. Bytes is 256 KiB at least.
	Limits store.HistoryLimits
	// Cache bounds what of it is in memory, beside the messages that wait to be written. Defaults: 100 messages and
	// 1 MiB a room, 200,000 messages and 64 MiB in all.
	Cache store.HistoryLimits
	// FlushInterval is how long a message waits at most before it is written: what a crash costs. Default: 250 ms.
	FlushInterval time.Duration
	// PendingMessages and PendingBytes bound what waits to be merged into the database, and so what waits while the
	// disk fails. It is in memory beside the cache. Defaults: 65,536 messages, 32 MiB.
	PendingMessages int
	PendingBytes    int64
	// Log gets a line at the start, when writing begins to fail, and when it works again.
	Log *slog.Logger

	usedInterval, mergeInterval time.Duration // tests make them shorter
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
		errs = append(errs, fmt.Errorf("on disk: %w", err))
	} else if o.Limits.Bytes < minBytes {
		errs = append(errs, fmt.Errorf("on disk: history limits: Bytes is %d, must be at least %d", o.Limits.Bytes, minBytes))
	}
	if o.Cache, err = o.Cache.Resolve(store.HistoryLimits{
		RoomMessages: 100, RoomBytes: 1 << 20, Messages: 200_000, Bytes: 64 << 20,
	}); err != nil {
		errs = append(errs, fmt.Errorf("in memory: %w", err))
	}
	o.Cache.RoomMessages = min(o.Cache.RoomMessages, o.Limits.RoomMessages)
	o.Cache.RoomBytes = min(o.Cache.RoomBytes, o.Limits.RoomBytes)
	if o.FlushInterval == 0 {
		o.FlushInterval = defaultFlushInterval
	}
	if o.usedInterval == 0 {
		o.usedInterval = defaultUsedInterval
	}
	if o.mergeInterval == 0 {
		o.mergeInterval = defaultMergeInterval
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

// mergeAt returns how much makes a merge.
func (o *Options) mergeAt() (messages int, bytes int64) {
	messages = max(1, min(mergeMessages, o.PendingMessages/2, o.Limits.Messages/8))
	bytes = max(1, min(mergeBytes, o.PendingBytes/2, o.Limits.Bytes/8))
	return messages, bytes
}
