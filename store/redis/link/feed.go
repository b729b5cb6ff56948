package link

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// feedBytes is the size of a feed's read buffer. One message that is larger makes it grow as it arrives.
	feedBytes = 32 << 10
	// keptFeedBytes is how large the buffer stays.
	keptFeedBytes = 1 << 20
	// maxBulkBytes is more than Redis sends in one piece (proto-max-bulk-len).
	maxBulkBytes = 1 << 30
)

// feed is a connection that subscribes, in RESP 2. go-redis does its handshake and is then held off it: its own way to
// receive makes a dozen allocations of a message and takes several times as long, which a node of a large cluster spends
// on every message, most of which it does not want.
//
// Rule: [Redis Pub/Sub], [RESP].
//
// [Redis Pub/Sub]: https://redis.io/docs/latest/develop/pubsub/
// [RESP]: https://redis.io/docs/latest/develop/reference/protocol-spec/
type feed struct {
	conn    net.Conn
	held    *goredis.Conn
	timeout time.Duration // of a write

	// Owned by the goroutine that receives.
	buf        []byte
	start, end int    // of what was read and not yet taken
	channel    string // of the last message: the next one is often to the same
	pattern    string

	// Owned by the goroutine that sends.
	out []byte
}

// push is one thing that Redis has sent.
type push struct {
	verb    string  // message, smessage, pmessage, pong, or that of a command that subscribes or unsubscribes
	message Message // of the first three
	name    string  // otherwise: the channel or pattern that the answer is for
}

// replyError is an error in place of an answer.
type replyError string

func (e replyError) Error() string { return string(e) }

// RedisError makes it a [goredis.Error].
func (replyError) RedisError() {}

// newFeed has go-redis introduce this process to Redis, and takes the connection over.
func newFeed(ctx context.Context, w *wire, timeout time.Duration) (*feed, error) {
	f := &feed{conn: w.conn, held: w.client.Conn(), timeout: timeout, buf: make([]byte, feedBytes)}
	err := f.held.Ping(ctx).Err()
	if err == nil {
		err = w.conn.SetDeadline(time.Time{}) // go-redis's last one
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// close gives the connection back to go-redis, whose client has to be closed next.
func (f *feed) close() { _ = f.held.Close() }

// command writes a command. It is called by one goroutine at a time.
func (f *feed) command(args ...string) error {
	b := append(f.out[:0], '*')
	b = append(strconv.AppendInt(b, int64(len(args)), 10), '\r', '\n')
	for _, arg := range args {
		b = append(b, '$')
		b = append(strconv.AppendInt(b, int64(len(arg)), 10), '\r', '\n')
		b = append(append(b, arg...), '\r', '\n')
	}
	f.out = b
	if cap(b) > keptFeedBytes {
		f.out = nil
	}
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.timeout)); err != nil {
		return err
	}
	_, err := f.conn.Write(b)
	return err
}

// receive waits for what Redis sends next. It is called by one goroutine at a time. After an error that is no reply of
// Redis nothing can be received any more.
func (f *feed) receive() (push, error) {
	for {
		c := cursor{rest: f.buf[f.start:f.end]}
		p, err := c.push(f)
		if !c.short {
			f.start = f.end - len(c.rest)
			return p, err
		}
		if err := f.fill(); err != nil {
			return push{}, err
		}
	}
}

// fill reads what there is, behind what was read and not yet taken.
func (f *feed) fill() error {
	switch left := f.buf[f.start:f.end]; {
	case len(left) == 0 && len(f.buf) > keptFeedBytes:
		f.buf, f.start, f.end = make([]byte, feedBytes), 0, 0
	case f.start > 0:
		f.start, f.end = 0, copy(f.buf, left)
	case f.end == len(f.buf):
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	n, err := f.conn.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// cursor reads what has arrived of one push.
type cursor struct {
	rest  []byte
	short bool // there is more to come
}

// push reads one whole push. Nothing of it refers to the buffer.
func (c *cursor) push(f *feed) (push, error) {
	head := c.line()
	if c.short {
		return push{}, nil
	}
	switch head[0] {
	case '-':
		return push{}, replyError(head[1:])
	case '+': // to a PING before the first subscription
		return push{verb: "pong"}, nil
	case '*':
	default:
		return push{}, errProtocol
	}
	n, err := strconv.Atoi(view(head[1:]))
	if err != nil || n < 2 || n > 4 {
		return push{}, errProtocol
	}
	var parts [4][]byte
	for i := range n {
		if parts[i], err = c.element(); err != nil || c.short {
			return push{}, err
		}
	}
	return f.push(parts[:n])
}

// push makes a push of its parts.
func (f *feed) push(parts [][]byte) (push, error) {
	verb := verbOf(parts[0])
	switch {
	case verb == "pong":
		return push{verb: verb}, nil
	case verb == "pmessage" && len(parts) == 4:
		return push{verb: verb, message: Message{
			Pattern: same(&f.pattern, parts[1]), Channel: same(&f.channel, parts[2]), Payload: bytes.Clone(parts[3]),
		}}, nil
	case len(parts) != 3:
	case verb == "message", verb == "smessage":
		return push{verb: verb, message: Message{
			Channel: same(&f.channel, parts[1]), Payload: bytes.Clone(parts[2]), Sharded: verb == "smessage",
		}}, nil
	case verb != "" && verb != "pmessage":
		return push{verb: verb, name: string(parts[1])}, nil
	}
	return push{}, errProtocol
}

// verbOf returns what a push begins with, "" for anything unknown.
func verbOf(b []byte) string {
	switch string(b) {
	case "message":
		return "message"
	case "pmessage":
		return "pmessage"
	case "smessage":
		return "smessage"
	case "pong":
		return "pong"
	}
	for _, pair := range verbs {
		for _, verb := range pair {
			if verb == string(b) {
				return verb
			}
		}
	}
	return ""
}

// same returns b as a string, the last one where it is that.
func same(last *string, b []byte) string {
	if string(b) != *last {
		*last = string(b)
	}
	return *last
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
