package redislink

import (
	"context"
	"fmt"
	"unsafe"

	goredis "github.com/redis/go-redis/v9"
)

// lineSender writes to one Redis over one connection: every batch is one pipeline, in the order of the queue.
type lineSender struct {
	wire     *wire
	conn     *goredis.Conn
	press    press
	topology *topology
	roleless bool // may not ask for the role
}

func newLineSender(w *wire, t *topology) *lineSender {
	return &lineSender{wire: w, conn: w.client.Conn(), press: newPress(w.conn, t.timeout), topology: t}
}

// check asks for the role too, as the guide for clients of Sentinels wants it after each connection, since a master may
// have become a replica, on which what is published reaches nobody:
// https://redis.io/docs/latest/develop/reference/sentinel-clients/ Where that may not be asked, a PING has to do.
func (s *lineSender) check() error {
	ctx := context.Background() // the connection has deadlines of its own
	ping, role := goredis.NewCmd(ctx, "ping"), goredis.NewCmd(ctx, "role")
	cmds := []goredis.Cmder{ping, role}
	if s.roleless {
		cmds = cmds[:1]
	}
	if err := pipe(s.conn, cmds); err != nil {
		return err
	}
	if err := ping.Err(); err != nil { // LOADING, say, which keeps nobody from telling its role
		return err
	}
	if !s.roleless {
		reply, err := role.Slice()
		s.roleless = err != nil
		if len(reply) > 0 && reply[0] == "slave" {
			return errReplica
		}
	}
	return s.topology.check(s.wire.addr)
}

func (s *lineSender) subscribers(sharded bool, channels []string) ([]int64, error) {
	return numSub(context.Background(), s.conn, sharded, channels)
}

func (s *lineSender) send(items []*item, cmds []goredis.Cmder) error {
	for _, it := range items {
		if it.verb == command {
			return pipe(s.conn, cmds)
		}
	}
	return s.press.print(items, cmds)
}

func (s *lineSender) close() { s.wire.close() }

// pipe sends cmds as one pipeline, and returns an error where the connection broke, or could not be made.
func pipe(c interface{ Pipeline() goredis.Pipeliner }, cmds []goredis.Cmder) error {
	for _, cmd := range cmds {
		cmd.SetErr(errUnanswered) // go-redis leaves it where the handshake fails
	}
	p := c.Pipeline()
	ctx := context.Background() // the connection has deadlines of its own
	if err := p.BatchProcess(ctx, cmds...); err != nil {
		return err
	}
	_, err := p.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		switch broken := cmd.Err(); {
		case broken == errUnanswered:
			return err
		case isBroken(broken):
			return broken
		}
	}
	return nil
}

// processor is what carries out one command.
type processor interface {
	Process(ctx context.Context, cmd goredis.Cmder) error
}

func do(ctx context.Context, c processor, args ...any) *goredis.Cmd {
	cmd := goredis.NewCmd(ctx, args...)
	_ = c.Process(ctx, cmd) // cmd has the error
	return cmd
}

// numSub asks one Redis for the subscribers of each channel.
func numSub(ctx context.Context, c processor, sharded bool, channels []string) ([]int64, error) {
	args := make([]any, 2, 2+len(channels))
	args[0], args[1] = "pubsub", "numsub"
	if sharded {
		args[1] = "shardnumsub"
	}
	for _, channel := range channels {
		args = append(args, channel)
	}
	reply, err := do(ctx, c, args...).Slice()
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(channels)) // the reply: name, number, name, number, ... in the order of the question
	for i := range counts {
		if len(reply) <= 2*i+1 {
			return nil, fmt.Errorf("PUBSUB NUMSUB answers for %d of %d channels", len(reply)/2, len(channels))
		}
		n, ok := reply[2*i+1].(int64)
		if !ok {
			return nil, fmt.Errorf("PUBSUB NUMSUB answers with %T", reply[2*i+1])
		}
		counts[i] = n
	}
	return counts, nil
}

// view reads bytes that nobody changes any more as a string.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
