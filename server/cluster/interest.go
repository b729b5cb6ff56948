package cluster

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/hub"
)

const (
	// ackPatience is how long a join waits for the other nodes to confirm that they know of it, once Redis has the
	// announcement. A node that takes longer was stopped or lags behind, and knows: see [attention].
	ackPatience = knowledgeLife + 100*time.Millisecond
	// echoPatience is how long a join waits for Redis to have the announcement.
	echoPatience = time.Second
	// sweepInterval is how often slots that nobody here is in any more are looked for. One is taken back at the second look.
	sweepInterval = 5 * time.Second
)

// interest is what this node tells the others: in which slots it has somebody. A slot is announced before its first member
// joins a room, and the join waits until every node has it. So who has joined misses nothing, and a message that nobody
// else wants need not be published.
type interest struct {
	// Static after construction.
	tell  func(seq uint64, added, removed []uint16) bool // publishes a change; must not block; false: it could not
	alone func() bool                                    // reports whether there is nobody to tell
	nodes func() []string                                // those that are there, as far as this node has heard

	counts [slots]atomic.Int32       // memberships
	ready  [slots]atomic.Bool        // announced, and every node knows
	heeded [slots / 64]atomic.Uint64 // announced, or it was not long ago: others may still send

	mu sync.Mutex
	// mu guards the following.
	announced bitmap
	idle      bitmap // announced, and without members at the last sweep
	retired   bitmap // taken back by the last sweep
	seq       uint64 // of the last change told
	flying    *batch // told, and not yet confirmed by all
	next      *batch // waits for flying
}

// batch is slots that are announced together.
type batch struct {
	seq       uint64
	slots     []uint16
	confirmed map[string]struct{} // nodes that know
	waiting   map[string]struct{} // nodes that are still to confirm; nil: Redis has not yet brought the announcement back
	done      chan struct{}
	timer     *time.Timer
}

// want counts a membership, and waits until the slot of r is known to all.
func (i *interest) want(r hub.Room) {
	slot := slotOf(r)
	i.counts[slot].Add(1)
	if i.ready[slot].Load() {
		return
	}
	if b := i.announce(slot, false); b != nil {
		<-b.done // two rounds of echoPatience and ackPatience at the longest
	}
}

// expect is want without waiting, ahead of memberships that must not wait either.
func (i *interest) expect(r hub.Room) {
	slot := slotOf(r)
	i.counts[slot].Add(1)
	if !i.ready[slot].Load() {
		i.announce(slot, true)
	}
}

func (i *interest) unwant(r hub.Room) { i.counts[slotOf(r)].Add(-1) }

// announce returns the batch that a slot goes out with, nil where it is known already. ready: nobody waits for it.
func (i *interest) announce(slot uint16, ready bool) *batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ready {
		i.ready[slot].Store(true)
	}
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
	i.heeded[slot/64].Or(1 << (slot % 64))
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
	b.confirmed = make(map[string]struct{})
	if !i.tell(b.seq, b.slots, nil) || i.alone() {
		i.landLocked()
		return
	}
	b.timer = time.AfterFunc(echoPatience, func() { i.giveUp(b, false) })
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

// echoed is called when Redis brings an announcement of this node back: every other node has it, or will have it before
// whatever it sends itself from now on. This node has heard by now of everybody who was there when Redis had it.
func (i *interest) echoed(seq uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	b := i.flying
	if b == nil || b.seq != seq || b.waiting != nil {
		return
	}
	b.waiting = make(map[string]struct{})
	for _, node := range i.nodes() {
		if _, knows := b.confirmed[node]; !knows {
			b.waiting[node] = struct{}{}
		}
	}
	if len(b.waiting) == 0 {
		i.landLocked()
		return
	}
	b.timer.Stop()
	b.timer = time.AfterFunc(ackPatience, func() { i.giveUp(b, true) })
}

// confirmed is called when a node has taken in all changes up to seq.
func (i *interest) confirmed(node string, seq uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if b := i.flying; b != nil && seq >= b.seq {
		b.confirmed[node] = struct{}{}
		i.strikeLocked(node)
	}
}

// gone is called when a node is not there any more.
func (i *interest) gone(node string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying != nil {
		i.strikeLocked(node)
	}
}

func (i *interest) strikeLocked(node string) {
	b := i.flying
	if b.waiting == nil {
		return
	}
	delete(b.waiting, node)
	if len(b.waiting) == 0 {
		i.landLocked()
	}
}

// giveUp ends the waiting for Redis, or where it has echoed the batch, for nodes that do not confirm.
func (i *interest) giveUp(b *batch, echoed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying == b && (b.waiting != nil) == echoed {
		i.landLocked()
	}
}

// state returns everything announced, and the number of the change that brought it there. What is on its way or waits is
// in it.
func (i *interest) state() (seq uint64, b bitmap) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seq, i.announced
}

// has reports whether others may send to a slot because of this node.
func (i *interest) has(slot uint16) bool { return i.heeded[slot/64].Load()&(1<<(slot%64)) != 0 }

// sweep takes slots back that have been without members since the last sweep.
func (i *interest) sweep() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying != nil || i.next != nil {
		return
	}
	var removed []uint16
	for word, bits := range i.retired { // nobody sends to them any more
		i.heeded[word].And(^(bits &^ i.announced[word]))
	}
	i.retired = bitmap{}
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
				i.retired.set(slot)
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
