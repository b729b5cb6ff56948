package redislink

import (
	"bytes"
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"
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
	held    *goredis.Conn
	timeout time.Duration // of a write

	// Owned by the goroutine that receives. Its conn is used by both.
	stream
	channel string // of the last message: the next one is often to the same
	pattern string

	// Owned by the goroutine that sends.
	out []byte
}

// push is one thing that Redis has sent.
type push struct {
	verb    string  // message, smessage, pmessage, pong, or that of a command that subscribes or unsubscribes
	message Message // of the first three
	name    string  // otherwise: the channel or pattern that the answer is for
}

// newFeed has go-redis introduce this process to Redis, and takes the connection over.
func newFeed(ctx context.Context, w *wire, timeout time.Duration) (*feed, error) {
	f := &feed{held: w.client.Conn(), timeout: timeout, stream: newStream(w.conn)}
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
	f.out = appendArray(f.out[:0], len(args))
	for _, arg := range args {
		f.out = appendBulk(f.out, arg)
	}
	if err := f.conn.SetWriteDeadline(time.Now().Add(f.timeout)); err != nil {
		return err
	}
	_, err := f.conn.Write(f.out)
	return err
}

// receive waits for what Redis sends next. It is called by one goroutine at a time. After an error that is no reply of
// Redis nothing can be received any more.
func (f *feed) receive() (push, error) {
	for {
		c := f.arrived()
		p, err := c.push(f)
		if !c.short {
			f.take(c)
			return p, err
		}
		if err := f.fill(); err != nil {
			return push{}, err
		}
	}
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
