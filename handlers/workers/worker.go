package workers

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// A worker has so much out at most; what comes beyond waits.
const (
	maxOut      = 1024
	maxOutBytes = 4 << 20
	// maxWaiting and maxWaitingBytes bound what waits for one worker.
	maxWaiting      = 100_000
	maxWaitingBytes = 64 << 20
	// maxResultBytes bounds what a worker answers at once.
	maxResultBytes = 1 << 20
)

// claim is a pattern of a worker.
type claim struct {
	router.Pattern
	literal int
}

// worker is a client that has claimed events: one of this node, or of another.
type worker struct {
	// Static after construction.
	all  *Workers
	id   string
	node string    // "": it is here
	peer app.Asker // nil elsewhere
	salt uint64

	claims []claim     // guarded by Workers.mu
	heard  time.Time   // of its node; guarded by Workers.mu
	silent atomic.Bool // it left something unanswered, and has said nothing since

	mu sync.Mutex
	// mu guards the following.
	gone     bool
	tasks    map[uint64]*task // out and waiting
	out      int
	outBytes int
	waiting  []*task // in order; those that are over are among them
	bytes    int     // of waiting
}

// task is what a worker is asked.
type task struct {
	id       uint64
	body     []byte
	events   int
	notice   bool // its results are not looked at
	deadline time.Time
	done     func(outcome) // called once; must not block

	// worker.mu guards the following.
	out   bool
	timer *time.Timer
}

func (w *Workers) newWorker(id, node string, peer app.Asker) *worker {
	return &worker{all: w, id: id, node: node, peer: peer, salt: maphash.String(w.seed, id), tasks: make(map[uint64]*task)}
}

// claim returns how well the worker's best pattern names an event, -1 where none does. Who wants to come in, and who has
// left, also is for whoever claims any event of the namespace.
func (o *worker) claim(namespace, event string) int {
	best := -1
	for i := range o.claims {
		c := &o.claims[i]
		switch {
		case c.Matches(namespace, event):
			best = max(best, c.literal)
		case event == router.ConnectEvent && c.MatchesNamespace(namespace):
			best = max(best, 0)
		}
	}
	return best
}

// give asks the worker.
func (o *worker) give(t *task) {
	o.mu.Lock()
	room := o.peer == nil || o.fitsLocked(t)
	switch {
	case o.gone:
		o.mu.Unlock()
		t.done(outcome{err: &router.Unanswered{Reason: "the worker has left", Again: true, Unsent: true}})
		return
	case !room && (len(o.waiting) >= maxWaiting || o.bytes+len(t.body) > maxWaitingBytes):
		o.mu.Unlock()
		o.all.counters.full.Add(1)
		t.done(outcome{err: &router.Unanswered{Reason: "too many events wait", Unsent: true}})
		return
	}
	o.tasks[t.id] = t
	t.timer = time.AfterFunc(time.Until(t.deadline), func() { o.expire(t) })
	if !room {
		o.waiting = append(o.waiting, t)
		o.bytes += len(t.body)
		o.mu.Unlock()
		return
	}
	o.startLocked(t)
	o.mu.Unlock()
	o.send(t)
}

func (o *worker) fitsLocked(t *task) bool {
	return o.out == 0 || o.out+t.events <= maxOut && o.outBytes+len(t.body) <= int(o.all.outBytes.Load())
}

func (o *worker) startLocked(t *task) {
	t.out = true
	o.out += t.events
	o.outBytes += len(t.body)
}

// send brings a task on its way. Where that fails the worker is about to leave.
func (o *worker) send(t *task) {
	o.all.counters.sent.Add(uint64(t.events))
	if o.peer == nil {
		o.all.tellAsk(o, t)
		return
	}
	o.peer.Ask(t.id, &hub.Message{Namespace: Namespace, Event: "events", Args: []json.RawMessage{t.body}})
}

// take ends a task, and has those that wait go out in its place; nil: it was over.
func (o *worker) take(id uint64) *task {
	o.mu.Lock()
	t := o.tasks[id]
	if t == nil {
		o.mu.Unlock()
		return nil
	}
	delete(o.tasks, id)
	if o.peer == nil {
		o.all.abroad.Delete(id)
	}
	t.timer.Stop()
	var next []*task
	if t.out {
		o.out -= t.events
		o.outBytes -= len(t.body)
		next = o.nextLocked()
	}
	o.mu.Unlock()
	for _, n := range next {
		o.send(n)
	}
	return t
}

func (o *worker) nextLocked() (next []*task) {
	for len(o.waiting) > 0 {
		t := o.waiting[0]
		if o.tasks[t.id] != nil {
			if !o.fitsLocked(t) {
				return next
			}
			o.startLocked(t)
			next = append(next, t)
		}
		o.waiting[0] = nil
		o.waiting = o.waiting[1:]
		o.bytes -= len(t.body)
	}
	o.waiting = nil
	return next
}

// expire gives up a task.
func (o *worker) expire(t *task) {
	if o.take(t.id) == nil {
		return
	}
	o.all.counters.late.Add(1)
	if t.out && o.silent.CompareAndSwap(false, true) {
		o.all.o.Log.Warn("a worker does not answer in time: others are asked first", "worker", o.id)
	}
	t.done(outcome{err: &router.Unanswered{Reason: "no answer in time", Again: true, Unsent: !t.out}})
}

// answered takes what the worker says to a task.
func (o *worker) answered(id uint64, args []json.RawMessage, attachments [][]byte) {
	o.silent.Store(false)
	t := o.take(id)
	switch {
	case t == nil:
	case t.notice:
		t.done(outcome{})
	default:
		t.done(result(args, attachments))
	}
}

// end ends a task with what came of it at the worker's node.
func (o *worker) end(id uint64, came outcome) {
	if t := o.take(id); t != nil {
		t.done(came)
	}
}

// result reads the answer to a task of one event.
func result(args []json.RawMessage, attachments [][]byte) outcome {
	wrong := func(reason string) outcome { return outcome{err: &router.Unanswered{Reason: reason}} }
	if len(args) == 0 {
		return wrong("the worker answered nothing")
	}
	if len(attachments) > 0 {
		return wrong("binary values of a worker's answer are base64 in attachments")
	}
	if len(args[0]) > maxResultBytes {
		return wrong("the answer is longer than 1 MiB")
	}
	fields, ok := rawjson.Fields(args[0], "results")
	if !ok || fields[0] == nil {
		return wrong("the answer is no object with results")
	}
	var first [1]json.RawMessage
	list, err := rawjson.Split(fields[0], first[:0])
	if err != nil || len(list) == 0 {
		return wrong("there are fewer results than events")
	}
	return outcome{result: bytes.Clone(list[0])}
}

// leave fails what the worker was asked: it is no worker any more.
func (o *worker) leave() {
	o.all.set(o, nil)
	o.mu.Lock()
	o.gone = true
	tasks := o.tasks
	o.tasks, o.waiting = nil, nil
	o.out, o.outBytes, o.bytes = 0, 0, 0
	o.mu.Unlock()
	for id, t := range tasks {
		o.all.abroad.Delete(id)
		t.timer.Stop()
		if t.out {
			o.all.counters.died.Add(uint64(t.events))
		}
		t.done(outcome{err: &router.Unanswered{Reason: "the worker has left", Again: true, Unsent: !t.out}})
	}
}
