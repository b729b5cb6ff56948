package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// openStill opens a history whose writing goroutine does not run: the test calls flush.
func openStill(t testing.TB, options Options) *History {
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
	return h
}

// flushAll writes all that waits.
func flushAll(t testing.TB, h *History) {
	t.Helper()
	for {
		if !h.flush() {
			t.Fatal(h.failed)
		}
		if h.Stats().Pending == 0 {
			return
		}
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

func TestWrittenAfterTheInterval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	synctest.Test(t, func(t *testing.T) {
		h := openHistory(t, Options{Path: path, Limits: store.HistoryLimits{RoomMessages: 10_000}})
		check := func(when string, pending, written int) {
			t.Helper()
			synctest.Wait()
			s := h.Stats()
			if s.Pending != pending || s.Written != uint64(written) || s.DiskMessages != int64(written) {
				t.Fatalf("%s: %+v, want %d pending, %d written", when, s, pending, written)
			}
		}
		appendNumbers(t, h, "r", 0, 1)
		time.Sleep(defaultFlushInterval - 1)
		check("just before the interval", 1, 0)
		appendNumbers(t, h, "r", 1, 3)
		time.Sleep(time.Nanosecond)
		check("at the interval", 0, 3)
		time.Sleep(time.Hour)
		appendNumbers(t, h, "r", 3, 4)
		check("an hour later", 1, 3)
		time.Sleep(defaultFlushInterval)
		check("at the next interval", 0, 4)
		appendNumbers(t, h, "r", 4, 4+batchMessages)
		check("with a full batch", 0, 4+batchMessages)
	})
}

// What is in SQLite's log when the process ends without a word is there when the files are opened again.
func TestFilesAsACrashLeavesThem(t *testing.T) {
	h := openStill(t, Options{})
	appendNumbers(t, h, "a", 0, 300)
	flushAll(t, h)
	appendNumbers(t, h, "a", 300, 310)
	appendNumbers(t, h, "b", 0, 10)
	flushAll(t, h)
	appendNumbers(t, h, "lost", 0, 5)

	path := filepath.Join(t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(h.options.Path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+end, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := openHistory(t, Options{Path: path})
	wantNumbers(t, again, "a", 0, 310)
	wantNumbers(t, again, "b", 0, 10)
	wantNumbers(t, again, "lost", 0, 0)
	if s := again.Stats(); s.DiskMessages != 320 || s.Pending != 0 {
		t.Errorf("Stats = %+v, want 320 messages on disk, none pending", s)
	}
	appendNumbers(t, again, "b", 10, 15)
	wantNumbers(t, again, "b", 0, 15)
}

// A room that writes far more than it may keep shows no more than that, and has no more on disk.
func TestBusyRoom(t *testing.T) {
	h := openStill(t, Options{Limits: store.HistoryLimits{RoomMessages: 100}})
	appendNumbers(t, h, "r", 0, 10)
	flushAll(t, h)
	for n := 10; n < 5000; n += 500 {
		appendNumbers(t, h, "r", n, n+500)
		wantNumbers(t, h, "r", n+400, n+500)
		flushAll(t, h)
		wantNumbers(t, h, "r", n+400, n+500)
	}
	if s := h.Stats(); s.Messages != 0 || s.Lost != 0 || s.Written != 5010 || s.DiskMessages > 112 {
		t.Errorf("Stats = %+v, want 5010 written, none lost, about 100 on disk", s)
	}
	checkTotals(t, h)
}

func TestDiskFull(t *testing.T) {
	log, logged := newLog()
	h := openStill(t, Options{Log: log})
	appendNumbers(t, h, "r", 0, 10)
	flushAll(t, h)
	fillDisk(t, h, true)
	for n := 10; n < 500; n += 10 {
		appendNumbers(t, h, "r", n, n+10)
		appendNumbers(t, h, fmt.Sprint("new ", n), 0, 1)
		if h.flush() {
			t.Fatal("writing to a full disk works")
		}
		wantNumbers(t, h, "r", 0, n+10)
	}
	if s := h.Stats(); s.Failures != 49 || s.Pending != 49*11 || s.Lost != 0 || s.Written != 10 || s.DiskMessages != 10 {
		t.Errorf("Stats = %+v, want 49 failures, 539 pending, 10 written", s)
	}
	fillDisk(t, h, false)
	flushAll(t, h)
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

// While the disk fails, what waits stays within its bounds; the newest messages are kept.
func TestGivingUp(t *testing.T) {
	h := openStill(t, Options{PendingMessages: 100})
	fillDisk(t, h, true)
	for n := range 50 {
		appendNumbers(t, h, "quiet", n, n+1)
	}
	for n := range 1000 {
		appendNumbers(t, h, "busy", n, n+1)
		if n%7 == 0 {
			h.flush()
		}
		if s := h.Stats(); s.Pending > 100 || s.Messages > 100 {
			t.Fatalf("Stats = %+v, want at most 100 pending", s)
		}
	}
	if s := h.Stats(); s.Lost+uint64(s.Pending) != 1050 {
		t.Errorf("Stats = %+v, want 1050 messages lost or pending", s)
	}
	fillDisk(t, h, false)
	flushAll(t, h)
	s := h.Stats()
	if s.Lost+s.Written != 1050 || s.Written < 80 || s.Pending != 0 {
		t.Errorf("Stats = %+v, want 1050 messages lost or written, 80 at least written", s)
	}
	wantNumbers(t, h, "busy", 1000-int(s.Written), 1000)
	wantNumbers(t, h, "quiet", 0, 0)
}

// What is being written is not given up: it is lost only if that write fails.
func TestGivingUpWhileWriting(t *testing.T) {
	for _, works := range []bool{true, false} {
		p := newPending()
		add := func(from, to int) {
			for n := from; n < to; n++ {
				p.add(entry{room: fmt.Sprint(n % 2), seq: int64(n), Message: messageNumber(n)})
			}
		}
		add(0, 10)
		if batch := p.batch(nil); len(batch) != 10 {
			t.Fatalf("a batch of %d, want 10", len(batch))
		}
		add(10, 16)
		for range 4 {
			if !p.giveUp() {
				t.Fatal("giveUp finds nothing")
			}
		}
		p.done(works)
		want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15}
		if works {
			want = want[10:]
		}
		var got []int64
		size := int64(0)
		for _, e := range p.queue {
			got = append(got, e.seq)
			size += e.bytes()
		}
		if !slices.Equal(got, want) || size != p.bytes || len(p.rooms["0"])+len(p.rooms["1"]) != len(want) {
			t.Errorf("writing works: %v; %v wait with %d bytes, in rooms %v, want %v with %d", works, got, p.bytes, p.rooms, want, size)
		}
		for works && p.giveUp() {
		}
		if works && (len(p.queue) > 0 || len(p.rooms) > 0 || p.bytes != 0) {
			t.Errorf("%d messages, %d rooms, %d bytes are left", len(p.queue), len(p.rooms), p.bytes)
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
