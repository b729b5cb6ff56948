package cluster

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/hub"
)

const (
	// ackPatience is how long a join waits for the other nodes to know of it. A node that takes longer is slow or dead.
	ackPatience = 250 * time.Millisecond
	// sweepInterval is how often slots that nobody here is in any more are looked for. One is taken back at the second look.
	sweepInterval = 5 * time.Second
)

// interest is what this node tells the others: in which slots it has somebody. A slot is announced before its first member
// joins a room, and the join waits until every node has it. So who has joined misses nothing, and a message that nobody
// else wants need not be published.
type interest struct {
	// Static after construction.
	tell  func(seq uint64, added, removed []uint16) // publishes a change; must not block
	nodes func() []string                           // those that answer
	slow  func(node string)                         // called for one that did not confirm in time, without mu

	counts [slots]atomic.Int32 // memberships
	ready  [slots]atomic.Bool  // announced, and every node knows

	mu sync.Mutex
	// mu guards the following.
	announced bitmap
	idle      bitmap // announced, and without members at the last sweep
	seq       uint64 // of the last change told
	flying    *batch // told, and not yet confirmed by all
	next      *batch // waits for flying
}

// batch is slots that are announced together.
type batch struct {
	seq     uint64
	slots   []uint16
	waiting map[string]struct{} // nodes that have not confirmed
	done    chan struct{}
	timer   *time.Timer
}

// want counts a membership, and waits until the slot of r is known to all.
func (i *interest) want(r hub.Room) {
	slot := slotOf(r)
	i.counts[slot].Add(1)
	if i.ready[slot].Load() {
		return
	}
	if b := i.announce(slot); b != nil {
		<-b.done // ends after ackPatience at the latest
	}
}

// expect announces the slot of r without waiting, ahead of memberships that must not wait.
func (i *interest) expect(r hub.Room) {
	slot := slotOf(r)
	if i.ready[slot].Load() {
		return
	}
	i.announce(slot)
	i.ready[slot].Store(true)
}

func (i *interest) unwant(r hub.Room) { i.counts[slotOf(r)].Add(-1) }

// announce returns the batch that a slot goes out with, nil where it is known already.
func (i *interest) announce(slot uint16) *batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.idle.clear(slot)
	if i.announced.has(slot) {
		for _, b := range []*batch{i.next, i.flying} {
			if b != nil && slices.Contains(b.slots, slot) {
				return b
			}
		}
		i.ready[slot].Store(true)
		return nil
	}
	i.announced.set(slot)
	if i.next == nil {
		i.next = &batch{done: make(chan struct{})}
	}
	b := i.next
	b.slots = append(b.slots, slot)
	i.launchLocked()
	return b
}

// launchLocked tells the next batch, unless one is on its way.
func (i *interest) launchLocked() {
	if i.flying != nil || i.next == nil {
		return
	}
	b := i.next
	i.flying, i.next = b, nil
	i.seq++
	b.seq = i.seq
	i.tell(b.seq, b.slots, nil)
	b.waiting = make(map[string]struct{})
	for _, node := range i.nodes() {
		b.waiting[node] = struct{}{}
	}
	if len(b.waiting) == 0 {
		i.landLocked()
		return
	}
	b.timer = time.AfterFunc(ackPatience, func() { i.giveUp(b) })
}

// landLocked ends the batch that is on its way.
func (i *interest) landLocked() {
	b := i.flying
	i.flying = nil
	if b.timer != nil {
		b.timer.Stop()
	}
	for _, slot := range b.slots {
		if i.announced.has(slot) {
			i.ready[slot].Store(true)
		}
	}
	close(b.done)
	i.launchLocked()
}

// confirmed is called when a node has taken in all changes up to seq.
func (i *interest) confirmed(node string, seq uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying != nil && seq >= i.flying.seq {
		i.strikeLocked(node)
	}
}

// gone is called when a node is not waited for any more.
func (i *interest) gone(node string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying != nil {
		i.strikeLocked(node)
	}
}

func (i *interest) strikeLocked(node string) {
	delete(i.flying.waiting, node)
	if len(i.flying.waiting) == 0 {
		i.landLocked()
	}
}

func (i *interest) giveUp(b *batch) {
	i.mu.Lock()
	if i.flying != b {
		i.mu.Unlock()
		return
	}
	var late []string
	for node := range b.waiting {
		late = append(late, node)
	}
	i.landLocked()
	i.mu.Unlock()
	for _, node := range late {
		i.slow(node)
	}
}

// state returns everything announced, and the number of the change that brought it there. What is on its way or waits is
// in it.
func (i *interest) state() (seq uint64, b bitmap) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seq, i.announced
}

// has reports whether a slot is announced.
func (i *interest) has(slot uint16) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.announced.has(slot)
}

// sweep takes slots back that have been without members since the last sweep.
func (i *interest) sweep() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying != nil || i.next != nil {
		return
	}
	var removed []uint16
	for word, bits := range i.announced {
		if bits == 0 {
			continue
		}
		for slot := uint16(word * 64); slot < uint16(word*64+64); slot++ {
			if !i.announced.has(slot) {
				continue
			}
			switch {
			case i.counts[slot].Load() > 0:
				i.idle.clear(slot)
			case !i.idle.has(slot):
				i.idle.set(slot)
			default:
				// Who counts itself in from now on finds the slot not ready, and waits for mu.
				i.ready[slot].Store(false)
				if i.counts[slot].Load() > 0 {
					i.ready[slot].Store(true)
					i.idle.clear(slot)
					continue
				}
				i.announced.clear(slot)
				i.idle.clear(slot)
				removed = append(removed, slot)
			}
		}
	}
	if len(removed) > 0 {
		i.seq++
		i.tell(i.seq, nil, removed)
	}
}

// abandon waits for nobody any more: Redis has gone, or is back and has everybody tell everything again.
func (i *interest) abandon() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for i.flying != nil {
		i.landLocked()
	}
}
