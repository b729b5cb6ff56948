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

// chunks returns the number of rows of the room, or of all rooms where name is empty.
func chunks(t testing.TB, h *History, name string) (n int) {
	t.Helper()
	const query = "SELECT count(*) FROM chunk WHERE ?1 = '' OR room = (SELECT id FROM room WHERE name = ?1)"
	if err := h.writer.conn.QueryRowContext(t.Context(), query, name).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// checkTotals checks the sums that are kept beside the rows.
func checkTotals(t testing.TB, h *History) {
	t.Helper()
	var messages, orphans, empty int64
	for query, to := range map[string]*int64{
		"SELECT coalesce(sum(n), 0) FROM chunk":                              &messages,
		"SELECT count(*) FROM chunk WHERE room NOT IN (SELECT id FROM room)": &orphans,
		"SELECT count(*) FROM room WHERE id NOT IN (SELECT room FROM chunk)": &empty,
	} {
		if err := h.writer.conn.QueryRowContext(t.Context(), query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	if messages != h.writer.messages || orphans != 0 || empty != 0 {
		t.Errorf("%d messages, %d chunks without a room, %d rooms without a chunk, want %d, 0, 0",
			messages, orphans, empty, h.writer.messages)
	}
}

func TestRoomIsPrunedAnEighthLate(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	h, f := openStill(t, Options{Limits: store.HistoryLimits{RoomMessages: 40}, Cache: store.HistoryLimits{RoomMessages: 1}})
	for n := range 150 {
		appendNumbers(t, h, "r", n, n+1)
		mustFlush(t, h.mergeNow(f), f)
		if h.writer.messages > 45 || n > 40 && h.writer.messages < 40 {
			t.Fatalf("after %d messages %d are on disk, want 40 to 45", n+1, h.writer.messages)
		}
		if n%7 == 0 {
			wantNumbers(t, h, "r", max(0, n-39), n+1)
		}
	}
	checkTotals(t, h)
}

func TestRoomIsPrunedByItsBytes(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	h, f := openStill(t, Options{Limits: store.HistoryLimits{RoomBytes: 20_000}, Cache: store.HistoryLimits{RoomMessages: 1}})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 1000)}
	for n := range 100 {
		if err := h.Append("r", m); err != nil {
			t.Fatal(err)
		}
		mustFlush(t, h.mergeNow(f), f)
		if rows := chunks(t, h, "r"); rows > 22 || n > 22 && rows < 18 {
			t.Fatalf("after %d messages %d rows of 1,000 bytes are on disk, want 18 to 22", n+1, rows)
		}
	}
	checkTotals(t, h)
}

// The whole stays within its bytes, and the file with it, however many rooms come and go.
func TestFileStaysInBounds(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	const bound = 1 << 20
	h, f := openStill(t, Options{
		Limits: store.HistoryLimits{Bytes: bound}, Cache: store.HistoryLimits{Messages: 10, RoomMessages: 10},
	})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 1000)}
	for n := range 8000 {
		if err := h.Append(fmt.Sprint("room ", n/20), m); err != nil {
			t.Fatal(err)
		}
		if n%100 == 0 {
			mustFlush(t, h.flush(f), f)
		}
	}
	mustFlush(t, h.mergeNow(f), f)
	for len(h.wake) > 0 { // it wants to go on
		<-h.wake
		mustFlush(t, h.flush(f), f)
	}
	if s := h.Stats(); s.DiskBytes > bound || s.DiskBytes < bound/2 {
		t.Errorf("Stats = %+v, want about %d bytes on disk", s, bound)
	}
	info, err := os.Stat(h.options.Path)
	if err != nil || info.Size() > bound+bound/8 {
		t.Errorf("the file has %d bytes, %v, want at most an eighth over %d", info.Size(), err, bound)
	}
	checkTotals(t, h)
	if got, err := h.Last(t.Context(), "room 0", 50); err != nil || len(got) != 0 {
		t.Errorf("the first room has %d messages, %v, want none", len(got), err)
	}
	if got, err := h.Last(t.Context(), "room 399", 50); err != nil || len(got) != 20 {
		t.Errorf("the last room has %d messages, %v, want 20", len(got), err)
	}
}

// Lower bounds make a large file small when it is opened, without a message being written.
func TestFileShrinks(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	path := filepath.Join(t.TempDir(), "history.db")
	h := openHistory(t, Options{Path: path})
	m := store.Message{ID: "m", JSON: strings.Repeat("x", 1000)}
	for n := range 8000 {
		if err := h.Append(fmt.Sprint("room ", n/20), m); err != nil {
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
		if err := h.read.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for pages()*4096 > 1<<20 { // the test's own deadline bounds it
		<-tick.C
	}
	if got, err := h.Last(t.Context(), "room 399", 50); err != nil || len(got) != 20 {
		t.Errorf("the last room has %d messages, %v, want 20", len(got), err)
	}
	closeHistory(t, h)
	if after, err := os.Stat(path); err != nil || after.Size() > 1<<20 {
		t.Errorf("the file has %d bytes, %v, want at most %d", after.Size(), err, 1<<20)
	}
}

// A room that goes from disk while it is in memory with messages that wait: the messages stay, the old ones are gone,
// and it can be pruned and written again.
func TestRoomThatGoesWhileItIsInUse(t *testing.T) {
	h, f := openStill(t, Options{Limits: store.HistoryLimits{Messages: 100, RoomMessages: 50}, usedInterval: time.Hour})
	appendNumbers(t, h, "a", 0, 50)
	mustFlush(t, h.mergeNow(f), f)
	appendNumbers(t, h, "b", 0, 50)
	mustFlush(t, h.mergeNow(f), f)
	appendNumbers(t, h, "c", 0, 10)
	h.mu.Lock()
	h.mergeLocked()
	h.mu.Unlock()
	h.take(f)
	appendNumbers(t, h, "a", 50, 55) // while c is being written
	if err := h.mergeBatches(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := h.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := chunks(t, h, "a"); n != 0 {
		t.Fatalf("room a has %d chunks, want none", n)
	}
	if got, err := h.Last(t.Context(), "a", 5); err != nil || len(got) != 5 || got[4].ID != messageNumber(54).ID {
		t.Fatalf("Last = %v, %v, want the five messages that wait", got, err)
	}
	mustFlush(t, h.mergeNow(f), f)
	h.mu.Lock()
	h.rooms.Drop(h.rooms.Get("a"))
	h.mu.Unlock()
	wantNumbers(t, h, "a", 50, 55)
	checkTotals(t, h)
}
