package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signalbox/store"
)

// checkTotals checks the sums that are kept beside the rows.
func checkTotals(t testing.TB, h *History) {
	t.Helper()
	var messages, orphans, wrong int64
	for query, to := range map[string]*int64{
		"SELECT count(*) FROM message":                                         &messages,
		"SELECT count(*) FROM message WHERE room NOT IN (SELECT id FROM room)": &orphans,
		`SELECT count(*) FROM room WHERE (last, messages, bytes) IS NOT (SELECT max(seq), count(*),
			sum(length(m.id) + length(json) + 40) FROM message m WHERE m.room = room.id)`: &wrong,
	} {
		if err := h.writer.conn.QueryRowContext(t.Context(), query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	if messages != h.writer.messages || orphans != 0 || wrong != 0 {
		t.Errorf("%d messages, %d without a room, %d rooms with wrong sums, want %d, 0, 0", messages, orphans, wrong, h.writer.messages)
	}
}

func TestRoomIsPrunedAnEighthLate(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	h := openStill(t, Options{Limits: store.HistoryLimits{RoomMessages: 40}})
	for n := range 150 {
		appendNumbers(t, h, "r", n, n+1)
		flushAll(t, h)
		if h.writer.messages > 45 || n > 40 && h.writer.messages < 40 {
			t.Fatalf("after %d messages %d are on disk, want 40 to 45", n+1, h.writer.messages)
		}
		wantNumbers(t, h, "r", max(0, n-39), n+1)
	}
	checkTotals(t, h)
}

func TestRoomIsPrunedByItsBytes(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	h := openStill(t, Options{Limits: store.HistoryLimits{RoomBytes: 20_000}})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 959)}
	for n := range 100 {
		if err := h.Append("r", m); err != nil {
			t.Fatal(err)
		}
		flushAll(t, h)
		if rows := h.writer.messages; rows > 22 || n > 22 && rows < 20 {
			t.Fatalf("after %d messages %d of 1,000 bytes are on disk, want 20 to 22", n+1, rows)
		}
	}
	checkTotals(t, h)
}

// The whole stays within its bytes, and the file with it, however many rooms come and go.
func TestFileStaysInBounds(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	const bound = 1 << 20
	h := openStill(t, Options{Limits: store.HistoryLimits{Bytes: bound}})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 4000)}
	for n := range 2000 {
		if err := h.Append(fmt.Sprint("room ", n/5), m); err != nil {
			t.Fatal(err)
		}
		if n%25 == 0 {
			flushAll(t, h)
		}
	}
	flushAll(t, h)
	for len(h.wake) > 0 { // it wants to go on
		<-h.wake
		flushAll(t, h)
	}
	if s := h.Stats(); s.DiskBytes > bound || s.DiskBytes < bound/2 {
		t.Errorf("Stats = %+v, want about %d bytes on disk", s, bound)
	}
	if _, err := h.writer.conn.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil { // SQLite does it every 1,000 pages
		t.Fatal(err)
	}
	info, err := os.Stat(h.options.Path)
	if err != nil || info.Size() > bound+bound/8 {
		t.Errorf("the file has %d bytes, %v, want at most an eighth over %d", info.Size(), err, bound)
	}
	checkTotals(t, h)
	if got, err := h.Last(t.Context(), "room 0", 50); err != nil || len(got) != 0 {
		t.Errorf("the first room has %d messages, %v, want none", len(got), err)
	}
	if got, err := h.Last(t.Context(), "room 399", 50); err != nil || len(got) != 5 {
		t.Errorf("the last room has %d messages, %v, want 5", len(got), err)
	}
}

// Lower bounds make a large file small when it is opened, without a message being written.
func TestFileShrinks(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	path := filepath.Join(t.TempDir(), "history.db")
	h := openHistory(t, Options{Path: path})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 4000)}
	for n := range 2000 {
		if err := h.Append(fmt.Sprint("room ", n/5), m); err != nil {
			t.Fatal(err)
		}
	}
	closeHistory(t, h)
	before, err := os.Stat(path)
	if err != nil || before.Size() < 8_000_000 {
		t.Fatalf("the file has %d bytes, %v, want more than 8,000,000", before.Size(), err)
	}
	h = openHistory(t, Options{Path: path, Limits: store.HistoryLimits{Bytes: 1 << 20}})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	pages := func() (n int64) {
		if err := h.reads.db.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for pages()*4096 > 1<<20 { // the test's own deadline bounds it
		<-tick.C
	}
	if got, err := h.Last(t.Context(), "room 399", 50); err != nil || len(got) != 5 {
		t.Errorf("the last room has %d messages, %v, want 5", len(got), err)
	}
	closeHistory(t, h)
	if after, err := os.Stat(path); err != nil || after.Size() > 1<<20 {
		t.Errorf("the file has %d bytes, %v, want at most %d", after.Size(), err, 1<<20)
	}
}

// A room that goes from disk while messages of it wait: these stay, the old ones are gone, and it is written again.
func TestRoomThatGoesWhileItIsInUse(t *testing.T) {
	h := openStill(t, Options{Limits: store.HistoryLimits{Messages: 100, RoomMessages: 50}})
	appendNumbers(t, h, "a", 0, 50)
	flushAll(t, h)
	appendNumbers(t, h, "b", 0, 50)
	flushAll(t, h)
	appendNumbers(t, h, "c", 0, 10)
	h.batch = h.pending.batch(h.batch[:0])
	appendNumbers(t, h, "a", 50, 55) // while c is being written
	if err := h.writer.write(t.Context(), h.batch); err != nil {
		t.Fatal(err)
	}
	h.pending.done(true)
	if _, err := h.writer.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, h, "a", 50, 55)
	wantNumbers(t, h, "b", 0, 50)
	flushAll(t, h)
	wantNumbers(t, h, "a", 50, 55)
	if s := h.Stats(); s.Evicted != 1 {
		t.Errorf("Stats = %+v, want one room gone", s)
	}
	checkTotals(t, h)
}
