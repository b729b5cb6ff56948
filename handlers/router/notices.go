package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"signalbox/internal/backoff"
)

const (
	noticeBatch = 50
	noticeDelay = 50 * time.Millisecond
	// noticeLife is how long one is sent again.
	noticeLife = 24 * time.Hour
	// maxNoticeBatchBytes bounds what is told at once.
	maxNoticeBatchBytes = 256 << 10
	// reasonServerGone is why a client left whose server ended without saying so.
	reasonServerGone = "server gone"

	maxNotices     = 100_000
	maxNoticeBytes = 64 << 20
)

// NoticeStore keeps notices over the end of the process. Its methods may be called from any goroutine.
type NoticeStore interface {
	// Put keeps a notice, in place of an older one with its id. done is called when it would outlive the process; nil: nobody
	// waits.
	Put(n Notice, done func(error))
	// Delete forgets notices.
	Delete(ids ...string)
}

// Notice is something that the backend is told and nobody waits for.
type Notice struct {
	ID, Socket string
	Namespace  string
	Since      time.Time
	Body       []byte

	tries int
	next  time.Time // of one that was refused alone
	spare bool      // it goes first where there is no room
}

// NoticeOptions are what notices are made of.
type NoticeOptions struct {
	Store NoticeStore // nil: they end with the process
	// Most and MostBytes bound what waits; 0: 100,000 and 64 MiB. Over that no client is let in.
	Most, MostBytes int
	Log             *slog.Logger
}

// Notices tell the backend what nobody waits for, in order for each socket, until it answers. A nil *Notices tells nothing.
type Notices struct {
	// Static after construction.
	o      NoticeOptions
	to     Transport
	ctx    context.Context // of what is told; ends with close
	cancel context.CancelFunc
	done   chan struct{} // closed when the sender has ended
	wake   chan struct{} // holds one: there is something to do
	hurry  chan struct{} // holds one: whoever waits to send again does not

	mu sync.Mutex
	// mu guards the following.
	waiting []Notice
	bytes   int
	spare   int      // how many of waiting go first where there is no room
	aside   []Notice // refused by themselves; what comes later for their sockets is behind them
	ending  bool     // nothing more comes
	figures NoticeStats
}

// NoticeStats are figures of notices.
type NoticeStats struct {
	Waiting      int // now
	Sent, Failed uint64
	Expired      uint64
	Dropped      uint64 // for want of room
}

// NewNotices returns notices that are told once a backend has them.
func NewNotices(o NoticeOptions) *Notices {
	o.Most, o.MostBytes = cmp.Or(o.Most, maxNotices), cmp.Or(o.MostBytes, maxNoticeBytes)
	n := &Notices{o: o, done: make(chan struct{}), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// restore has notices told that the store kept.
func (n *Notices) restore(kept []Notice) {
	n.mu.Lock()
	n.waiting = append(kept, n.waiting...)
	for _, k := range kept {
		n.bytes += len(k.Body)
	}
	n.mu.Unlock()
	n.nudge()
}

// keep has a notice in the store, and not told.
func (n *Notices) keep(notice Notice) {
	if n.o.Store != nil {
		n.o.Store.Put(notice, nil)
	}
}

// forget has a notice in the store no more.
func (n *Notices) forget(id string) {
	if n.o.Store != nil && id != "" {
		n.o.Store.Delete(id)
	}
}

func (n *Notices) start(to Transport) {
	n.to = to
	go n.run() // awaited by close
}

// ErrNoticeRefused is the error of telling notices that were refused for what is in them.
var ErrNoticeRefused = errors.New("refused")

// errFull keeps a client out while there is no room for what is to be told of it.
var errFull = errors.New("too many notices wait")

// asked writes down that a client is asked about, before it is. It returns when that would outlive this process.
func (n *Notices) asked(ctx context.Context, s *Socket) error {
	n.mu.Lock()
	full := n.fullLocked()
	n.mu.Unlock()
	if full {
		return errFull
	}
	if n.o.Store == nil {
		return nil
	}
	written := make(chan error, 1)
	n.o.Store.Put(n.notice(s, ReasonNotAdmitted), func(err error) { written <- err })
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fullLocked reports whether there is no room, also where those have gone that go first.
func (n *Notices) fullLocked() bool {
	isFull := func() bool { return len(n.waiting) >= n.o.Most || n.bytes >= n.o.MostBytes }
	if isFull() && n.spare > 0 {
		n.figures.Dropped += uint64(n.spare)
		n.waiting = slices.DeleteFunc(n.waiting, func(w Notice) bool {
			if w.spare {
				n.bytes -= len(w.Body)
				n.forget(w.ID)
			}
			return w.spare
		})
		n.spare = 0
	}
	return isFull()
}

func (n *Notices) notice(s *Socket, reason string) Notice {
	return Notice{
		ID: s.DisconnectID(), Socket: s.Peer.ID(), Namespace: s.Peer.Namespace(), Since: time.Now(), Body: s.AppendDisconnect(nil, reason),
	}
}

// withdraw takes asked back.
func (n *Notices) withdraw(s *Socket) {
	if n != nil && n.o.Store != nil {
		n.o.Store.Delete(s.DisconnectID())
	}
}

// admitted writes down that a client is in.
func (n *Notices) admitted(s *Socket) {
	if n.o.Store != nil {
		n.o.Store.Put(n.notice(s, reasonServerGone), nil)
	}
}

// Left implements [Leaver].
func (n *Notices) Left(s *Socket, reason string) {
	if n != nil {
		n.put(n.notice(s, reason))
	}
}

// add has a notice told behind the others.
func (n *Notices) add(id string, s *Socket, body []byte) {
	n.put(Notice{ID: id, Socket: s.Peer.ID(), Namespace: s.Peer.Namespace(), Since: time.Now(), Body: body})
}

func (n *Notices) put(notice Notice) {
	n.mu.Lock()
	if n.fullLocked() && notice.spare {
		n.figures.Dropped++
		n.mu.Unlock()
		n.forget(notice.ID)
		return
	}
	n.mu.Unlock()
	n.keep(notice)
	n.mu.Lock()
	if notice.spare {
		n.spare++
	}
	n.waiting = append(n.waiting, notice)
	n.bytes += len(notice.Body)
	n.mu.Unlock()
	n.nudge()
}

func (n *Notices) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run sends what there is until nothing more comes.
func (n *Notices) run() {
	defer close(n.done)
	pause := backoff.Pause{Least: time.Second, Most: 2 * time.Minute}
	for {
		batch, wait, ending := n.take()
		if len(batch) == 0 {
			if ending || n.ctx.Err() != nil {
				return
			}
			n.idle(wait)
			continue
		}
		err := n.to.Tell(n.ctx, batch)
		switch {
		case err == nil:
			pause.Reset()
			n.told(batch)
		case errors.Is(err, ErrNoticeRefused):
			n.oneByOne(batch)
		default:
			n.back(batch)
			select {
			case <-time.After(pause.Spread()):
			case <-n.hurry:
				pause.Reset()
			case <-n.ctx.Done():
				return
			}
		}
	}
}

// SendNow has what waits sent again at once.
func (n *Notices) SendNow() {
	n.mu.Lock()
	for i := range n.aside {
		n.aside[i].next = time.Time{}
	}
	n.mu.Unlock()
	select {
	case n.hurry <- struct{}{}:
	default:
	}
	n.nudge()
}

// Waiting returns how many notices wait, and the first ones of them.
func (n *Notices) Waiting(most int) (all int, first []Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := slices.Concat(n.aside, n.waiting)
	return len(list), list[:min(most, len(list))]
}

// idle waits for something to do.
func (n *Notices) idle(wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-n.wake:
		sleep(n.ctx, noticeDelay) // for others, so that they share a request
	case <-t.C:
	case <-n.ctx.Done():
	}
}

// take returns what the next request brings: at most one notice of each socket.
func (n *Notices) take() (batch []Notice, wait time.Duration, ending bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if i := slices.IndexFunc(n.aside, func(a Notice) bool { return !now.Before(a.next) }); i >= 0 {
		batch = append(batch, n.aside[i])
		n.aside = slices.Delete(n.aside, i, i+1)
		return batch, 0, n.ending
	}
	wait = time.Hour
	reacher, _ := n.to.(Reacher)
	blocked := make(map[string]bool)
	for _, a := range n.aside {
		blocked[a.Socket] = true
		wait = min(wait, time.Until(a.next))
	}
	size, kept, i := 0, n.waiting[:0:0], 0
	for ; i < len(n.waiting); i++ {
		w := n.waiting[i]
		if len(batch) >= noticeBatch || len(batch) > 0 && size+len(w.Body) > maxNoticeBatchBytes {
			break
		}
		isBlocked := blocked[w.Socket] || reacher != nil && !reacher.Reaches(&w)
		blocked[w.Socket] = true
		if isBlocked {
			kept = append(kept, w)
			continue
		}
		batch = append(batch, w)
		size += len(w.Body)
		if w.spare {
			n.spare--
		}
	}
	if rest := n.waiting[i:]; len(kept) == 0 {
		n.waiting = rest
	} else {
		n.waiting = append(kept, rest...)
	}
	n.bytes -= size
	return batch, wait, n.ending
}

// back puts notices in front again, but for those that are too old.
func (n *Notices) back(batch []Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.figures.Failed++
	young := batch[:0:0]
	for _, b := range batch {
		if n.expiredLocked(b) {
			continue
		}
		n.bytes += len(b.Body)
		young = append(young, b)
		if b.spare {
			n.spare++
		}
	}
	n.waiting = append(young, n.waiting...)
}

func (n *Notices) expiredLocked(b Notice) bool {
	if time.Since(b.Since) < noticeLife {
		return false
	}
	n.figures.Expired++
	n.o.Log.Error("a notice could not be told for a day, and is dropped", "id", b.ID)
	n.forget(b.ID)
	return true
}

// oneByOne sends the notices of a request that was refused each by itself: one that is refused alone does not hold up the
// others.
func (n *Notices) oneByOne(batch []Notice) {
	for i := range batch {
		b := batch[i]
		err := ErrNoticeRefused
		if len(batch) > 1 {
			err = n.to.Tell(n.ctx, batch[i:i+1])
		}
		switch {
		case err == nil:
			n.told(batch[i : i+1])
		case errors.Is(err, ErrNoticeRefused):
			b.tries++
			pause := backoff.Pause{Least: min(time.Second<<min(b.tries, 12), 10*time.Minute), Most: 10 * time.Minute}
			b.next = time.Now().Add(pause.Spread())
			n.mu.Lock()
			n.figures.Failed++
			if !n.expiredLocked(b) {
				n.aside = append(n.aside, b)
			}
			n.mu.Unlock()
		default:
			n.back(batch[i:])
			return
		}
	}
}

func (n *Notices) told(batch []Notice) {
	ids := make([]string, len(batch))
	for i := range batch {
		ids[i] = batch[i].ID
	}
	if n.o.Store != nil {
		n.o.Store.Delete(ids...)
	}
	n.mu.Lock()
	n.figures.Sent += uint64(len(batch))
	n.mu.Unlock()
}

// close sends what waits, until ctx is over at most. What is left stays in the store, where there is one.
func (n *Notices) close(ctx context.Context) {
	if n == nil {
		return
	}
	n.mu.Lock()
	n.ending = true
	n.mu.Unlock()
	n.nudge()
	stop := context.AfterFunc(ctx, n.cancel)
	<-n.done
	stop()
	n.cancel()
	n.mu.Lock()
	left := len(n.waiting) + len(n.aside)
	n.mu.Unlock()
	if left > 0 && n.o.Store == nil {
		n.o.Log.Warn("notices were not told and end with the process; HOOKS_DB=<file> keeps them", "notices", fmt.Sprint(left))
	}
}

func (n *Notices) stats() NoticeStats {
	if n == nil {
		return NoticeStats{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.figures
	s.Waiting = len(n.waiting) + len(n.aside)
	return s
}
