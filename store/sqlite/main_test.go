package sqlite

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// openHistory opens a history that ends with the test.
func openHistory(t testing.TB, options Options) *History {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "history.db")
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	h, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeHistory(t, h) })
	return h
}

func closeHistory(t testing.TB, h *History) {
	t.Helper()
	if err := h.Close(context.Background()); err != nil { // the test's own context has ended when it cleans up
		t.Errorf("Close: %v", err)
	}
	if left, err := filepath.Glob(h.options.Path + "-[sw]*"); err != nil || len(left) > 0 {
		t.Errorf("%v left behind: SQLite was not closed", left)
	}
}
