package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func openNotices(t *testing.T, path string) (*Notices, []string) {
	t.Helper()
	n, kept, err := OpenNotices(t.Context(), NoticesOptions{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, k := range kept {
		list = append(list, fmt.Sprint(k.ID, " ", k.Socket, " ", k.Since.UnixMilli(), " ", string(k.Body)))
	}
	return n, list
}

// TestNoticesOutliveTheProcess: the last word of each counts, in the order of these.
func TestNoticesOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hooks.db")
	n, kept := openNotices(t, path)
	if len(kept) != 0 {
		t.Errorf("a new file has %q", kept)
	}
	at := time.UnixMilli(1700000000123)
	put := func(id, body string) {
		written := make(chan error, 1)
		n.Put(KeptNotice{ID: id, Socket: "s" + id, Since: at, Body: []byte(body)}, func(err error) { written <- err })
		if err := <-written; err != nil {
			t.Fatal(err)
		}
	}
	put("1", "first")
	put("2", "second")
	put("3", "third")
	put("1", "first, later")
	n.Delete("2")
	if _, _, err := OpenNotices(t.Context(), NoticesOptions{Path: path, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second process: %v, want ErrInUse", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n, kept = openNotices(t, path)
	if want := []string{"3 s3 1700000000123 third", "1 s1 1700000000123 first, later"}; !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	n.Put(KeptNotice{ID: "4"}, func(err error) { late <- err })
	if err := <-late; err == nil {
		t.Error("a notice was kept after Close")
	}
}

func TestNoticesAreNotPutIntoAHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	closeHistory(t, openHistory(t, Options{Path: path}))
	if _, _, err := OpenNotices(t.Context(), NoticesOptions{Path: path, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, ErrForeign) {
		t.Errorf("OpenNotices of a history: %v, want ErrForeign", err)
	}
}
