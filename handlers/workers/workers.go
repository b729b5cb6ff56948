package workers

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/hub"
	"signalbox/server/signin"
)

// Namespace is where workers connect.
const Namespace = "/backend"

// MinKeyBytes is how long a key is at least: who has it reads what everybody sends.
const MinKeyBytes = 32

// Options are what workers are made of. Key and Allowed are needed.
type Options struct {
	router.OutsideOptions
	// Key is what a worker proves itself with.
	Key string
	// Allowed are the events that may be claimed.
	Allowed []router.Pattern
	// Nodes are the other nodes, whose workers serve clients of this one; nil: there are none.
	Nodes hub.Nodes
	// MaxOutBytes bounds what one worker has at a time, as what may wait to be sent to a client does; 0 or more than 4 MiB:
	// 4 MiB.
	MaxOutBytes int
	// Beat is how often nodes tell each other who their workers are; 0: 2 s.
	Beat time.Duration
}

// Call carries out a call of the API, and returns what it answers.
type Call func(ctx context.Context, name string, body json.RawMessage) json.RawMessage

// Workers is a [router.Backend] made of clients, and the handler of their namespace.
type Workers struct {
	*router.Outside

	// Static after construction.
	o        Options
	seed     maphash.Seed
	failures signin.Failures
	beat     *beat // nil: this node is alone

	// Set before the first client.
	call Call

	key      atomic.Pointer[string]
	outBytes atomic.Int64   // Options.MaxOutBytes, as SetMaxOut has left it
	calls    sync.WaitGroup // of the API; awaited by Close
	lastID   atomic.Uint64
	abroad   sync.Map // tasks at workers of other nodes: id to *worker
	counters counters

	mu sync.RWMutex
	// mu guards the following.
	list    []*worker     // those who have claimed something, here and at other nodes
	changed chan struct{} // closed when somebody claims something, or leaves
	lost    time.Time     // when one left last, or the server started
}

// New returns workers that nobody is yet.
func New(o Options) *Workers {
	if o.Nodes == nil {
		o.Nodes = hub.Alone
	}
	if o.Beat == 0 {
		o.Beat = beatTime
	}
	w := &Workers{o: o, seed: maphash.MakeSeed(), changed: make(chan struct{}), lost: time.Now()}
	w.SetKey(o.Key)
	w.SetMaxOut(o.MaxOutBytes)
	w.Outside = router.NewOutside(o.OutsideOptions, w)
	if o.Nodes.ID() != "" {
		w.beat = startBeat(w)
	}
	return w
}

// SetKey has workers that come from now on prove themselves with another key.
func (w *Workers) SetKey(key string) { w.key.Store(&key) }

// SetMaxOut sets [Options.MaxOutBytes] anew.
func (w *Workers) SetMaxOut(bytes int) {
	if bytes == 0 || bytes > maxOutBytes {
		bytes = maxOutBytes
	}
	w.outBytes.Store(int64(bytes))
}

// SetCall says who carries out calls of the API. It is called before the first client.
func (w *Workers) SetCall(call Call) { w.call = call }

// outcome is what came of a task.
type outcome struct {
	result json.RawMessage
	err    error
}

// Ask implements [router.Transport]. What a worker did not get since it was about to leave goes to the next one.
func (w *Workers) Ask(ctx context.Context, q *router.Question) (json.RawMessage, error) {
	body, done := router.Envelopes(q.Body), make(chan outcome, 1)
	for {
		to := w.await(ctx, q)
		if to == nil {
			return nil, &router.Unanswered{Reason: "no worker is there", Again: true, Unsent: true}
		}
		to.give(&task{id: w.lastID.Add(1), body: body, events: 1, deadline: q.Deadline, done: func(o outcome) { done <- o }})
		o := <-done // at its deadline at the latest
		u := (*router.Unanswered)(nil)
		if !errors.As(o.err, &u) || !u.Unsent || !u.Again || !time.Now().Before(q.Deadline) {
			return o.result, o.err
		}
	}
}

// await returns the worker of a question. While one may only be starting anew it waits for it.
func (w *Workers) await(ctx context.Context, q *router.Question) *worker {
	for {
		w.mu.RLock()
		to, changed := w.pickLocked(q.Socket.Peer.Namespace(), q.Event, q.Socket.Peer.ID()), w.changed
		end := w.lost.Add(w.Timeout())
		w.mu.RUnlock()
		if to != nil {
			return to
		}
		if q.Deadline.Before(end) {
			end = q.Deadline
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		t := time.NewTimer(left)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			left = 0
		}
		t.Stop()
		if left == 0 {
			return nil
		}
	}
}

// noticeTimeout is for the answer to notices.
const noticeTimeout = 10 * time.Second

// Reaches implements [router.Reacher].
func (w *Workers) Reaches(n *router.Notice) bool {
	return w.pick(n.Namespace, router.ConnectEvent, n.Socket) != nil
}

// Tell implements [router.Transport].
func (w *Workers) Tell(_ context.Context, batch []router.Notice) error {
	bodies := make(map[*worker][][]byte)
	for i := range batch {
		to := w.pick(batch[i].Namespace, router.ConnectEvent, batch[i].Socket)
		if to == nil {
			return errors.New("no worker is there")
		}
		bodies[to] = append(bodies[to], batch[i].Body)
	}
	done := make(chan outcome, len(bodies))
	for to, list := range bodies {
		to.give(&task{id: w.lastID.Add(1), body: router.Envelopes(list...), events: len(list), deadline: time.Now().Add(noticeTimeout),
			notice: true, done: func(o outcome) { done <- o }})
	}
	var err error
	for range bodies {
		err = errors.Join(err, (<-done).err)
	}
	return err
}

func (w *Workers) pick(namespace, event, socket string) *worker {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.pickLocked(namespace, event, socket)
}

// pickLocked returns whose an event of a socket is: of those whose pattern names it best, the one that the socket has the
// highest number with, so that few sockets change when somebody comes or leaves. Who does not answer comes last.
func (w *Workers) pickLocked(namespace, event, socket string) (best *worker) {
	var literal int
	var number uint64
	silent := true
	hash := maphash.String(w.seed, socket)
	for _, o := range w.list {
		l := o.claim(namespace, event)
		if l < 0 {
			continue
		}
		n, s := mix(hash^o.salt), o.silent.Load()
		if best == nil || silent && !s || silent == s && (l > literal || l == literal && n > number) {
			best, literal, number, silent = o, l, n, s
		}
	}
	return best
}

// mix spreads a number, as the last steps of splitmix64 do.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// set has a worker serve what it claims from now on, nothing where it claims nothing.
func (w *Workers) set(o *worker, claims []claim) {
	w.mu.Lock()
	o.claims = claims
	i := slices.Index(w.list, o)
	switch {
	case len(claims) > 0 && i < 0:
		w.list = append(w.list, o)
	case len(claims) == 0 && i >= 0:
		w.list = slices.Delete(w.list, i, i+1)
		w.lost = time.Now()
	}
	close(w.changed)
	w.changed = make(chan struct{})
	w.mu.Unlock()
	w.Nudge()
}

// of returns the workers of a node that have claimed something; of this one for "".
func (w *Workers) of(node string) []*worker {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var list []*worker
	for _, o := range w.list {
		if o.node == node {
			list = append(list, o)
		}
	}
	return list
}

// Close returns when nothing is on its way any more. It is called after the router's.
func (w *Workers) Close(ctx context.Context) {
	w.Outside.Close(ctx)
	if w.beat != nil {
		w.beat.close()
	}
	w.calls.Wait()
}
