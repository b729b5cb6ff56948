package redislink

import (
	"bytes"
	"io"
	"net"
	"strconv"
)

const (
	// streamBytes is the size of a read buffer. A message that is larger makes it grow as it arrives.
	streamBytes = 32 << 10
	// keptStreamBytes is how large the buffer stays.
	keptStreamBytes = 1 << 20
	// maxBulkBytes is more than Redis sends in one piece (proto-max-bulk-len).
	maxBulkBytes = 1 << 30
)

// replyError is an error in place of an answer.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError makes it a [goredis.Error].
func (replyError) RedisError() {}

// stream reads RESP 2 from a connection, for one goroutine at a time.
//
// Rule: [RESP].
//
// [RESP]: https://redis.io/docs/latest/develop/reference/protocol-spec/
type stream struct {
	conn       net.Conn
	buf        []byte
	start, end int // of what was read and not yet taken
}

func newStream(conn net.Conn) stream { return stream{conn: conn, buf: make([]byte, streamBytes)} }

// arrived returns a cursor over what was read and not yet taken.
func (s *stream) arrived() cursor { return cursor{rest: s.buf[s.start:s.end]} }

// take takes what the cursor has read.
func (s *stream) take(c cursor) { s.start = s.end - len(c.rest) }

// fill reads what there is, behind what was read and not yet taken.
func (s *stream) fill() error {
	switch left := s.buf[s.start:s.end]; {
	case len(left) == 0 && len(s.buf) > keptStreamBytes:
		s.buf, s.start, s.end = make([]byte, streamBytes), 0, 0
	case s.start > 0:
		s.start, s.end = 0, copy(s.buf, left)
	case s.end == len(s.buf):
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	n, err := s.conn.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// cursor reads what has arrived of one answer.
type cursor struct {
	rest  []byte
	short bool // there is more to come
}

// line cuts the next line off, without its end. It has one byte at least, or is short.
func (c *cursor) line() []byte {
	i := bytes.IndexByte(c.rest, '\n')
	if i < 0 {
		c.short = true
		return nil
	}
	line := bytes.TrimSuffix(c.rest[:i], []byte{'\r'})
	c.rest = c.rest[i+1:]
	if len(line) == 0 {
		return []byte{0} // no type: nothing begins with it
	}
	return line
}

// element cuts a string or a number off. A null string is an empty one.
func (c *cursor) element() ([]byte, error) {
	head := c.line()
	if c.short {
		return nil, nil
	}
	switch head[0] {
	case ':':
		return head[1:], nil
	case '$':
	default:
		return nil, errProtocol
	}
	n, err := strconv.Atoi(view(head[1:]))
	switch {
	case n == -1 && err == nil:
		return nil, nil
	case err != nil || n < 0 || n > maxBulkBytes:
		return nil, errProtocol
	case len(c.rest) < n+2:
		c.short = true
		return nil, nil
	case c.rest[n] != '\r' || c.rest[n+1] != '\n':
		return nil, errProtocol
	}
	s := c.rest[:n]
	c.rest = c.rest[n+2:]
	return s, nil
}

// appendArray and appendBulk write a command: an array of strings.
func appendArray(b []byte, n int) []byte {
	b = strconv.AppendInt(append(b, '*'), int64(n), 10)
	return append(b, '\r', '\n')
}

func appendBulk(b []byte, text string) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(len(text)), 10)
	b = append(append(b, '\r', '\n'), text...)
	return append(b, '\r', '\n')
}
