package cluster

import (
	"sync"
	"time"
)

// countTimeout is how long the numbers of a counted message may take.
const countTimeout = time.Second

// counts are counted messages whose numbers are still to come.
type counts struct {
	// Static after construction.
	late func(node string) // called for one that did not answer in time, without mu

	mu sync.Mutex
	// mu guards the following.
	last uint64
	open map[uint64]*count
}

// count is one counted message.
type count struct {
	waiting  map[string]struct{}
	foreign  bool // the number of servers of other kinds is waited for
	sum      int
	complete bool
	counted  func(n int, complete bool)
	timer    *time.Timer
}

// add waits for the numbers of nodes, and where foreign is set for that of servers of other kinds. complete: these are all
// there are. counted is called once, without mu.
func (cs *counts) add(nodes []string, foreign, complete bool, counted func(n int, complete bool)) (id uint64) {
	c := &count{foreign: foreign, complete: complete, counted: counted, waiting: make(map[string]struct{}, len(nodes))}
	for _, node := range nodes {
		c.waiting[node] = struct{}{}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.last++
	id = cs.last
	cs.open[id] = c
	c.timer = time.AfterFunc(countTimeout, func() { cs.giveUp(id) })
	return id
}

// answer takes a node's number.
func (cs *counts) answer(id uint64, node string, n int) {
	cs.settle(id, func(c *count) {
		c.sum += n
		delete(c.waiting, node)
	})
}

// foreign takes the number of servers of other kinds.
func (cs *counts) foreign(id uint64, n int, complete bool) {
	cs.settle(id, func(c *count) {
		c.sum += n
		c.foreign = false
		c.complete = c.complete && complete
	})
}

// fail ends a count that nobody will answer.
func (cs *counts) fail(id uint64) {
	cs.settle(id, func(c *count) {
		c.foreign, c.complete = false, false
		clear(c.waiting)
	})
}

// settle changes a count, and reports it where nobody is waited for any more.
func (cs *counts) settle(id uint64, change func(*count)) {
	cs.mu.Lock()
	c := cs.open[id]
	if c == nil {
		cs.mu.Unlock()
		return
	}
	change(c)
	if c.foreign || len(c.waiting) > 0 {
		cs.mu.Unlock()
		return
	}
	delete(cs.open, id)
	cs.mu.Unlock()
	c.timer.Stop()
	c.counted(c.sum, c.complete)
}

func (cs *counts) giveUp(id uint64) {
	cs.mu.Lock()
	c := cs.open[id]
	delete(cs.open, id)
	cs.mu.Unlock()
	if c == nil {
		return
	}
	for node := range c.waiting { // c is nobody else's any more
		cs.late(node)
	}
	c.counted(c.sum, false)
}

// gone is called when a node is not waited for any more. What it should have told is missing.
func (cs *counts) gone(node string) {
	cs.mu.Lock()
	var ids []uint64
	for id, c := range cs.open {
		if _, ok := c.waiting[node]; ok {
			ids = append(ids, id)
		}
	}
	cs.mu.Unlock()
	for _, id := range ids {
		cs.settle(id, func(c *count) {
			if _, ok := c.waiting[node]; ok {
				delete(c.waiting, node)
				c.complete = false
			}
		})
	}
}

// abandon ends all counts: Redis has gone.
func (cs *counts) abandon() {
	cs.mu.Lock()
	var ids []uint64
	for id := range cs.open {
		ids = append(ids, id)
	}
	cs.mu.Unlock()
	for _, id := range ids {
		cs.fail(id)
	}
}
