package redislink

import (
	"sync"
	"sync/atomic"
)

// verb is what an item does.
type verb uint8

const (
	publish verb = iota
	spublish
	command
)

// item is one thing that waits to be written.
type item struct {
	verb    verb
	size    int
	channel string
	payload []byte
	args    []any
	done    func(reply any, err error)
	count   []string // channels whose subscribers are counted right before
	counted func(subscribers []int64, err error)
	only    uint64 // see [Command]

	// Owned by the writer.
	reply       any
	subscribers []int64 // of count
	err         error   // errUnanswered before there is one
}

// asksFirst reports whether a question goes out before the item.
func (i *item) asksFirst() bool { return i.count != nil && i.subscribers == nil }

// answeredFirst takes the answer to that; what is no answer leaves the number unknown.
func (i *item) answeredFirst(reply any) {
	sums := make([]int64, len(i.count))
	if addNumSub(sums, reply) == nil {
		i.subscribers = sums
	}
}

// slot implements [request].
func (i *item) slot() int {
	if i.verb == command {
		return commandSlot(i.args)
	}
	return slotOf(i.channel)
}

// appendTo implements [request].
func (i *item) appendTo(b []byte) []byte {
	switch i.verb {
	case command:
		return appendCommand(b, i.args...)
	case spublish:
		b = appendBulk(appendArray(b, 3), "spublish")
	default:
		b = appendBulk(appendArray(b, 3), "publish")
	}
	return appendBulk(appendBulk(b, i.channel), view(i.payload))
}

// answered notes what Redis has replied. What it replies to a publication means nothing: subscribers on other nodes of a
// Redis Cluster are not in it.
func (i *item) answered(reply any) {
	if i.err = errorOf(reply); i.err == nil && i.verb == command {
		i.reply = reply
	}
}

// itemBytes is what an item counts for beyond its channel and payload: what it takes in memory, about.
const itemBytes = 128

// finish tells whoever waits for the item what became of it.
func (i *item) finish(reply any, err error) {
	if i.done != nil {
		i.done(reply, err)
	}
	if i.counted != nil {
		i.counted(i.subscribers, err)
	}
}

// queue is what waits for the writer. Anybody puts, the writer alone takes.
type queue struct {
	limit int // bytes
	wake  chan struct{}
	lost  atomic.Uint64 // items that were refused, or taken and not done

	// mu guards the following.
	mu    sync.Mutex
	open  bool   // a writer takes what is put
	idle  bool   // the writer sleeps until wake
	items []item // in the order of put
	bytes int    // of items, and of what was taken and is not done
	count int    // the same in items
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// put reports whether the item was taken. It never waits.
func (q *queue) put(i item) bool {
	q.mu.Lock()
	if !q.open || q.bytes+i.size > q.limit {
		q.mu.Unlock()
		q.lost.Add(1)
		return false
	}
	q.items = append(q.items, i)
	q.bytes += i.size
	q.count++
	wake := q.idle
	q.idle = false
	q.mu.Unlock()
	if wake {
		q.wake <- struct{}{} // has room: there is one for each time the writer went to sleep
	}
	return true
}

// take gives all that waits to the writer, which gives back the slice it had before. Where nothing waits, the writer is to
// sleep until wake, and to say awake when something else got it up.
func (q *queue) take(used []item) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		q.idle = true
		return used[:0]
	}
	taken := q.items
	q.items = used[:0]
	return taken
}

// awake takes back that the writer sleeps.
func (q *queue) awake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.idle { // somebody has put, or is about to wake: that is one wake too many now
		<-q.wake
	}
	q.idle = false
}

// free makes room for as much as was done.
func (q *queue) free(items []item) {
	bytes := 0
	for i := range items {
		bytes += items[i].size
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	q.count -= len(items)
}

// start lets items in.
func (q *queue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = true
}

// stop lets nothing in any more. What was let in can still be taken.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = false
}

// load returns what waits or is being written.
func (q *queue) load() (items, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count, q.bytes
}

// accepts reports whether items are let in.
func (q *queue) accepts() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open
}
