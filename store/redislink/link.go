package redislink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Link is the connection of this process to Redis. All methods may be called from any goroutine.
type Link struct {
	// Static after construction.
	options  Options
	topology *topology
	queue    *queue
	state    *state
	ctx      context.Context // ends with the link
	cancel   context.CancelFunc
	suspect  chan struct{} // the writer is to see at once whether Redis is there
	retry    chan struct{} // the writer is to connect at once, if it waits to do so
	closing  chan struct{} // the writer is to write what waits, and end
	doing    chan struct{} // has a place for each call of Do that may be under way

	sent       atomic.Uint64
	reconnects atomic.Uint64

	running sync.WaitGroup // every goroutine of the link

	// mu guards the following.
	mu          sync.Mutex
	closed      bool
	subscribers []*Subscriber
}

// Stats are numbers since the link was opened, and how it is now.
type Stats struct {
	Up          bool
	Since       time.Time // when Up came to be what it is
	Reason      string    // why it is away; empty while it is up, and before the first attempt has failed
	Downs       uint64    // times it went from up to away
	Reconnects  uint64    // connections to write with that were made after the first
	Queued      int       // items that wait, or are being written
	QueuedBytes int       // the same in bytes
	Sent        uint64    // items Redis has answered
	Lost        uint64    // items that were refused, or that Redis has not answered
}

// doAtOnce is how many calls of Do go on at a time, and so how many connections to one Redis the pool comes to; a process
// has two more, to write and to receive. Some hosts count them, and a command takes a fraction of a millisecond.
const doAtOnce = 8

// Open reads the options and starts to connect. Redis need not be there: an error means that the options are wrong, and
// says what to write instead.
func Open(o Options) (*Link, error) {
	a, err := o.complete()
	if err != nil {
		return nil, err
	}
	l := &Link{
		options: o, queue: newQueue(o.QueueBytes),
		doing: make(chan struct{}, doAtOnce), closing: make(chan struct{}),
		suspect: make(chan struct{}, 1), retry: make(chan struct{}, 1),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.topology = newTopology(l.ctx, o, a)
	l.state = newState(o.Log, l.queue.lost.Load)
	l.running.Go(func() { l.state.run(l.ctx) }) // awaited by Close
	l.running.Go(l.write)                       // awaited by Close
	if s := l.topology.asking; s != nil {
		l.running.Go(func() { s.watch(o.Beat, l.doubt) }) // awaited by Close
	}
	return l, nil
}

// Close writes what waits, for Timeout at most, and ends every connection and goroutine. Functions of OnState are not told.
// It must not be called from a function the link calls.
func (l *Link) Close() {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.closing) // first: the writer, which lets items in, looks at it afterwards
		l.queue.stop()
		overdue := time.AfterFunc(l.options.Timeout, l.cancel)
		defer overdue.Stop()
	}
	l.running.Wait()
	l.topology.close()
}

// Up reports whether the last question whether Redis is there was answered, and every [Subscriber] is subscribed to all
// it wants.
func (l *Link) Up() bool { return l.state.isUp() }

// Downs returns how often the link went from up to away. It is cheap, and counts what [Link.OnState] is still to tell.
func (l *Link) Downs() uint64 { return l.state.downs.Load() }

// OnState has f called with every change of [Link.Up]: once with true at first, also where that was before OnState; then
// with false and true in turn. Calls come one at a time, in order, on a goroutine of the link; f may use the link, but
// not close it. Where f is slow, a pair of changes that cancel each other out may be left out.
func (l *Link) OnState(f func(up bool)) { l.state.register(f) }

// Do calls f with a client for commands whose answer is waited for. Such commands go over connections of their own, so
// they keep no order with what is queued. ctx is given to f with the timeout of the link. Eight calls go on at a time,
// and others wait for that long at most; so f must not call Do.
//
// It returns [ErrAway] at once while Redis is away, and wraps it where Redis went away during the call; otherwise what f
// returned. No command is tried again after a connection broke, except by a Redis Cluster's client, which may carry it
// out twice then.
func (l *Link) Do(ctx context.Context, f func(ctx context.Context, c goredis.UniversalClient) error) error {
	if !l.queue.accepts() {
		return l.away()
	}
	limited, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	err := l.do(limited, f)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err // it was the caller's time that was over
	case l.ctx.Err() != nil:
		return l.away()
	case turnsAway(err), isNetwork(err):
		l.doubt()
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// do calls f once there is a place for it.
func (l *Link) do(ctx context.Context, f func(ctx context.Context, c goredis.UniversalClient) error) error {
	select {
	case l.doing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.doing }()
	return f(ctx, l.topology.pool())
}

// isNetwork reports whether an error of f, which may return its own, says that a connection broke or did not answer.
func isNetwork(err error) bool {
	var network net.Error
	return !isReply(err) && (errors.As(err, &network) || isTimeout(err) || isEnd(err) || errors.Is(err, goredis.ErrClosed))
}

func (l *Link) away() error {
	select {
	case <-l.closing:
		return fmt.Errorf("%w: %w", ErrAway, ErrClosed)
	default:
		return ErrAway
	}
}

// doubt has the writer see at once whether Redis is there.
func (l *Link) doubt() {
	select {
	case l.suspect <- struct{}{}:
	default: // it is about to
	}
}

// hurry has the subscribers that wait to connect do so at once.
func (l *Link) hurry() {
	l.mu.Lock()
	subscribers := l.subscribers
	l.mu.Unlock()
	for _, s := range subscribers {
		s.hurry()
	}
}

// Stats returns the numbers of the link.
func (l *Link) Stats() Stats {
	s := l.state.stats()
	s.Queued, s.QueuedBytes = l.queue.load()
	s.Sent, s.Lost, s.Reconnects = l.sent.Load(), l.queue.lost.Load(), l.reconnects.Load()
	return s
}
