package sqlite

import (
	"bufio"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"signalbox/store"
)

const (
	childEnv           = "SIGNALBOX_TEST_HISTORY"
	childFlushInterval = 20 * time.Millisecond
	childRooms         = 7
)

var childLimits = store.HistoryLimits{RoomMessages: 1 << 20, RoomBytes: 1 << 30, Messages: 1 << 24, Bytes: 2 << 30}

// child appends numbered messages to the history at path, to several rooms in turn, and prints how many it has
// appended and how many of them it has been told are written, until it is killed.
func child(path string) {
	h, err := Open(Options{
		Path: path, Limits: childLimits, FlushInterval: childFlushInterval, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	n := 0
	for range time.Tick(time.Millisecond) { // a tick is a pace here, not a wait
		for range 25 {
			m := store.Message{ID: fmt.Sprint("id ", n), JSON: numbered(n), Time: time.Now()}
			if err := h.Append(fmt.Sprint("room ", n%childRooms), m); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			n++
		}
		fmt.Println(n, h.Stats().Written)
	}
}

// numbered is the JSON of message n; its length varies.
func numbered(n int) string {
	return fmt.Sprintf(`{"n":%d,"content":"%s"}`, n, strings.Repeat("x", n*7919%700))
}

// A process that is killed in the middle of writing leaves a sound file with everything it had been told was written,
// without a gap, and with what it appended up to one interval and one write before.
func TestKilledInMidWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	for round, lines := range []int{30, 200, 400} {
		t.Run(fmt.Sprint("after ", 25*lines, " messages"), func(t *testing.T) {
			path := path + strconv.Itoa(round)
			appended, written, killed := killChild(t, path, lines)
			if n := checkPrefix(t, path); n < written {
				t.Errorf("%d messages are there; %d were known to be written", n, written)
			} else {
				h := openHistory(t, Options{Path: path, Limits: childLimits})
				newest := time.Time{}
				for i := range childRooms {
					last, err := h.Last(t.Context(), fmt.Sprint("room ", i), 1)
					if err != nil {
						t.Fatal(err)
					}
					if len(last) == 1 && last[0].Time.After(newest) {
						newest = last[0].Time
					}
				}
				// The margin is for a machine that is busy with other tests, not for the history.
				if lost := killed.Sub(newest); n > 0 && lost > childFlushInterval+2*time.Second {
					t.Errorf("the last %v are lost", lost)
				}
				t.Logf("appended %d, known written %d, found %d, newest %v old", appended, written, n, killed.Sub(newest))
			}
		})
	}
}

// killChild starts a child, kills it after so many lines of output and returns what it printed last.
func killChild(t *testing.T, path string, lines int) (appended, written int, killed time.Time) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for seen := 0; scanner.Scan(); {
		if seen < lines { // what comes later may be cut off
			if _, err := fmt.Sscan(scanner.Text(), &appended, &written); err != nil {
				t.Fatalf("the child says %q", scanner.Text())
			}
		}
		if seen++; seen == lines {
			killed = time.Now()
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || killed.IsZero() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return appended, written, killed
}

// checkPrefix checks that the file is sound and that the rooms hold messages 0 to n-1, and returns n.
func checkPrefix(t *testing.T, path string) int {
	t.Helper()
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		t.Fatal(err)
	}
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity_check = %q, %v", verdict, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h := openHistory(t, Options{Path: path, Limits: childLimits})
	defer closeHistory(t, h)
	found := 0
	var rooms [childRooms][]store.Message
	for i := range rooms {
		if rooms[i], err = h.Last(t.Context(), fmt.Sprint("room ", i), 1<<20); err != nil {
			t.Fatal(err)
		}
		found += len(rooms[i])
	}
	for n := range found {
		room := rooms[n%childRooms]
		if len(room) <= n/childRooms {
			t.Fatalf("%d messages are there, but message %d is not", found, n)
		}
		if m := room[n/childRooms]; m.JSON != numbered(n) || m.ID != fmt.Sprint("id ", n) {
			t.Fatalf("message %d is %.40q", n, m.JSON)
		}
	}
	if got := h.Stats().DiskMessages; got != int64(found) {
		t.Errorf("the file says that it has %d messages, and has %d", got, found)
	}
	return found
}
