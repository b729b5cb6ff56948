package redislink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// clientName is what CLIENT LIST shows.
const clientName = "signalbox"

// keptOutBytes is how large the memory stays in which commands are put together.
const keptOutBytes = 1 << 20

// conn is one connection to a Redis. Nothing makes it anew behind the back of who uses it: he is to see that it broke, as
// messages may be missing then, or what he wrote may not have arrived.
type conn struct {
	raw net.Conn
	reader
	addr string
	out  []byte      // commands, for one goroutine at a time
	stop func() bool // takes back that the connection breaks when the link ends
}

// login is who is to be known to a Redis.
type login struct {
	user, password string
	db             int
}

// connect makes a connection and introduces this process.
func (t *topology) connect(ctx context.Context, addr string, as login) (*conn, error) {
	nc, err := t.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: nc, reader: newReader(nc), addr: addr}
	c.stop = context.AfterFunc(t.ctx, c.cut)
	if err := c.greet(t.timeout, as); err != nil {
		c.close()
		if isEnd(err) && t.tls == nil && t.ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errGreeting, err)
		}
		return nil, err
	}
	return c, nil
}

func (c *conn) greet(timeout time.Duration, as login) error {
	var cmds [][]any
	switch {
	case as.user != "":
		cmds = append(cmds, []any{"auth", as.user, as.password})
	case as.password != "":
		cmds = append(cmds, []any{"auth", as.password})
	}
	if as.db != 0 {
		cmds = append(cmds, []any{"select", as.db})
	}
	cmds = append(cmds, []any{"client", "setname", clientName})
	replies, err := c.ask(timeout, cmds...)
	if err != nil {
		return err
	}
	for _, reply := range replies[:len(replies)-1] { // a name is not worth an error
		if err := errorOf(reply); err != nil {
			return err
		}
	}
	return c.raw.SetDeadline(time.Time{})
}

// ask writes commands and waits for their replies, for one goroutine at a time. After an error the connection is of no use.
func (c *conn) ask(timeout time.Duration, cmds ...[]any) ([]any, error) {
	b := c.out[:0]
	for _, args := range cmds {
		b = appendCommand(b, args...)
	}
	if err := c.write(timeout, b); err != nil {
		return nil, err
	}
	replies := make([]any, len(cmds))
	for i := range replies {
		var err error
		if replies[i], err = c.value(); err != nil {
			return nil, err
		}
	}
	return replies, c.drained()
}

// write writes b, which was made of c.out, and gives the replies to it as much time as the writing.
func (c *conn) write(timeout time.Duration, b []byte) error {
	c.out = b
	if cap(b) > keptOutBytes {
		c.out = nil
	}
	if err := c.raw.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.raw.Write(b)
	return err
}

// send writes b, which was made of c.out, while another goroutine reads.
func (c *conn) send(timeout time.Duration, b []byte) error {
	c.out = b
	if err := c.raw.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := c.raw.Write(b)
	return err
}

// drained returns an error where there is more than was asked for.
func (c *conn) drained() error {
	if c.Buffered() > 0 {
		return errProtocol
	}
	return nil
}

// cut breaks the connection under whoever waits for it. It may be called from any goroutine, more than once.
func (c *conn) cut() { _ = c.raw.Close() }

// close is for the one who uses the connection, once he is done with it.
func (c *conn) close() {
	c.stop()
	c.cut()
}

// errorOf returns a reply that is an error as one.
func errorOf(reply any) error {
	if err, is := reply.(Error); is {
		return err
	}
	return nil
}

// numSubCommand asks for the subscribers of each channel.
func numSubCommand(sharded bool, channels []string) []any {
	args := append(make([]any, 0, 2+len(channels)), "pubsub", "numsub")
	if sharded {
		args[1] = "shardnumsub"
	}
	for _, channel := range channels {
		args = append(args, channel)
	}
	return args
}

var errNumSub = errors.New("unexpected reply to PUBSUB NUMSUB")

// addNumSub adds what one Redis has replied: name, number, name, number, ... in the order of the question.
func addNumSub(sums []int64, reply any) error {
	if err := errorOf(reply); err != nil {
		return err
	}
	list, _ := reply.([]any)
	if len(list) != 2*len(sums) {
		return errNumSub
	}
	for i := range sums {
		n, ok := list[2*i+1].(int64)
		if !ok {
			return errNumSub
		}
		sums[i] += n
	}
	return nil
}
