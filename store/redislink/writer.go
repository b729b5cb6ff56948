package redislink

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// pace is the least time between the beginnings of two batches, once they follow each other closely. One message
	// alone takes a write, a read and a few changes of goroutine on this side, and the like on each receiver's; one that
	// comes soon after another goes along with more instead. At 5,000 messages a second, one costs both sides together 15
	// us in place of 50, and comes a millisecond later (BenchmarkAcross).
	pace = 500 * time.Microsecond
	// keptItems is how large a queue's memory stays after a burst.
	keptItems = 8192
)

// sender writes for the writer over the connections of one life of Redis. It is used by the writer's goroutine alone.
type sender interface {
	// check asks whether Redis is there and is one to write to.
	check() error
	// subscribers asks how many there are of each channel.
	subscribers(sharded bool, channels []string) ([]int64, error)
	// send carries the commands out in order, of which items are the source, one for each. What has an error afterwards
	// that is no reply of Redis was not answered. It returns an error where the connection is of no use any more.
	send(items []*item, cmds []goredis.Cmder) error
	close()
}

// write is the writer's goroutine: it connects, writes what is queued, and connects again, until the link closes.
func (l *Link) write() {
	defer l.cancel() // the subscribers end with the writer
	w := writer{link: l, asked: map[*Gate]bool{}}
	wait := backoff{}
	for first := true; ; first = false {
		s, err := l.open()
		if err == nil {
			if !first {
				l.reconnects.Add(1)
			}
			began := time.Now()
			l.queue.start()
			if l.isClosing() { // Close may have been faster
				l.queue.stop()
			}
			l.state.setWriter(true, nil)
			l.hurry()
			err = w.serve(s)
			s.close()
			l.queue.stop()
			if err == nil {
				return
			}
			l.down(err)
			w.drop()
			l.topology.renew()
			if time.Since(began) > steady {
				wait = backoff{}
			}
		} else {
			l.down(err)
		}
		if !wait.sleep(l.closing, l.retry) {
			return
		}
	}
}

// down says that the writer has no connection, unless it is the link that ends.
func (l *Link) down(err error) {
	if !l.isClosing() {
		l.state.setWriter(false, err)
	}
}

func (l *Link) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// open makes what the writer writes with.
func (l *Link) open() (sender, error) {
	ctx, cancel := context.WithTimeout(l.ctx, 3*l.options.Timeout) // to find it, to connect, and to ask
	defer cancel()
	w, err := l.topology.wire(ctx, "")
	if err != nil {
		return nil, err
	}
	var s sender = newLineSender(w, l.topology)
	if c := l.topology.cluster(); c != nil {
		s = newClusterSender(w, l.topology, c)
	}
	if err := s.check(); err != nil {
		s.close()
		return nil, l.topology.greeting(err)
	}
	return s, nil
}

// writer is what the goroutine of write needs to make batches of items.
type writer struct {
	link  *Link
	taken []item          // what was taken from the queue
	left  []item          // of these, what was not yet written
	kept  []*item         // the batch, without what a gate has dropped
	cmds  []goredis.Cmder // one for each of these
	pool  []*publication
	used  int            // of pool, in this batch
	asked map[*Gate]bool // the gates of the batch, and whether they let things through
}

// serve writes until the connection breaks or, with no error, until the link closes and nothing waits any more.
func (w *writer) serve(s sender) error {
	l := w.link
	beat := time.NewTicker(l.options.Beat)
	defer beat.Stop()
	var began time.Time // of the last batch
	for {
		select {
		case <-beat.C:
			if err := s.check(); err != nil {
				return err
			}
		case <-l.suspect:
			if err := s.check(); err != nil {
				return err
			}
		default:
		}
		w.taken = l.queue.take(w.reuse())
		if len(w.taken) == 0 {
			if l.isClosing() {
				return nil
			}
			select {
			case <-l.queue.wake:
			case <-l.closing:
				l.queue.awake()
			case <-beat.C:
				l.queue.awake()
				if err := s.check(); err != nil {
					return err
				}
			case <-l.suspect:
				l.queue.awake()
				if err := s.check(); err != nil {
					return err
				}
			}
			continue
		}
		last := began
		began = time.Now()
		for w.left = w.taken; len(w.left) > 0; {
			if err := w.batch(s); err != nil {
				return err
			}
		}
		if rest := pace - time.Since(began); rest > 0 && began.Sub(last) < 4*pace {
			time.Sleep(rest)
		}
	}
}

// reuse gives the memory of the last items back, unless a burst has made it large.
func (w *writer) reuse() []item {
	clear(w.taken)
	if cap(w.taken) > keptItems {
		return nil
	}
	return w.taken
}
