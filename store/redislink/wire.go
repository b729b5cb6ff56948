package redislink

import (
	"context"
	"net"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
)

// wire is one connection. It is a client of go-redis that was given the connection and never makes another: one that
// go-redis would make behind our back would be one whose breaking nobody has noticed, with messages missed or written
// twice.
type wire struct {
	client *goredis.Client
	addr   string
	conn   net.Conn
	stop   func() bool // takes back that the connection breaks when the link ends
}

// connect makes a wire of the connection that dial makes. The handshake with Redis is still to come: the first command
// does it.
func (t *topology) connect(ctx context.Context, options *goredis.Options) (*wire, error) {
	conn, err := t.dial(ctx, "tcp", options.Addr)
	if err != nil {
		return nil, err
	}
	w := &wire{addr: options.Addr, conn: conn}
	w.stop = context.AfterFunc(t.ctx, w.cut)
	var given atomic.Bool
	options.Dialer = func(context.Context, string, string) (net.Conn, error) {
		if given.Swap(true) {
			return nil, errEnded
		}
		return conn, nil
	}
	options.PoolSize = 1
	options.ContextTimeoutEnabled = false // its deadlines are its own, not those of a caller
	w.client = goredis.NewClient(options)
	return w, nil
}

// cut breaks the connection under whoever waits for it. It may be called from any goroutine, more than once.
func (w *wire) cut() { _ = w.conn.Close() }

// close is for the one who uses the wire, once it is done with it.
func (w *wire) close() {
	w.stop()
	w.cut()
	_ = w.client.Close()
}
