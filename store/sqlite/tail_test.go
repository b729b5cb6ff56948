package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signalbox/store/internal/recent"
)

func openTestTail(t testing.TB, path string) *tail {
	t.Helper()
	tl, err := openTail(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tl.close() }) // closed by some tests before
	return tl
}

func replayed(t testing.TB, tl *tail, merged uint64) []waiting {
	t.Helper()
	var got []waiting
	if err := tl.replay(merged, func(w waiting) { got = append(got, w) }); err != nil {
		t.Fatal(err)
	}
	return got
}

// records are three records as one after the other is appended.
var records = [][]waiting{
	{{"a", recent.Entry{ID: "1", JSON: `{"id":"1"}`, Milli: 1}}},
	{
		{"a", recent.Entry{ID: "2", JSON: "{}", Milli: 2}}, {"a", recent.Entry{ID: "3", JSON: strings.Repeat("x", 300)}},
		{"", recent.Entry{}}, {"", recent.Entry{ID: "4"}}, {"b\x00", recent.Entry{JSON: "\xff"}},
	},
	{{strings.Repeat("room", 100), recent.Entry{ID: "5", JSON: "5", Milli: -5}}},
}

func writeRecords(t testing.TB, tl *tail) (offsets []int64) {
	t.Helper()
	for _, r := range records {
		if err := tl.append(r); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, tl.end)
	}
	return offsets
}

func TestTailIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	tl := openTestTail(t, path)
	writeRecords(t, tl)
	end := tl.end
	if err := tl.close(); err != nil {
		t.Fatal(err)
	}
	tl = openTestTail(t, path)
	if got, want := replayed(t, tl, 0), slices.Concat(records...); !slices.Equal(got, want) {
		t.Fatalf("replay = %v, want %v", got, want)
	}
	if tl.end != end || tl.number != 3 || tl.messages != 7 || tl.cut != 0 {
		t.Errorf("the tail ends at %d with record %d, %d messages, %d bytes cut off", tl.end, tl.number, tl.messages, tl.cut)
	}
	if got := replayed(t, tl, 2); !slices.Equal(got, records[2]) {
		t.Errorf("replay after record 2 = %v, want record 3", got)
	}
	if got := replayed(t, tl, 3); len(got) != 0 || tl.end != 0 || tl.cut != 0 {
		t.Errorf("replay after record 3 = %v, the tail ends at %d, want nothing and 0", got, tl.end)
	}
}

func TestTailCutOffAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	tl := openTestTail(t, path)
	offsets := writeRecords(t, tl)
	for size := offsets[2]; size >= 0; size-- {
		if err := tl.file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		whole, _ := slices.BinarySearch(offsets, size+1)
		if got := replayed(t, tl, 0); !slices.Equal(got, slices.Concat(records[:whole]...)) {
			t.Fatalf("replay of %d bytes = %v, want the first %d records", size, got, whole)
		}
		if tl.number != uint64(whole) || tl.end+tl.cut != size {
			t.Fatalf("cut off at %d, the tail ends at %d with record %d, %d bytes cut off", size, tl.end, tl.number, tl.cut)
		}
	}
}

func TestTailWithAByteChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	tl := openTestTail(t, path)
	offsets := writeRecords(t, tl)
	good, err := os.ReadFile(path + "-tail")
	if err != nil {
		t.Fatal(err)
	}
	for at := range good {
		if _, err := tl.file.WriteAt([]byte{good[at] ^ 0x20}, int64(at)); err != nil {
			t.Fatal(err)
		}
		whole, _ := slices.BinarySearch(offsets, int64(at)+1)
		if got := replayed(t, tl, 0); !slices.Equal(got, slices.Concat(records[:whole]...)) {
			t.Fatalf("with byte %d changed, replay = %v, want the first %d records", at, got, whole)
		}
		if _, err := tl.file.WriteAt(good[at:at+1], int64(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// A crash after the merge and before the file is emptied, and one more after that.
func TestTailWithOldRecordsBehindTheNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	tl := openTestTail(t, path)
	for range 3 { // records of the same length, so the old ones stay readable behind the new one
		if err := tl.append(records[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := replayed(t, tl, 3); len(got) != 0 {
		t.Fatalf("replay = %v, want nothing", got)
	}
	if err := tl.append(records[0]); err != nil {
		t.Fatal(err)
	}
	if got := replayed(t, tl, 3); !slices.Equal(got, records[0]) || tl.number != 4 {
		t.Errorf("replay = %v up to record %d, want record 4 alone", got, tl.number)
	}
	if err := tl.reset(); err != nil {
		t.Fatal(err)
	}
	if info, err := tl.file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the tail has %d bytes after it was emptied, %v", info.Size(), err)
	}
}

func TestTailIsLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	tl := openTestTail(t, path)
	if _, err := openTail(path); !errors.Is(err, ErrInUse) {
		t.Fatalf("openTail = %v, want ErrInUse", err)
	}
	if err := tl.close(); err != nil {
		t.Fatal(err)
	}
	openTestTail(t, path)
}

func FuzzTail(f *testing.F) {
	var all []byte
	for i, r := range records {
		record := appendRecord(nil, uint64(i+1), r)
		all = append(all, record...)
		f.Add(record, uint64(i))
	}
	f.Add(all, uint64(0))
	f.Add(all, uint64(2))
	f.Add([]byte{}, uint64(0))
	path := filepath.Join(f.TempDir(), "db")
	f.Fuzz(func(t *testing.T, data []byte, merged uint64) {
		tl := openTestTail(t, path+fmt.Sprint(os.Getpid()))
		defer tl.close()
		if err := tl.file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := tl.file.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
		if err := tl.replay(merged, func(waiting) {}); err != nil && !errors.Is(err, errDamaged) {
			t.Errorf("replay = %v", err)
		}
		if tl.end > int64(len(data)) || tl.number < merged {
			t.Errorf("the tail of %d bytes ends at %d, record %d after %d", len(data), tl.end, tl.number, merged)
		}
	})
}

func FuzzDecodePayload(f *testing.F) {
	for _, r := range records {
		f.Add(appendRecord(nil, 1, r)[recordHead:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		messages, err := decodePayload(payload)
		if err != nil {
			return
		}
		again, err := decodePayload(appendRecord(nil, 1, messages)[recordHead:])
		if err != nil || !slices.Equal(again, messages) {
			t.Errorf("decoded %v, encoded and decoded again %v, %v", messages, again, err)
		}
	})
}
