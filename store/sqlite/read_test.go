package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signalbox/store"
)

func TestReopened(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	path := filepath.Join(t.TempDir(), "history.db")
	for n := 0; n < 500; n += 50 {
		h := openHistory(t, Options{Path: path})
		wantNumbers(t, h, "r", 0, n)
		appendNumbers(t, h, "r", n, n+30)
		wantNumbers(t, h, "r", 0, n+30)
		appendNumbers(t, h, "r", n+30, n+50)
		page, err := h.Before(t.Context(), "r", store.Cursor{ID: messageNumber(n).ID}, 20)
		if err != nil || len(page) != min(20, n) || n > 0 && page[0].ID != messageNumber(n-20).ID {
			t.Fatalf("Before message %d = %d messages, %v", n, len(page), err)
		}
		closeHistory(t, h)
	}
}

// Where the disk cannot be read, what is in memory is returned beside the error.
func TestReadError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	h := openHistory(t, Options{Path: path})
	appendNumbers(t, h, "r", 0, 10)
	closeHistory(t, h)

	h = openStill(t, Options{Path: path})
	if _, err := h.writer.conn.ExecContext(t.Context(), "ALTER TABLE message RENAME TO gone"); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, h, "r", 10, 12)
	got, err := h.Last(t.Context(), "r", 50)
	if err == nil || !strings.Contains(err.Error(), "read history") || len(got) != 2 {
		t.Errorf("Last = %d messages, %v, want 2 and an error", len(got), err)
	}
	if got, err := h.Last(t.Context(), "r", 2); err != nil || len(got) != 2 {
		t.Errorf("Last = %d messages, %v, want the 2 in memory without an error", len(got), err)
	}
	if _, err := h.writer.conn.ExecContext(t.Context(), "ALTER TABLE gone RENAME TO message"); err != nil {
		t.Fatal(err)
	}
	wantNumbers(t, h, "r", 0, 12)
}

// Everything at once, with bounds that are always hit: pages never have a gap within a room, a
// message twice or out of order, and end with what the reader knows to be there.
func TestEverythingAtOnce(t *testing.T) {
	t.Parallel() // it mostly waits for the disk
	const rooms, each = 6, 200
	h := openHistory(t, Options{
		Limits:        store.HistoryLimits{RoomMessages: 64, Messages: 300},
		FlushInterval: time.Microsecond,
	})
	var wg sync.WaitGroup
	var appended atomic.Int64 // by all writers
	for i := range rooms {
		room := fmt.Sprint("room ", i)
		wg.Go(func() { // the only writer of the room, so it knows what the newest message is
			rng := rand.New(rand.NewPCG(1, uint64(i)))
			for n := range each {
				if err := h.Append(room, messageNumber(n)); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				before := appended.Add(1)
				if rng.IntN(4) != 0 {
					continue
				}
				// A room that all others have overtaken may go as a whole: it is the one longest without a message.
				mayBeGone := func() bool { return appended.Load()-before >= rooms-1 }
				if !checkPages(t, h, room, n, 1+rng.IntN(20), mayBeGone) {
					return
				}
			}
		})
		wg.Go(func() {
			for n := range each / 10 {
				if _, err := h.Last(t.Context(), fmt.Sprint("room ", n%rooms), 64); err != nil {
					t.Errorf("Last: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s := h.Stats(); s.Failures != 0 || s.Lost != 0 || s.Damaged != 0 {
		t.Errorf("Stats = %+v, want no failures, nothing lost or damaged", s)
	}
	closeHistory(t, h)
	h = openStill(t, Options{Path: h.options.Path})
	checkTotals(t, h)
}

// checkPages walks back through a room whose newest message is newest, in pages.
func checkPages(t *testing.T, h *History, room string, newest, limit int, mayBeGone func() bool) bool {
	page, err := h.Last(t.Context(), room, limit)
	next := newest
	for {
		if errors.Is(err, store.ErrUnknownMessage) && next < newest { // pruned since the last page
			return true
		}
		if err != nil {
			t.Errorf("room %q: %v", room, err)
			return false
		}
		if len(page) == 0 {
			if next == newest && !mayBeGone() {
				t.Errorf("room %q has no message, want %d", room, newest)
				return false
			}
			return true
		}
		for i := len(page) - 1; i >= 0; i-- {
			if page[i].ID != messageNumber(next).ID || page[i].JSON != numbered(next) {
				t.Errorf("room %q: message %d of %d in a page is %s, want number %d", room, i, len(page), page[i].ID, next)
				return false
			}
			next--
		}
		page, err = h.Before(t.Context(), room, store.Cursor{ID: page[0].ID}, limit)
	}
}
