package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"signalbox/store/internal/recent"
)

// tail is the file of the messages that are not in the database yet. It stands beside the database and is emptied when
// its messages have been merged; what is left of it after a crash is merged when the history is opened again.
//
// The file is a sequence of records: a checksum (CRC-32C, little-endian as all numbers here) over the rest of the
// record, the length of the payload (4 bytes), the number of the record (8 bytes), the payload. Numbers go up by one for
// as long as the database lives, and the database knows the number up to which it has everything. So records that were
// merged just before a crash are not merged twice, and a record that was written in part, or an old one behind the
// newest, is known for the end.
//
// It is not safe for concurrent use.
type tail struct {
	file     *os.File
	end      int64  // offset behind the last record
	number   uint64 // of the last record
	messages int    // in the file
	cut      int64  // bytes behind the last record when the file was opened
	buffer   []byte
}

// waiting is a message that is not in the tail yet.
type waiting struct {
	room  string
	entry recent.Entry
}

const recordHead = 4 + 4 + 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openTail opens the tail of the database at path and locks it, so that the history belongs to this process.
func openTail(path string) (*tail, error) {
	f, err := os.OpenFile(path+"-tail", os.O_RDWR|os.O_CREATE, filePermissions)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &tail{file: f}, nil
}

// append writes messages as one record. Where it fails, the next record takes the same place.
func (t *tail) append(messages []waiting) error {
	t.buffer = appendRecord(t.buffer[:0], t.number+1, messages)
	if int64(len(t.buffer)) > math.MaxUint32 {
		return fmt.Errorf("write tail: a record of %d bytes", len(t.buffer))
	}
	if _, err := t.file.WriteAt(t.buffer, t.end); err != nil {
		return fmt.Errorf("write tail: %w", err)
	}
	t.end += int64(len(t.buffer))
	t.number++
	t.messages += len(messages)
	if cap(t.buffer) > 2*batchBytes {
		t.buffer = nil
	}
	return nil
}

// reset empties the file: everything in it is in the database.
func (t *tail) reset() error {
	if t.end == 0 {
		return nil
	}
	t.end, t.messages = 0, 0 // even if the file stays long: what is behind the next record has an older number
	if err := t.file.Truncate(0); err != nil {
		return fmt.Errorf("empty tail: %w", err)
	}
	return nil
}

// replay calls yield for every message of the records after number merged, and makes the next record follow them.
// It returns an error where the file cannot be read; a record that makes no sense is the end of the file.
func (t *tail) replay(merged uint64, yield func(waiting)) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	t.end, t.number, t.messages = 0, merged, 0
	r := bufio.NewReader(io.NewSectionReader(t.file, 0, info.Size()))
	for at := int64(0); ; {
		number, payload, err := readRecord(r, info.Size()-at)
		if errors.Is(err, errDamaged) || err == nil && number > t.number+1 {
			t.cut = info.Size() - at
			return nil
		}
		if err != nil {
			return err
		}
		at += recordHead + int64(len(payload))
		if number <= t.number { // merged, or an old one behind the newest
			continue
		}
		messages, err := decodePayload(payload)
		if err != nil { // its checksum is right, so this is not the work of a crash
			return err
		}
		for i := range messages {
			yield(messages[i])
		}
		t.end, t.number = at, number
		t.messages += len(messages)
	}
}

// readRecord reads a record of at most limit bytes. It returns errDamaged where there is none that is whole.
func readRecord(r io.Reader, limit int64) (number uint64, payload []byte, err error) {
	var head [recordHead]byte
	if limit < recordHead {
		return 0, nil, errDamaged
	}
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int64(binary.LittleEndian.Uint32(head[4:]))
	if size > limit-recordHead {
		return 0, nil, errDamaged
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	if crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, payload) != binary.LittleEndian.Uint32(head[:]) {
		return 0, nil, errDamaged
	}
	return binary.LittleEndian.Uint64(head[8:]), payload, nil
}

func (t *tail) close() error { return t.file.Close() }

// appendRecord appends a record to dst. Its payload is the number of messages, the room of each (the length of its name
// plus one and the name, or 0: the room of the message before) and the messages as a chunk.
func appendRecord(dst []byte, number uint64, messages []waiting) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	dst = binary.AppendUvarint(dst, uint64(len(messages)))
	room := ""
	for i := range messages {
		if i > 0 && messages[i].room == room {
			dst = append(dst, 0)
			continue
		}
		room = messages[i].room
		dst = binary.AppendUvarint(dst, uint64(len(room))+1)
		dst = append(dst, room...)
	}
	dst = appendChunk(dst, len(messages), func(i int) *recent.Entry { return &messages[i].entry })
	head := dst[start:]
	binary.LittleEndian.PutUint32(head[4:], uint32(len(head)-recordHead))
	binary.LittleEndian.PutUint64(head[8:], number)
	binary.LittleEndian.PutUint32(head, crc32.Checksum(head[4:], castagnoli))
	return dst
}

// decodePayload returns the messages of a record.
func decodePayload(payload []byte) ([]waiting, error) {
	d := decoder{rest: payload}
	count := d.uvarint()
	if count > uint64(len(d.rest)) { // each takes a byte at least
		return nil, errDamaged
	}
	messages := make([]waiting, count)
	for i := range messages {
		n := d.uvarint()
		switch {
		case d.bad || n > uint64(len(d.rest))+1 || n == 0 && i == 0:
			return nil, errDamaged
		case n == 0:
			messages[i].room = messages[i-1].room
		default:
			messages[i].room = string(d.rest[:n-1])
			d.rest = d.rest[n-1:]
		}
	}
	entries, err := decodeChunk(d.rest)
	if err != nil || len(entries) != len(messages) {
		return nil, errDamaged
	}
	for i := range messages {
		messages[i].entry = entries[i]
	}
	return messages, nil
}
