package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signalbox/store"
)

// oldChunk writes messages as schema version 1 had them.
func oldChunk(messages ...store.Message) []byte {
	var head, texts []byte
	milli := int64(0)
	for _, m := range messages {
		at := strings.Index(m.JSON, m.ID) + 1
		head = binary.AppendVarint(head, m.Time.UnixMilli()-milli)
		head = binary.AppendUvarint(head, uint64(len(m.JSON)))
		head = binary.AppendUvarint(head, uint64(len(m.ID)))
		head = binary.AppendUvarint(head, uint64(at))
		milli = m.Time.UnixMilli()
		if at == 0 {
			texts = append(texts, m.ID...)
		}
		texts = append(texts, m.JSON...)
	}
	chunk := binary.AppendUvarint([]byte{chunkFormat}, uint64(len(messages)))
	chunk = binary.AppendUvarint(chunk, uint64(len(head)))
	return append(append(chunk, head...), texts...)
}

// oldRecord writes messages of one room as a record of the tail.
func oldRecord(number uint64, room string, messages ...store.Message) []byte {
	payload := binary.AppendUvarint(nil, uint64(len(messages)))
	for i := range messages {
		if i > 0 {
			payload = append(payload, 0)
			continue
		}
		payload = binary.AppendUvarint(payload, uint64(len(room))+1)
		payload = append(payload, room...)
	}
	payload = append(payload, oldChunk(messages...)...)
	record := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(payload)))
	record = binary.LittleEndian.AppendUint64(record, number)
	record = append(record, payload...)
	binary.LittleEndian.PutUint32(record, crc32.Checksum(record[4:], crc32.MakeTable(crc32.Castagnoli)))
	return record
}

func numbers(from, to int) (messages []store.Message) {
	for n := from; n < to; n++ {
		messages = append(messages, messageNumber(n))
	}
	return messages
}

// oldFile makes a file of schema version 1: room "a" with messages 0 to 200 of which 150 to 160 are damaged, room "b" with
// 0 to 10, and in the tail a record that is merged already, then messages 10 to 15 of "b" and 0 to 3 of "c", then half a record.
func oldFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
		CREATE TABLE room (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, used INTEGER NOT NULL);
		CREATE INDEX room_used ON room (used);
		CREATE TABLE chunk (seq INTEGER PRIMARY KEY, room INTEGER NOT NULL, last INTEGER NOT NULL, n INTEGER NOT NULL,
			bytes INTEGER NOT NULL, body BLOB NOT NULL);
		CREATE UNIQUE INDEX chunk_room ON chunk (room, last);
		CREATE TABLE total (messages INTEGER NOT NULL, merged INTEGER NOT NULL);
		INSERT INTO total VALUES (210, 7);
		INSERT INTO room VALUES (1, 'a', 5), (2, 'b', 3);`)
	exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1", applicationID))
	chunk := func(room, from, to int, body []byte) {
		exec(`INSERT INTO chunk (room, last, n, bytes, body) VALUES (?, ?, ?, 0, ?)`, room, to-1, to-from, body)
	}
	chunk(1, 0, 150, oldChunk(numbers(0, 150)...))
	chunk(1, 150, 160, []byte{chunkFormat, 2})
	chunk(1, 160, 200, oldChunk(numbers(160, 200)...))
	chunk(2, 0, 10, oldChunk(numbers(0, 10)...))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	half := oldRecord(10, "c", numbers(3, 9)...)
	tail := bytes.Join([][]byte{
		oldRecord(7, "b", numbers(5, 10)...), oldRecord(8, "b", numbers(10, 15)...), oldRecord(9, "c", numbers(0, 3)...), half[:len(half)-1],
	}, nil)
	if err := os.WriteFile(path+tailEnding, tail, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileOfAnOlderRelease(t *testing.T) {
	path := oldFile(t)
	log, logged := newLog()
	for range 2 {
		h := openHistory(t, Options{Path: path, Log: log})
		got, err := h.Last(t.Context(), "a", 1000)
		if err != nil || len(got) != 190 || got[149].ID != messageNumber(149).ID || got[150].ID != messageNumber(160).ID {
			t.Fatalf("room a has %d messages, %v, want the 190 that are sound", len(got), err)
		}
		wantNumbers(t, h, "b", 0, 15)
		wantNumbers(t, h, "c", 0, 3)
		checkTotals(t, h)
		closeHistory(t, h)
	}
	if _, err := os.Stat(path + tailEnding); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the tail is still there: %v", err)
	}
	if all := strings.Join(logged(), "\n"); strings.Count(all, "moved over") != 1 || !strings.Contains(all, "messages=208 damaged=1") {
		t.Errorf("logged %s", all)
	}
	h := openHistory(t, Options{Path: path})
	appendNumbers(t, h, "c", 3, 5)
	wantNumbers(t, h, "c", 0, 5)
}

func TestFileThatAnOlderReleaseHasOpen(t *testing.T) {
	path := oldFile(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	held, err := openLocked(path + tailEnding)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); !errors.Is(err, ErrInUse) {
		t.Errorf("Open = %v, want ErrInUse", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
	wantNumbers(t, openHistory(t, Options{Path: path}), "b", 0, 15)
}

func FuzzDecodeChunk(f *testing.F) {
	f.Add(oldChunk())
	f.Add(oldChunk(numbers(0, 5)...))
	f.Add(oldChunk(store.Message{ID: "apart", JSON: "{}"}))
	f.Add([]byte{chunkFormat, 200, 200, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, err := decodeChunk(body)
		if err != nil {
			return
		}
		again, err := decodeChunk(oldChunk(messages...))
		if err != nil || len(again) != len(messages) {
			t.Fatalf("written again: %d messages, %v, want %d", len(again), err, len(messages))
		}
		for i := range messages {
			if again[i] != messages[i] {
				t.Fatalf("message %d is %v, want %v", i, again[i], messages[i])
			}
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add(oldRecord(1, "r", numbers(0, 3)...))
	f.Add(append(oldRecord(1, "", numbers(0, 1)...), oldRecord(2, "s", numbers(1, 2)...)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		r := bytes.NewReader(file)
		for {
			_, payload, err := readRecord(r, int64(r.Len()))
			if err != nil {
				break
			}
			if rooms, chunk, err := decodeRooms(payload); err == nil && len(rooms)+len(chunk) > len(payload) {
				t.Fatalf("%d rooms and %d bytes in a payload of %d", len(rooms), len(chunk), len(payload))
			}
		}
		_, _, _ = decodeRooms(file)
	})
}
