package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"signalbox/config"
	"signalbox/server/auth"
	"signalbox/store"
	"signalbox/store/sqlite"
)

// chat opens a websocket of the process on /chat and joins room; it returns the room_history as it came.
func (p *process) chat(t *testing.T, room string) (ws *websocket.Conn, history string) {
	t.Helper()
	token, err := auth.Mint(apiTestSecret, auth.Claims{UserID: "ann", Name: "Ann"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ws = p.dial(t)
	write(t, ws, `40/chat,{"token":"`+token+`"}`)
	readUntil(t, ws, "40/chat,")
	write(t, ws, fmt.Sprintf(`42/chat,1["join_room",%q]`, room))
	return ws, readUntil(t, ws, `42/chat,["room_history"`)
}

// awaitWritten waits until nothing of the history waits for the disk.
func (p *process) awaitWritten(t *testing.T, messages int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for want := fmt.Sprintf("\nsignalbox_history_written_total %d\n", messages); ; {
		if _, body := get(t, p.url+"/metrics"); strings.Contains(body, want) && strings.Contains(body, "\nsignalbox_history_pending 0\n") {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("/metrics never showed %d messages on disk", messages)
		}
	}
}

// TestHistorySurvives has a room's messages after kill -9 and after SIGTERM.
func TestHistorySurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	settings := []string{"HISTORY_DB=" + path, "JWT_SECRET=" + apiTestSecret, "LOG_FORMAT=json"}
	said := func(history, content string) bool { return strings.Contains(history, `"content":"`+content+`"`) }
	say := func(ws *websocket.Conn, content string) {
		write(t, ws, `42/chat,2["message",{"roomId":"team","content":"`+content+`"}]`)
		readUntil(t, ws, `43/chat,2[{"ok":true}]`)
	}

	p := startProcess(t, settings...)
	ws, history := p.chat(t, "team")
	if !strings.Contains(history, `"messages":[]`) {
		t.Errorf("history of a new file = %s", history)
	}
	say(ws, "before the kill")
	p.awaitWritten(t, 1)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err == nil {
		t.Error("kill -9 ended it with 0")
	}
	if log := p.log.String(); !strings.Contains(log, "a crash loses what was said in about the last flush interval") || !strings.Contains(log, path) {
		t.Errorf("the log does not say what a crash costs, and where the file is:\n%s", log)
	}

	p = startProcess(t, settings...)
	ws, history = p.chat(t, "team")
	if !said(history, "before the kill") {
		t.Errorf("history after kill -9 = %s", history)
	}
	say(ws, "before the end") // not awaited: stopping has to write it
	ws.CloseNow()             // it would not answer the server's goodbye
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ended it with %v, want 0\n%s", err, p.log)
	}

	p = startProcess(t, settings...)
	if _, history = p.chat(t, "team"); !said(history, "before the kill") || !said(history, "before the end") {
		t.Errorf("history after SIGTERM = %s", history)
	}
}

// TestHistoryInMemoryEnds says that history in memory does not outlive the process, and that the log says so.
func TestHistoryInMemoryEnds(t *testing.T) {
	var log bytes.Buffer
	h, err := openHistory(config.Default(), nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer closeHistory(h, slog.New(slog.DiscardHandler))
	if _, ok := h.(*store.MemoryHistory); !ok {
		t.Errorf("history without HISTORY_DB is a %T", h)
	}
	if !strings.Contains(log.String(), "ends with the process") {
		t.Errorf("log = %s", &log)
	}
}

// TestHistoryLimits has each setting at work, in memory and on disk.
func TestHistoryLimits(t *testing.T) {
	for _, file := range []string{"", "history.db"} {
		t.Run("HISTORY_DB="+file, func(t *testing.T) {
			cfg := config.Default()
			if file != "" {
				cfg.HistoryDB = filepath.Join(t.TempDir(), file)
			}
			cfg.HistoryRoomMessages, cfg.HistoryRoomBytes = 150, 100_000
			h, err := openHistory(cfg, nil, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { closeHistory(h, slog.New(slog.DiscardHandler)) }()
			add := func(room string, bytes int) error {
				return h.Append(room, store.Message{ID: "m", JSON: `"` + strings.Repeat("x", bytes) + `"`, Time: time.Now()})
			}
			for range 300 {
				if err := errors.Join(add("many", 10), add("large", 1000)); err != nil {
					t.Fatal(err)
				}
			}
			if file != "" { // what is on disk is bounded when it gets there
				closeHistory(h, slog.New(slog.DiscardHandler))
				if h, err = openHistory(cfg, nil, slog.New(slog.DiscardHandler)); err != nil {
					t.Fatal(err)
				}
			}
			// On disk a room is pruned an eighth late.
			for room, want := range map[string][2]int{"many": {150, 150}, "large": {85, 140}} {
				if got, err := h.Last(t.Context(), room, 1000); err != nil || len(got) < want[0] || len(got) > want[1] {
					t.Errorf("room %s has %d messages, %v, want %d to %d", room, len(got), err, want[0], want[1])
				}
			}
			if err := add("large", 100_000); !errors.Is(err, store.ErrMessageTooLarge) {
				t.Errorf("Append of more than a room may take = %v, want ErrMessageTooLarge", err)
			}
		})
	}
}

func TestHistoryLimitsOfARoomStayBelowAll(t *testing.T) {
	memory, disk := store.DefaultHistoryLimits(), sqlite.DefaultLimits()
	for name, tt := range map[string]struct {
		env  []string
		want store.HistoryLimits
	}{
		"defaults": {nil, memory},
		"less in all": {
			[]string{"HISTORY_MESSAGES=10", "HISTORY_BYTES=2MiB"},
			store.HistoryLimits{RoomMessages: 10, RoomBytes: 2 << 20, Messages: 10, Bytes: 2 << 20},
		},
		"a room in memory": {
			[]string{"HISTORY_ROOM_MESSAGES=1000000", "HISTORY_ROOM_BYTES=1GiB"},
			store.HistoryLimits{RoomMessages: 200_000, RoomBytes: 64 << 20, Messages: memory.Messages, Bytes: memory.Bytes},
		},
		"a room on the disk": {
			[]string{"HISTORY_ROOM_MESSAGES=1000000", "HISTORY_ROOM_BYTES=1GiB", "HISTORY_DB=x"},
			store.HistoryLimits{RoomMessages: 1_000_000, RoomBytes: 1 << 30, Messages: disk.Messages, Bytes: disk.Bytes},
		},
	} {
		cfg, err := config.Load(env(tt.env...))
		if err != nil {
			t.Fatal(err)
		}
		if got := historyLimits(cfg); got != tt.want {
			t.Errorf("%s: limits = %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestHistoryFaults tells at the start what to do about a file that cannot be used, and leaves it alone.
func TestHistoryFaults(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "notes.txt")
	if err := os.WriteFile(text, []byte("these are notes, not a database\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(folder, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE theirs (x)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(folder, "open.db")
	cfg := config.Default()
	cfg.HistoryDB = open
	h, err := openHistory(cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closeHistory(h, slog.New(slog.DiscardHandler))

	locked := filepath.Join(folder, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path string
		want string
	}{
		"a folder that is missing": {filepath.Join(folder, "no", "h.db"), "make the folder " + filepath.Join(folder, "no") + " first"},
		"a file for a folder":      {filepath.Join(text, "h.db"), "make the folder " + text + " first"},
		"a folder":                 {locked, "write the path of a new file"},
		"a file of another kind":   {text, "it was left as it is; write the path of a new file"},
		"another program's":        {foreign, "it was left as it is; write the path of a new file"},
		"in use":                   {open, "stop the other process"},
		"a folder without rights":  {filepath.Join(locked, "h.db"), "must be allowed to write the file and to make files in " + locked},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(tt.path, locked+"/") && os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			before, _ := os.ReadFile(tt.path) // it may be missing
			err := run(t.Context(), nil, env("HOST=127.0.0.1", "PORT=0", "HISTORY_DB="+tt.path), io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), "HISTORY_DB="+tt.path+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run = %v, want HISTORY_DB, its value, and %q", err, tt.want)
			}
			if after, _ := os.ReadFile(tt.path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
	if advice := historyAdvice("/data/h.db", fmt.Errorf("open: %w", fs.ErrPermission)); !strings.Contains(advice, "make files in /data") {
		t.Errorf("advice without rights = %s", advice)
	}
}
