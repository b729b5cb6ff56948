package redislink

import (
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// press publishes over a connection that go-redis has introduced to Redis, and uses for everything else. A pipeline of
// go-redis takes about as long as the system calls it makes, which for a few messages at a time counts. It is used between
// commands of go-redis, whose answers have all been read then, by the same goroutine.
type press struct {
	stream
	timeout time.Duration
	out     []byte
}

func newPress(conn net.Conn, timeout time.Duration) press {
	return press{stream: newStream(conn), timeout: timeout}
}

// print publishes items, none of which is a command, in order, and writes into cmds what Redis has answered. What was not
// answered keeps its error. It returns an error where the connection is of no use any more.
func (p *press) print(items []*item, cmds []goredis.Cmder) error {
	if err := p.conn.SetDeadline(time.Now().Add(p.timeout)); err != nil {
		return err
	}
	b := p.out[:0]
	for _, it := range items {
		b = appendArray(b, 3)
		if it.verb == spublish {
			b = appendBulk(b, "spublish")
		} else {
			b = appendBulk(b, "publish")
		}
		b = appendBulk(appendBulk(b, it.channel), view(it.payload))
	}
	p.out = b
	if cap(b) > keptStreamBytes {
		p.out = nil
	}
	if _, err := p.conn.Write(b); err != nil {
		return err
	}
	for _, cmd := range cmds {
		err := p.answer()
		if err != nil && !isReply(err) {
			return err
		}
		cmd.SetErr(err)
	}
	if p.start != p.end {
		return errProtocol
	}
	return nil
}

// answer reads the answer to one publication.
func (p *press) answer() error {
	for {
		c := p.arrived()
		line := c.line()
		if c.short {
			if err := p.fill(); err != nil {
				return err
			}
			continue
		}
		p.take(c)
		switch line[0] {
		case ':':
			return nil
		case '-':
			return replyError(line[1:])
		}
		return errProtocol
	}
}
