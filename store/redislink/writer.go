package redislink

import (
	"context"
	"errors"
	"time"
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

// write is the writer's goroutine: it connects, writes what is queued, and connects again, until the link closes.
func (l *Link) write() {
	defer l.cancel() // the subscribers end with the writer
	w := writer{link: l}
	defer func() { // what waits for a connection when the link closes
		l.queue.stop()
		w.drop()
	}()
	var again reconnect
	for first := true; ; {
		s, err := l.open()
		if err != nil {
			l.down(err)
			l.queue.stop()
			w.drop()
			if !l.sleep(again.after(0)) {
				return
			}
			continue
		}
		if !first {
			l.reconnects.Add(1)
		}
		first = false
		began := time.Now()
		l.queue.start()
		if l.isClosing() { // Close may have been faster
			l.queue.stop()
		}
		l.state.setWriter(true, nil)
		l.hurry()
		err = w.serve(s)
		s.close()
		if err == nil {
			return
		}
		l.topology.renew()
		if errors.Is(err, errFailover) || errors.Is(err, errReplica) {
			continue // everything written was answered, and what waits is written to the master that there is now
		}
		l.down(err)
		if !isEnd(err) { // it may be slow: what was written last may still arrive, and is not to be overtaken
			l.queue.stop()
			w.drop()
		}
		if !l.sleep(again.after(time.Since(began))) {
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
	return l.topology.openSender(ctx)
}

// writer is what the goroutine of write needs to make batches of items.
type writer struct {
	link  *Link
	taken []item  // what was taken from the queue
	left  []item  // of these, what was not yet written
	sent  []*item // the batch
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
		if len(w.left) == 0 {
			w.taken = l.queue.take(w.reuse())
			w.left = w.taken
		}
		if len(w.left) == 0 {
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
		for len(w.left) > 0 {
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
