package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"signalbox/store"
)

// Files of schema version 1 kept the messages of a room as chunks, rows of many messages each, and those of the last
// half minute in a file of records beside the database, the tail. This file reads both, once.

// chunkFormat is the first byte of a chunk.
const chunkFormat = 1

// errDamaged is returned for a chunk or a record that makes no sense.
var errDamaged = errors.New("damaged chunk")

// migrate moves the messages of a file of schema version 1 into the tables of today, in the transaction that the
// connection is in.
func migrate(ctx context.Context, conn *sql.Conn, path string, log *slog.Logger) error {
	began := time.Now()
	const rename = `ALTER TABLE room RENAME TO old_room; DROP INDEX room_used;`
	if _, err := conn.ExecContext(ctx, rename+schema); err != nil {
		return err
	}
	m := mover{ctx: ctx, conn: conn}
	if err := m.chunks(); err != nil {
		return fmt.Errorf("read the chunks of an older release: %w", err)
	}
	if err := m.tail(path + tailEnding); err != nil {
		return fmt.Errorf("read the tail of an older release: %w", err)
	}
	const sums = `UPDATE room SET (last, messages, bytes) = (SELECT max(seq), count(*),
		sum(length(message.id) + length(json) + %d) FROM message WHERE room = room.id);
		DROP TABLE old_room; DROP TABLE chunk; DROP TABLE total;`
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(sums, entryBytes)); err != nil {
		return err
	}
	log.Info("history of an older release was moved over", slog.Int64("messages", m.seq), slog.Int("damaged", m.damaged),
		slog.Duration("took", time.Since(began)))
	return nil
}

// mover adds messages to the tables of today, one after the other.
type mover struct {
	ctx     context.Context
	conn    *sql.Conn
	seq     int64
	damaged int
}

// chunks moves what is in the database, room by room: the one that waited longest for a message comes first.
func (m *mover) chunks() error {
	rows, err := m.conn.QueryContext(m.ctx, `SELECT name, body FROM chunk JOIN old_room ON old_room.id = chunk.room
		ORDER BY used, old_room.id, chunk.last`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var room, body []byte
		if err := rows.Scan(&room, &body); err != nil {
			return err
		}
		messages, err := decodeChunk(body)
		if err != nil {
			m.damaged++
			continue
		}
		for _, message := range messages {
			if err := m.add(room, message); err != nil {
				return err
			}
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (m *mover) add(room []byte, message store.Message) error {
	m.seq++
	const note = `INSERT INTO room (name, last, messages, bytes) VALUES (?, 0, 0, 0) ON CONFLICT (name) DO UPDATE SET last = 0 RETURNING id`
	var id int64
	if err := m.conn.QueryRowContext(m.ctx, note, room).Scan(&id); err != nil {
		return err
	}
	_, err := m.conn.ExecContext(m.ctx, insertMessages(1), id, m.seq, message.Time.UnixMilli(), blob(message.ID), blob(message.JSON))
	return err
}

// decodeChunk returns the messages of a chunk:
//
//	format byte, count, length of the head
//	head: for each message the time since the one before it (milliseconds, signed), the length of its JSON, the
//	      length of its id, and where in the JSON the id is, plus one; 0: it stands before the JSON
//	texts
//
// Numbers are varints as in encoding/binary.
func decodeChunk(body []byte) ([]store.Message, error) {
	if len(body) == 0 || body[0] != chunkFormat {
		return nil, errDamaged
	}
	d := decoder{rest: body[1:]}
	count, size := d.uvarint(), d.uvarint()
	if d.bad || size > uint64(len(d.rest)) || count > size {
		return nil, errDamaged
	}
	texts := d.rest[size:]
	d.rest = d.rest[:size]
	messages := make([]store.Message, count)
	var milli int64
	for i := range messages {
		milli += d.varint()
		jsonLen, idLen, idAt := d.uvarint(), d.uvarint(), d.uvarint()
		left := uint64(len(texts))
		if d.bad || jsonLen > left || idLen > left {
			return nil, errDamaged
		}
		m := &messages[i]
		m.Time = time.UnixMilli(milli)
		switch {
		case idAt == 0 && idLen+jsonLen <= left:
			m.ID, m.JSON = string(texts[:idLen]), string(texts[idLen:idLen+jsonLen])
			texts = texts[idLen+jsonLen:]
		case idAt > 0 && idAt <= jsonLen+1 && idLen <= jsonLen-(idAt-1):
			m.JSON = string(texts[:jsonLen])
			m.ID = m.JSON[idAt-1:][:idLen]
			texts = texts[jsonLen:]
		default:
			return nil, errDamaged
		}
	}
	if len(d.rest) != 0 || len(texts) != 0 {
		return nil, errDamaged
	}
	return messages, nil
}

const (
	tailEnding = "-tail"
	recordHead = 4 + 4 + 8
)

// removeTail deletes the tail of an older release: what was in it is in the database.
func removeTail(path string) error {
	if err := os.Remove(path + tailEnding); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tail moves what is in the tail and not in the chunks. The tail is a sequence of records: a checksum (CRC-32C,
// little-endian as all numbers) over the rest of the record, the length of the payload (4 bytes), the number of the record
// (8 bytes), the payload. A record that is not whole, or whose number does not follow, is behind the end.
func (m *mover) tail(path string) error {
	f, err := openTail(path)
	if f == nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var number uint64 // of the last record that is in the chunks
	if err := m.conn.QueryRowContext(m.ctx, `SELECT merged FROM total`).Scan(&number); err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for at := int64(0); ; {
		next, payload, err := readRecord(r, info.Size()-at)
		if errors.Is(err, errDamaged) || err == nil && next > number+1 {
			return nil
		}
		if err != nil {
			return err
		}
		at += recordHead + int64(len(payload))
		if next <= number { // in the chunks, or an old one behind the newest
			continue
		}
		number = next
		if err := m.record(payload); err != nil {
			return err
		}
	}
}

// openTail opens the tail where there is one. A process of the older release that has it open holds its lock.
func openTail(path string) (*os.File, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	return openLocked(path)
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
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	if crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, payload) != binary.LittleEndian.Uint32(head[:]) {
		return 0, nil, errDamaged
	}
	return binary.LittleEndian.Uint64(head[8:]), payload, nil
}

// record moves the messages of a payload: their number, the room of each (the length of its name plus one and the name,
// or 0: the room of the message before), and the messages as a chunk.
func (m *mover) record(payload []byte) error {
	rooms, chunk, err := decodeRooms(payload)
	if err != nil {
		return err
	}
	messages, err := decodeChunk(chunk)
	if err != nil || len(messages) != len(rooms) {
		return errDamaged
	}
	for i := range messages {
		if err := m.add(rooms[i], messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// decodeRooms returns the rooms of the messages of a record, and the chunk behind them.
func decodeRooms(payload []byte) (rooms [][]byte, chunk []byte, err error) {
	d := decoder{rest: payload}
	count := d.uvarint()
	if count > uint64(len(d.rest)) { // each takes a byte at least
		return nil, nil, errDamaged
	}
	rooms = make([][]byte, count)
	for i := range rooms {
		n := d.uvarint()
		switch {
		case d.bad || n > uint64(len(d.rest))+1 || n == 0 && i == 0:
			return nil, nil, errDamaged
		case n == 0:
			rooms[i] = rooms[i-1]
		default:
			rooms[i] = append([]byte{}, d.rest[:n-1]...)
			d.rest = d.rest[n-1:]
		}
	}
	return rooms, d.rest, nil
}

// decoder reads numbers off the front of rest. Once one is not there, bad is set and every further one is 0.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return number(d, v, n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return number(d, v, n)
}

// number takes n bytes off rest for v. n is as encoding/binary returns it: 0 or less where there is no number.
func number[T any](d *decoder, v T, n int) T {
	if n <= 0 || d.bad {
		d.bad, d.rest = true, nil
		var none T
		return none
	}
	d.rest = d.rest[n:]
	return v
}
