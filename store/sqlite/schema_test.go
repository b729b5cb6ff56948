package sqlite

import (
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"signalbox/store"
)

// database makes an SQLite file by the statements given.
func database(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string) string // returns the path to open
		options Options
		want    error
		says    string
	}{
		"a folder that is missing": {
			prepare: func(_ *testing.T, path string) string { return filepath.Join(path, "history.db") },
			want:    fs.ErrNotExist,
		},
		"a folder in place of the file": {
			prepare: func(t *testing.T, path string) string {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: syscall.EISDIR,
		},
		"a file that may not be written": {
			prepare: func(t *testing.T, path string) string {
				if os.Getuid() == 0 {
					t.Skip("root may write everywhere")
				}
				if err := os.WriteFile(path, nil, 0o400); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: fs.ErrPermission,
		},
		"a text": {
			prepare: func(t *testing.T, path string) string {
				if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: ErrNotDatabase,
		},
		"something that only begins as a database": {
			prepare: func(t *testing.T, path string) string {
				if err := os.WriteFile(path, []byte("SQLite format 3\x00"+strings.Repeat("x", 5000)), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: ErrNotDatabase,
		},
		"a database of another program": {
			prepare: func(t *testing.T, path string) string {
				database(t, path, "CREATE TABLE customer (name TEXT)")
				return path
			},
			want: ErrForeign,
		},
		"a database with another program's mark": {
			prepare: func(t *testing.T, path string) string {
				database(t, path, "PRAGMA application_id = 7; PRAGMA user_version = 1")
				return path
			},
			want: ErrForeign,
		},
		"a history of a newer release": {
			prepare: func(t *testing.T, path string) string {
				closeHistory(t, openHistory(t, Options{Path: path}))
				database(t, path, "PRAGMA user_version = 99")
				return path
			},
			want: ErrNewerSchema,
			says: "schema version 99",
		},
		"a history that is open": {
			prepare: func(t *testing.T, path string) string {
				openHistory(t, Options{Path: path})
				return path
			},
			want: ErrInUse,
		},
		"no path":          {prepare: func(*testing.T, string) string { return "" }, says: "no path"},
		"a negative limit": {options: Options{Limits: store.HistoryLimits{Messages: -1}}, says: "history limits: Messages is -1"},
		"hardly any disk":  {options: Options{Limits: store.HistoryLimits{Bytes: 1000}}, says: "at least"},
		"a negative pause": {options: Options{FlushInterval: -1}, says: "must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Log = slog.New(slog.DiscardHandler)
			c.options.Path = filepath.Join(t.TempDir(), "history.db")
			if c.prepare != nil {
				c.options.Path = c.prepare(t, c.options.Path)
			}
			before, _ := os.ReadFile(c.options.Path) // it may be missing
			h, err := Open(c.options)
			if err == nil {
				closeHistory(t, h)
				t.Fatal("Open has no error")
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Open = %v, want %v, saying %q", err, c.want, c.says)
			}
			if after, _ := os.ReadFile(c.options.Path); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenTakesAnyPath(t *testing.T) {
	for _, name := range []string{"a b.db", "a?b#c%41.db", "file:x", ":memory:", "ä'\"&=;.db"} {
		path := filepath.Join(t.TempDir(), name)
		h := openHistory(t, Options{Path: path})
		if err := h.Append("r", messageNumber(0)); err != nil {
			t.Fatal(err)
		}
		closeHistory(t, h)
		info, err := os.Stat(path)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if info.Size() == 0 || info.Mode().Perm() != filePermissions {
			t.Errorf("%q has %d bytes and mode %v", name, info.Size(), info.Mode())
		}
		h = openHistory(t, Options{Path: path})
		if got, err := h.Last(t.Context(), "r", 5); err != nil || len(got) != 1 {
			t.Errorf("%q: Last = %d messages, %v, want 1", name, len(got), err)
		}
	}
}
