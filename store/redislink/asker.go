package redislink

import (
	"context"
	"sync"
	"time"
)

// asker asks one Redis over one connection, which it makes when there is something to ask. Questions are written as they
// come, and answered in their order. Nothing is asked twice.
type asker struct {
	// Static after construction.
	topology *topology
	node     string        // "": the Redis itself
	wake     chan struct{} // there is something to ask, and no connection
	ctx      context.Context
	cancel   context.CancelFunc

	// mu guards the following.
	mu      sync.Mutex
	conn    *conn       // nil: none
	out     []byte      // what is to be written next
	spare   []byte      // memory for it
	writing bool        // somebody is at it
	waiting []*question // not yet answered, in their order
}

// question is one or several commands whose answers somebody waits for.
type question struct {
	replies []any
	left    int // replies still to come
	err     error
	done    chan struct{}
}

func newAsker(t *topology, node string) *asker {
	a := &asker{topology: t, node: node, wake: make(chan struct{}, 1)}
	a.ctx, a.cancel = context.WithCancel(t.ctx)
	t.running.Go(a.run) // awaited by topology.close
	return a
}

// ask has n commands written, and waits for their replies until ctx ends; some of these may be an [Error].
func (a *asker) ask(ctx context.Context, n int, write func([]byte) []byte) ([]any, error) {
	q := &question{replies: make([]any, 0, n), left: n, done: make(chan struct{})}
	a.put(q, write)
	select {
	case <-q.done:
		return q.replies, q.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// put writes a question, and what others put meanwhile.
func (a *asker) put(q *question, write func([]byte) []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx.Err() != nil {
		q.err = errEnded
		close(q.done)
		return
	}
	a.out = write(a.out)
	a.waiting = append(a.waiting, q)
	if a.conn == nil {
		select {
		case a.wake <- struct{}{}:
		default:
		}
		return
	}
	if len(a.waiting) == 1 {
		a.expectLocked()
	}
	a.flushLocked()
}

// expectLocked gives Redis time for the next answer.
func (a *asker) expectLocked() {
	var until time.Time
	if len(a.waiting) > 0 {
		until = time.Now().Add(a.topology.silence)
	}
	_ = a.conn.raw.SetReadDeadline(until) // one that is closed says so to who reads
}

// flushLocked writes what there is, unless somebody is at it, and unlocks meanwhile.
func (a *asker) flushLocked() {
	if a.writing {
		return
	}
	a.writing = true
	for len(a.out) > 0 && a.conn != nil {
		c, b := a.conn, a.out
		a.out = a.spare[:0]
		a.mu.Unlock()
		_ = c.raw.SetWriteDeadline(time.Now().Add(a.topology.silence))
		_, err := c.raw.Write(b)
		a.mu.Lock()
		if err != nil {
			c.cut() // run is to see it
		}
		if a.spare = b; cap(b) > keptOutBytes {
			a.spare = nil
		}
	}
	a.writing = false
}

// run is the asker's goroutine: it connects and reads, until the asker is closed.
func (a *asker) run() {
	defer a.end(nil, errEnded)
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-a.wake:
		}
		c, err := a.topology.open(a.ctx, a.node)
		if err == nil {
			stop := context.AfterFunc(a.ctx, c.cut)
			err = a.read(c)
			stop()
			c.close()
		}
		a.end(c, err)
	}
}

// read reads answers until the connection ends.
func (a *asker) read(c *conn) error {
	a.mu.Lock()
	a.conn = c
	a.expectLocked()
	a.flushLocked()
	a.mu.Unlock()
	for {
		reply, err := c.value()
		if err != nil {
			return err
		}
		a.mu.Lock()
		if len(a.waiting) == 0 {
			a.mu.Unlock()
			return errProtocol
		}
		q := a.waiting[0]
		q.replies = append(q.replies, reply)
		if q.left--; q.left == 0 {
			a.waiting = a.waiting[1:]
			close(q.done)
		}
		a.expectLocked()
		a.mu.Unlock()
	}
}

// end tells whoever waits that there is no answer.
func (a *asker) end(c *conn, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conn, a.out = nil, nil
	for _, q := range a.waiting {
		q.err = err
		close(q.done)
	}
	a.waiting = nil
	select { // for what was put before, and has ended now
	case <-a.wake:
	default:
	}
}

// idle reports whether nobody waits for an answer.
func (a *asker) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiting) == 0
}

// renew breaks the connection: it may be as dead as another one that was found to be.
func (a *asker) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.conn.cut()
	}
}
