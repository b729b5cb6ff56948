package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"syscall"
	"time"

	"signalbox/config"
	"signalbox/server"
	"signalbox/store"
	"signalbox/store/redis"
	"signalbox/store/sqlite"
)

// historyCloseTimeout bounds making the history durable when the server stops.
const historyCloseTimeout = 3 * time.Second

// openHistory opens the history of a cluster, or what HISTORY_DB names, a history in memory where it names nothing. The error
// says what to do.
func openHistory(cfg config.Config, shared *sharedStores, log *slog.Logger) (store.History, error) {
	limits := historyLimits(cfg)
	if shared != nil {
		return redis.NewHistory(shared.link, cfg.RedisPrefix, limits)
	}
	if cfg.HistoryDB == "" {
		h, err := store.NewMemoryHistory(limits)
		if err != nil {
			return nil, err
		}
		log.Info("history is in memory: it ends with the process; HISTORY_DB=<file> keeps it")
		return h, nil
	}
	h, err := sqlite.Open(sqlite.Options{Path: cfg.HistoryDB, Limits: limits, Log: log})
	if err != nil {
		return nil, fmt.Errorf("HISTORY_DB=%s: %s: %w", cfg.HistoryDB, historyAdvice(cfg.HistoryDB, err), err)
	}
	return h, nil
}

// historyLimits returns the limits of cfg, none of them zero. One room may have what all of them may, where more was asked for it.
func historyLimits(cfg config.Config) store.HistoryLimits {
	l := store.HistoryLimits{
		RoomMessages: cfg.HistoryRoomMessages, RoomBytes: int64(cfg.HistoryRoomBytes),
		Messages: cfg.HistoryMessages, Bytes: int64(cfg.HistoryBytes),
	}
	all := store.DefaultHistoryLimits()
	if cfg.HistoryDB != "" {
		all = sqlite.DefaultLimits()
	}
	if l.Messages != 0 {
		all.Messages = l.Messages
	}
	if l.Bytes != 0 {
		all.Bytes = l.Bytes
	}
	l.Messages, l.Bytes = all.Messages, all.Bytes
	l.RoomMessages, l.RoomBytes = min(l.RoomMessages, all.Messages), min(l.RoomBytes, all.Bytes)
	return l
}

// historyAdvice says what to do about a file that cannot be used.
func historyAdvice(path string, err error) string {
	folder := filepath.Dir(path)
	switch {
	case errors.Is(err, sqlite.ErrInUse):
		return "stop the other process, or give each its own file"
	case errors.Is(err, sqlite.ErrNotDatabase), errors.Is(err, sqlite.ErrForeign), errors.Is(err, syscall.EISDIR):
		return "it was left as it is; write the path of a new file"
	case errors.Is(err, sqlite.ErrNewerSchema):
		return "it was left as it is; start the newer signalbox, or write the path of a new file"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Sprintf("make the folder %s first", folder)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("signalbox must be allowed to write the file and to make files in %s", folder)
	case errors.Is(err, syscall.ENOSPC):
		return "free some disk space"
	}
	return "write the path of a file on a local disk, or leave it empty to keep history in memory"
}

// closeHistory makes the history durable. It is called when the last handler is done with it.
func closeHistory(h store.History, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), historyCloseTimeout)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		log.Error("history not closed, its newest messages may be lost", "error", err)
	}
}

// describeHistory shows what is remembered of rooms on /metrics.
func describeHistory(m *server.Metrics, stats func() store.HistoryStats) {
	gauge := server.GaugesOf[store.HistoryStats, int64](m, stats)
	counter := server.CountersOf(m, stats)
	gauge("signalbox_history_rooms", "Rooms whose history is in memory now.", func(s store.HistoryStats) int64 { return int64(s.Rooms) })
	gauge("signalbox_history_messages", "Messages of rooms in memory now.", func(s store.HistoryStats) int64 { return int64(s.Messages) })
	gauge("signalbox_history_bytes", "What rooms and messages in memory count for against the limits.", func(s store.HistoryStats) int64 { return s.Bytes })
	counter("signalbox_history_evicted_total", "Rooms that left the memory because of the limits on all rooms.", func(s store.HistoryStats) uint64 { return s.Evicted })
	gauge("signalbox_history_pending", "Messages that a crash would lose: not on disk, or in Redis, yet. This one and the next ones are 0 without HISTORY_DB and REDIS_URL.", func(s store.HistoryStats) int64 { return int64(s.Pending) })
	counter("signalbox_history_written_total", "Messages that were written to disk, or to Redis.", func(s store.HistoryStats) uint64 { return s.Written })
	counter("signalbox_history_lost_total", "Messages that were never written because too many were waiting for the disk, or for Redis.", func(s store.HistoryStats) uint64 { return s.Lost })
	counter("signalbox_history_write_failures_total", "Writes that failed; their messages wait for the next try.", func(s store.HistoryStats) uint64 { return s.Failures })
	counter("signalbox_history_damaged_total", "Records on disk, or in Redis, that could not be read back.", func(s store.HistoryStats) uint64 { return s.Damaged })
	gauge("signalbox_history_disk_messages", "Messages on disk, or in Redis, now.", func(s store.HistoryStats) int64 { return s.DiskMessages })
	gauge("signalbox_history_disk_bytes", "Bytes in use on disk now, or what the messages in Redis count for.", func(s store.HistoryStats) int64 { return s.DiskBytes })
}
