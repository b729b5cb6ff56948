package cluster

import (
	"context"
	"runtime/debug"
	"sync"
)

const (
	// maxAnswering bounds the questions that are being answered at once; what comes beyond is not answered.
	maxAnswering = 256
	// maxWaiting bounds the questions to clients that other servers wait for the answers of. Each may take minutes.
	maxWaiting = 10_000
	// maxTasks bounds what waits to be carried out in order.
	maxTasks = 1024
)

// background are the goroutines that do what the one that receives must not wait for. [background.end] waits for them.
type background struct {
	// Static after construction.
	ctx   context.Context // ends with the cluster
	tasks chan func()

	running sync.WaitGroup

	// mu guards the following.
	mu    sync.Mutex
	over  bool
	count [2]int // of each lane
}

// lane is a kind of goroutine, with a bound of its own: questions that take minutes do not keep the quick ones out.
type lane uint8

const (
	quick lane = iota
	patient
)

var laneBounds = [...]int{quick: maxAnswering, patient: maxWaiting}

// start runs f on a goroutine, and reports whether it does: not beyond the bound of its lane, nor after end.
func (b *background) start(l lane, f func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over || b.count[l] >= laneBounds[l] {
		return false
	}
	b.count[l]++
	b.running.Go(func() { // awaited by end
		defer func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.count[l]--
		}()
		f()
	})
	return true
}

// inOrder runs f behind what was given to it before, on one goroutine, and reports whether it will, unless the
// cluster ends first: not where too much waits.
func (b *background) inOrder(f func()) bool {
	select {
	case b.tasks <- f:
		return true
	default:
		return false
	}
}

// work runs what was given to inOrder until the cluster ends.
func (b *background) work() {
	for {
		select {
		case <-b.ctx.Done():
			return
		case f := <-b.tasks:
			f()
		}
	}
}

// end returns when no goroutine runs any more. None is started after it was called. ctx is over by then.
func (b *background) end() {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.running.Wait()
}

// inBackground runs f on a goroutine that Stop waits for, and reports whether it does; that it does not is counted.
func (c *Cluster) inBackground(l lane, f func()) bool {
	started := c.background.start(l, func() { c.guarded("a question of another server", f) })
	if !started {
		c.stats.overloads.Add(1)
	}
	return started
}

// inOrder runs f behind what was given to it before, on one goroutine; that it does not is counted.
func (c *Cluster) inOrder(f func()) {
	if !c.background.inOrder(func() { c.guarded("a request of another server", f) }) {
		c.stats.overloads.Add(1)
	}
}

// guarded runs f, which calls what others have registered. A panic there ends nothing but f.
func (c *Cluster) guarded(what string, f func()) {
	defer c.recovered(what)
	f()
}

// recovered is deferred around what others have registered. The first panic of each kind is logged; all are counted.
func (c *Cluster) recovered(what string) {
	r := recover()
	if r == nil {
		return
	}
	c.stats.panics.Add(1)
	if _, logged := c.panicked.LoadOrStore(what, true); !logged {
		c.log.Error("a handler of the cluster panicked; it is logged once",
			"at", what, "panic", r, "stack", string(debug.Stack()))
	}
}
