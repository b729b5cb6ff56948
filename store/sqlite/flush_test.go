package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/store"
)

// messageNumber is message n of a room.
func messageNumber(n int) store.Message {
	return store.Message{ID: fmt.Sprint("id ", n), JSON: numbered(n), Time: time.UnixMilli(int64(n))}
}

func appendNumbers(t testing.TB, h *History, room string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := h.Append(room, messageNumber(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNumbers checks that the room has messages from to to-1, and no more.
func wantNumbers(t testing.TB, h *History, room string, from, to int) {
	t.Helper()
	got, err := h.Last(context.Background(), room, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != to-from {
		t.Fatalf("room %q has %d messages, want %d", room, len(got), to-from)
	}
	for i, m := range got {
		if m != (store.Message{ID: messageNumber(from + i).ID, JSON: numbered(from + i), Time: messageNumber(from + i).Time.UTC()}) {
			t.Fatalf("message %d of room %q is %.60v, want number %d", i, room, m, from+i)
		}
	}
}

// openStill opens a history whose writing goroutine does not run: the test calls flush and merge.
func openStill(t testing.TB, options Options) (*History, *flusher) {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "history.db")
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	options, err := options.resolve()
	if err != nil {
		t.Fatal(err)
	}
	h, err := open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.closeFiles(); err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(options.Path + "-[sw]*"); err != nil || len(left) > 0 {
			t.Errorf("%v left behind: SQLite was not closed", left)
		}
	})
	f := newFlusher()
	return h, &f
}

// mergeNow is a flush that merges.
func (h *History) mergeNow(f *flusher) bool {
	h.mu.Lock()
	h.mergeLocked()
	h.mu.Unlock()
	return h.flush(f)
}

func mustFlush(t testing.TB, ok bool, f *flusher) {
	t.Helper()
	if !ok {
		t.Fatal(f.err)
	}
}

// fillDisk leaves the database no page to grow by, or ends that.
func fillDisk(t testing.TB, h *History, full bool) {
	t.Helper()
	pages := 1
	if !full {
		pages = 1 << 30
	}
	if _, err := h.writer.conn.ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
		t.Fatal(err)
	}
}

// newLog returns a log and the lines it got so far. Only one goroutine may use it.
func newLog() (*slog.Logger, func() []string) {
	var b strings.Builder
	return slog.New(slog.NewTextHandler(&b, nil)), func() []string { return strings.Split(strings.TrimSpace(b.String()), "\n") }
}

func TestWrittenAfterTheIntervalAndMergedLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	synctest.Test(t, func(t *testing.T) {
		whole := store.HistoryLimits{RoomMessages: 10_000, RoomBytes: 4 << 20}
		h := openHistory(t, Options{Path: path, Limits: whole, Cache: whole})
		check := func(when string, pending, written, merged int) {
			t.Helper()
			synctest.Wait()
			s := h.Stats()
			h.mu.Lock()
			pinned, _ := h.rooms.Pinned()
			h.mu.Unlock()
			if s.Pending != pending || s.Written != uint64(written) || s.Messages-pinned != merged || s.DiskMessages != int64(written) {
				t.Fatalf("%s: %+v, %d pinned, want %d pending, %d written, %d merged", when, s, pinned, pending, written, merged)
			}
		}
		appendNumbers(t, h, "r", 0, 1)
		time.Sleep(defaultFlushInterval - 1)
		check("just before the interval", 1, 0, 0)
		appendNumbers(t, h, "r", 1, 3)
		time.Sleep(time.Nanosecond)
		check("at the interval", 0, 3, 0)
		time.Sleep(time.Hour)
		check("a merge interval later", 0, 3, 3)
		appendNumbers(t, h, "r", 3, 4)
		check("an hour later", 1, 3, 3)
		time.Sleep(defaultFlushInterval)
		check("at the next interval", 0, 4, 3)
		time.Sleep(defaultMergeInterval - 1)
		check("just before the merge", 0, 4, 3)
		time.Sleep(time.Nanosecond)
		check("at the merge", 0, 4, 4)
		appendNumbers(t, h, "r", 4, 4+batchMessages)
		check("with a full batch", 0, 4+batchMessages, 4)
	})
}

// What is in the tail or in SQLite's log when the process ends without a word is there when the files are opened again.
func TestFilesAsACrashLeavesThem(t *testing.T) {
	h, f := openStill(t, Options{})
	appendNumbers(t, h, "merged", 0, 300)
	appendNumbers(t, h, "both", 0, 10)
	mustFlush(t, h.mergeNow(f), f)
	appendNumbers(t, h, "both", 10, 20)
	appendNumbers(t, h, "tail", 0, 10)
	mustFlush(t, h.flush(f), f)
	appendNumbers(t, h, "tail", 10, 20)
	mustFlush(t, h.flush(f), f)
	appendNumbers(t, h, "lost", 0, 5)

	path := filepath.Join(t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal", "-tail"} {
		data, err := os.ReadFile(h.options.Path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+end, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // before and after the merge that follows
		again := openHistory(t, Options{Path: path})
		wantNumbers(t, again, "merged", 0, 300)
		wantNumbers(t, again, "both", 0, 20)
		wantNumbers(t, again, "tail", 0, 20)
		wantNumbers(t, again, "lost", 0, 0)
		if s := again.Stats(); s.DiskMessages != 340 || s.Pending != 0 {
			t.Errorf("Stats = %+v, want 340 messages on disk, none pending", s)
		}
		closeHistory(t, again)
	}
	again := openHistory(t, Options{Path: path})
	appendNumbers(t, again, "tail", 20, 25)
	wantNumbers(t, again, "tail", 0, 25)
}

// A room that writes far more than it may keep has the rest neither in memory nor in the database.
func TestBusyRoom(t *testing.T) {
	h, f := openStill(t, Options{Limits: store.HistoryLimits{RoomMessages: 100}})
	appendNumbers(t, h, "r", 0, 10)
	mustFlush(t, h.mergeNow(f), f)
	for n := 10; n < 5000; n += 500 {
		appendNumbers(t, h, "r", n, n+500)
		mustFlush(t, h.flush(f), f)
		wantNumbers(t, h, "r", n+400, n+500)
	}
	if s := h.Stats(); s.Messages > 100 || s.Lost != 0 || s.Written != 5010 {
		t.Errorf("Stats = %+v, want 100 messages in memory, 5010 written, none lost", s)
	}
	mustFlush(t, h.mergeNow(f), f)
	wantNumbers(t, h, "r", 4910, 5010)
	if s := h.Stats(); s.DiskMessages > 100+100/8 {
		t.Errorf("Stats = %+v, want about 100 messages on disk", s)
	}
}

func TestDiskFull(t *testing.T) {
	log, logged := newLog()
	h, f := openStill(t, Options{Log: log})
	appendNumbers(t, h, "r", 0, 10)
	mustFlush(t, h.mergeNow(f), f)
	fillDisk(t, h, true)
	for n := 10; n < 500; n += 10 {
		appendNumbers(t, h, "r", n, n+10)
		appendNumbers(t, h, fmt.Sprint("new ", n), 0, 1)
		if h.mergeNow(f) {
			t.Fatal("writing to a full disk works")
		}
		wantNumbers(t, h, "r", 0, n+10)
	}
	if s := h.Stats(); s.Failures != 49 || s.Pending != 49*11 || s.Lost != 0 || s.Written != 10 || s.DiskMessages != 10 {
		t.Errorf("Stats = %+v, want 49 failures, 539 pending, 10 written", s)
	}
	fillDisk(t, h, false)
	mustFlush(t, h.flush(f), f)
	mustFlush(t, h.flush(f), f)
	if s := h.Stats(); s.Pending != 0 || s.Written != 549 || s.DiskMessages != 549 {
		t.Errorf("Stats = %+v, want 549 written", s)
	}
	wantNumbers(t, h, "r", 0, 500)
	wantNumbers(t, h, "new 490", 0, 1)
	got := logged()
	if len(got) != 2 || !strings.Contains(got[0], "level=ERROR") || !strings.Contains(got[0], "disk is full") ||
		!strings.Contains(got[1], "level=INFO") || !strings.Contains(got[1], "written again") {
		t.Errorf("logged %q, want one error and the recovery", got)
	}
}

// Where only the tail cannot be written, the messages are merged instead.
func TestTailFails(t *testing.T) {
	h, f := openStill(t, Options{})
	good := h.tail.file
	readOnly, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	appendNumbers(t, h, "r", 0, 10)
	h.tail.file = readOnly
	if h.flush(f) {
		t.Fatal("writing to a file that is open for reading works")
	}
	mustFlush(t, h.flush(f), f)
	h.tail.file = good
	appendNumbers(t, h, "r", 10, 20)
	mustFlush(t, h.flush(f), f)
	if s := h.Stats(); s.Written != 20 || s.DiskMessages != 20 || s.Failures != 1 || h.tail.messages != 10 {
		t.Errorf("Stats = %+v, %d in the tail, want 20 written, 10 of them there", s, h.tail.messages)
	}
}

// While the disk fails, what waits stays within its bounds; the newest messages are kept.
func TestGivingUp(t *testing.T) {
	h, f := openStill(t, Options{PendingMessages: 100, Cache: store.HistoryLimits{RoomMessages: 5}})
	fillDisk(t, h, true)
	for n := range 50 {
		appendNumbers(t, h, "quiet", n, n+1)
	}
	for n := range 1000 {
		appendNumbers(t, h, "busy", n, n+1)
		if n%7 == 0 {
			h.mergeNow(f)
		}
		if s := h.Stats(); s.Pending > 100 || s.Messages > 110 {
			t.Fatalf("Stats = %+v, want at most 100 pending", s)
		}
	}
	if s := h.Stats(); s.Lost+uint64(s.Pending) != 1050 {
		t.Errorf("Stats = %+v, want 1050 messages lost or pending", s)
	}
	fillDisk(t, h, false)
	mustFlush(t, h.mergeNow(f), f)
	s := h.Stats()
	if s.Lost+s.Written != 1050 || s.Written < 80 || s.Pending != 0 {
		t.Errorf("Stats = %+v, want 1050 messages lost or written, 80 at least written", s)
	}
	wantNumbers(t, h, "busy", 1000-int(s.Written), 1000)
	wantNumbers(t, h, "quiet", 45, 50) // in memory only
}

// Messages that are given up while they are being written are lost only if that write fails.
func TestGivingUpWhatIsBeingWritten(t *testing.T) {
	for _, works := range []bool{true, false} {
		h, f := openStill(t, Options{PendingMessages: 100})
		appendNumbers(t, h, "r", 0, 100)
		h.mu.Lock()
		h.mergeLocked()
		h.mu.Unlock()
		h.take(f)
		appendNumbers(t, h, "r", 100, 190)
		fillDisk(t, h, !works)
		if err := h.mergeBatches(t.Context(), f); (err == nil) != works {
			t.Fatalf("mergeBatches = %v", err)
		}
		s := h.Stats()
		if works && (s.Lost != 0 || s.Written < 100) || !works && (s.Lost < 90 || s.Written != 0) {
			t.Errorf("writing works: %v; Stats = %+v", works, s)
		}
		fillDisk(t, h, false)
		mustFlush(t, h.mergeNow(f), f)
		if s := h.Stats(); works && s.DiskMessages != 190 {
			t.Errorf("Stats = %+v, want 190 messages on disk", s)
		}
	}
}

func TestCloseWhileTheDiskIsFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	synctest.Test(t, func(t *testing.T) {
		h, err := Open(Options{Path: path, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		fillDisk(t, h, true)
		appendNumbers(t, h, "r", 0, 200)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		err = h.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("Close = %v after %v, want DeadlineExceeded after 3s", err, time.Since(began))
		}
		if err := h.Close(context.Background()); err == nil || !strings.Contains(err.Error(), "200 messages are not written") {
			t.Errorf("Close = %v, want how many messages are not written", err)
		}
	})
}

func TestCloseWaitsForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	synctest.Test(t, func(t *testing.T) {
		h := openHistory(t, Options{Path: path})
		fillDisk(t, h, true)
		appendNumbers(t, h, "r", 0, 200)
		time.AfterFunc(time.Second, func() { fillDisk(t, h, false) })
		if err := h.Close(t.Context()); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	wantNumbers(t, openHistory(t, Options{Path: path}), "r", 0, 200)
}
