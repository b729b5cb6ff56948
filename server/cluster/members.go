package cluster

import (
	bits64 "math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// beatInterval is how often a node says that it is there.
	beatInterval = time.Second
	// suspectAfter is how long a node may be silent and still be waited for.
	suspectAfter = 3 * time.Second
	// forgetAfter is how long a node may be silent and still be one.
	forgetAfter = 10 * time.Second
)

// members are the other signalbox nodes that this one has heard of.
type members struct {
	// wants counts for each slot the nodes that have somebody there: what a sender looks at.
	wants [slots]atomic.Int32
	// all is how many nodes there are, and known how many of them have told their interest.
	all, known atomic.Int32

	news chan struct{} // somebody has told its interest

	mu sync.RWMutex
	// mu guards the following.
	nodes map[string]*member
}

func (m *members) init() {
	m.nodes, m.news = make(map[string]*member), make(chan struct{}, 1)
}

// member is one other node.
type member struct {
	heard   time.Time
	known   bool // it has told its interest
	silent  bool // it was not heard of for suspectAfter, and is not waited for until it is
	suspect bool // it is silent or did not answer a question, and no answer is waited for until it is heard of again
	seq     uint64
	ahead   bool // seq was more than the node said itself
	bits    bitmap
}

// hear notes that a node is there, and reports whether it is one that has told its interest up to seq.
func (m *members) hear(node string, seq uint64, now time.Time) (upToDate bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.heardLocked(node, now)
	switch {
	case !n.known || n.seq < seq:
		return false
	case n.seq == seq:
		n.ahead = false
	case n.ahead:
		m.unlearnLocked(n) // what is known is not the node's
		return false
	default:
		n.ahead = true // a change may have overtaken it
	}
	return true
}

// heardLocked returns a node that was just heard of.
func (m *members) heardLocked(node string, now time.Time) *member {
	n := m.nodes[node]
	if n == nil {
		n = new(member)
		m.nodes[node] = n
		m.all.Add(1)
	}
	n.heard, n.silent, n.suspect = now, false, false
	return n
}

// learn takes all that a node is interested in.
func (m *members) learn(node string, seq uint64, bits *bitmap, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.heardLocked(node, now)
	if n.known && n.seq > seq {
		return // told before what is known already
	}
	for word := range bits {
		for diff := bits[word] ^ n.bits[word]; diff != 0; diff &= diff - 1 {
			slot := uint16(word*64) + uint16(bits64.TrailingZeros64(diff))
			if bits.has(slot) {
				m.wants[slot].Add(1)
			} else {
				m.wants[slot].Add(-1)
			}
		}
	}
	n.bits, n.seq = *bits, seq
	if !n.known {
		n.known = true
		m.known.Add(1)
		select {
		case m.news <- struct{}{}:
		default:
		}
	}
}

// change takes one change of a node's interest, and reports whether it followed on what is known.
func (m *members) change(node string, seq uint64, added, removed []uint16, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.heardLocked(node, now)
	if n.known && seq <= n.seq {
		return true // it came with the whole
	}
	if !n.known || seq != n.seq+1 {
		return false
	}
	n.seq = seq
	for _, slot := range added {
		if !n.bits.has(slot) {
			n.bits.set(slot)
			m.wants[slot].Add(1)
		}
	}
	for _, slot := range removed {
		if n.bits.has(slot) {
			n.bits.clear(slot)
			m.wants[slot].Add(-1)
		}
	}
	return true
}

// suspectNode has no answer of a node waited for until it is heard of again.
func (m *members) suspectNode(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.nodes[node]; n != nil {
		n.suspect = true
	}
}

// forget removes a node, and reports whether it was one.
func (m *members) forget(node string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.forgetLocked(node)
}

func (m *members) forgetLocked(node string) bool {
	n := m.nodes[node]
	if n == nil {
		return false
	}
	delete(m.nodes, node)
	m.all.Add(-1)
	m.unlearnLocked(n)
	return true
}

// unlearnLocked forgets what a node is interested in.
func (m *members) unlearnLocked(n *member) {
	if !n.known {
		return
	}
	m.known.Add(-1)
	for word, bits := range n.bits {
		for ; bits != 0; bits &= bits - 1 {
			m.wants[uint16(word*64)+uint16(bits64.TrailingZeros64(bits))].Add(-1)
		}
	}
	n.known, n.ahead, n.seq, n.bits = false, false, 0, bitmap{}
}

// forgetAll is for when Redis was away: whoever is still there says so.
func (m *members) forgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for node := range m.nodes {
		m.forgetLocked(node)
	}
}

// age looks who has been silent for too long.
func (m *members) age(now time.Time) (silent, forgotten []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, n := range m.nodes {
		switch since := now.Sub(n.heard); {
		case since >= forgetAfter:
			m.forgetLocked(id)
			forgotten = append(forgotten, id)
		case since >= suspectAfter && !n.silent:
			n.silent, n.suspect = true, true
			silent = append(silent, id)
		}
	}
	return silent, forgotten
}

// there returns the nodes that have been heard of lately.
func (m *members) there() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	nodes := make([]string, 0, len(m.nodes))
	for id, n := range m.nodes {
		if !n.silent {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// interested returns the nodes whose answers are waited for that may have somebody in one of the slots, nil slots: anywhere; and
// whether these are all that may.
func (m *members) interested(of []uint16) (nodes []string, all bool) {
	all = true
	m.mu.RLock()
	defer m.mu.RUnlock()
	for id, n := range m.nodes {
		wants := of == nil || !n.known
		for _, slot := range of {
			wants = wants || n.bits.has(slot)
		}
		switch {
		case !wants:
		case n.suspect:
			all = false
		default:
			nodes = append(nodes, id)
		}
	}
	return nodes, all
}

// count returns how many other nodes there are, and how many of them are suspected.
func (m *members) count() (nodes, suspected int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, n := range m.nodes {
		if n.suspect {
			suspected++
		}
	}
	return len(m.nodes), suspected
}
