package link

import (
	"context"
	"net"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// wire is one connection. It is a client of go-redis that dials once and never again: a connection that go-redis would make
// anew behind our back would be one whose breaking nobody has noticed, with messages missed or written twice.
type wire struct {
	client *goredis.Client
	addr   string

	// mu guards the following.
	mu     sync.Mutex
	dialed bool
	broken bool
	conn   net.Conn
	stop   func() bool // takes back what breaks the connection when the link ends
}

// newWire does not connect yet: the first command does.
func (t *topology) newWire(addr string) *wire {
	w := &wire{addr: addr}
	options := t.options(addr)
	options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.mu.Lock()
		again := w.dialed || w.broken
		w.dialed = true
		w.mu.Unlock()
		if again {
			return nil, errEnded
		}
		conn, err := t.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return w.keep(t.ctx, conn)
	}
	options.ContextTimeoutEnabled = false // its deadlines are its own, not those of a caller
	options.PoolSize = 1
	w.client = goredis.NewClient(options)
	return w
}

// keep remembers the connection, so that it can be broken while somebody waits for an answer from it.
func (w *wire) keep(ctx context.Context, conn net.Conn) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		_ = conn.Close()
		return nil, errEnded
	}
	w.conn = conn
	w.stop = context.AfterFunc(ctx, w.cut)
	return conn, nil
}

// cut breaks the connection under whoever waits for it. It may be called from any goroutine, more than once.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	if w.conn != nil {
		_ = w.conn.Close()
	}
}

// close is for the one who uses the wire, once it is done with it.
func (w *wire) close() {
	w.cut()
	w.mu.Lock()
	stop := w.stop
	w.mu.Unlock()
	if stop != nil {
		stop()
	}
	_ = w.client.Close()
}
