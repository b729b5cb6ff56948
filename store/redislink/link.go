package redislink

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
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

// Open reads the options and starts to connect. Redis need not be there: an error means that the options are wrong, and
// says what to write instead.
func Open(o Options) (*Link, error) {
	a, err := o.complete()
	if err != nil {
		return nil, err
	}
	l := &Link{
		options: o, queue: newQueue(o.QueueBytes),
		closing: make(chan struct{}),
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

// Scattered reports whether what is published may come over several connections, each in its own order.
func (l *Link) Scattered() bool { return l.topology.cluster != nil }

// Up reports whether the last question whether Redis is there was answered, and every [Subscriber] is subscribed to all
// it wants.
func (l *Link) Up() bool { return l.state.isUp() }

// Downs returns how often the link went from up to away. It is cheap, and counts what [Link.OnState] is still to tell.
func (l *Link) Downs() uint64 { return l.state.downs.Load() }

// OnState has f called with every change of [Link.Up]: once with true at first, also where that was before OnState; then
// with false and true in turn. Calls come one at a time, in order, on a goroutine of the link; f may use the link, but
// not close it. Where f is slow, a pair of changes that cancel each other out may be left out.
func (l *Link) OnState(f func(up bool)) { l.state.register(f) }

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
