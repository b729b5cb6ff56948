package cluster

import (
	"sync"
	"time"
)

const (
	// beatInterval is how often a node says that it is there.
	beatInterval = time.Second
	// silentAfter is how long a node may say nothing and still be thought to answer.
	silentAfter = 3 * time.Second
	// forgetAfter is how long a node may say nothing, while Redis is there, and still be one.
	forgetAfter = 10 * time.Second
)

// members are the other signalbox nodes that this one has heard of. They outlive an outage of Redis: until each of
// them has been heard of again, or is known to be gone, there may be clients that nothing reaches.
type members struct {
	mu sync.Mutex
	// mu guards the following.
	heard map[string]time.Time // by node: when it was heard of last
	urls  map[string]nodeURL   // where those can be reached that say so, by what their ids begin with
	older map[string]time.Time // the same of nodes of a version that tells in another way what it wants
	since time.Time            // since when Redis is there; zero: it is away
	there int                  // how many other nodes are subscribed to everything they want, as it was counted last
}

// nodeURL is where a node can be reached.
type nodeURL struct{ node, url string }

func newMembers() members {
	return members{heard: make(map[string]time.Time), urls: make(map[string]nodeURL), older: make(map[string]time.Time)}
}

// hear notes that a node is there: it says so itself, once it is subscribed to everything it wants, and where it can
// be reached by others; empty: nowhere.
func (m *members) hear(node string, url []byte, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.heard[node]
	if !known {
		m.there++
	}
	m.heard[node] = now
	if !known && len(url) > 0 {
		m.urls[socketPrefix(node)] = nodeURL{node, string(url)}
	}
}

// reach returns the node whose ids begin so, and where it is; "": nowhere that is known.
func (m *members) reach(prefix string) (node, url string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.urls[prefix]
	return at.node, at.url
}

func (m *members) hearOlder(node string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.older[node] = now
}

// forget removes a node that has gone.
func (m *members) forget(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetLocked(node)
}

func (m *members) forgetLocked(node string) {
	delete(m.heard, node)
	delete(m.older, node)
	if isNodeID(node) && m.urls[socketPrefix(node)].node == node {
		delete(m.urls, socketPrefix(node))
	}
}

// away and back are called when Redis has gone, and when it is there again.
func (m *members) away() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since, m.there = time.Time{}, 0
}

func (m *members) back(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = now
}

// age forgets the nodes that have said nothing for too long.
func (m *members) age(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since.IsZero() || now.Sub(m.since) < forgetAfter {
		return
	}
	for _, nodes := range []map[string]time.Time{m.heard, m.older} {
		for node, at := range nodes {
			if now.Sub(at) >= forgetAfter {
				m.forgetLocked(node)
			}
		}
	}
}

// counted takes how many nodes are subscribed to everything they want, this one among them, and reports whether those
// are all that this one knows of.
func (m *members) counted(nodes int64) (all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.there = int(nodes) - 1
	return m.allLocked()
}

// all reports whether every node that this one knows of was subscribed to everything it wants when that was looked at
// last.
func (m *members) all() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.allLocked()
}

func (m *members) allLocked() bool {
	if m.since.IsZero() || len(m.older) > 0 || m.there < len(m.heard) {
		return false
	}
	for _, at := range m.heard {
		if at.Before(m.since) { // another one may have been counted in its place
			return false
		}
	}
	return true
}

// count returns how many other nodes there are, and how many of them are silent: they do not answer.
func (m *members) count(now time.Time) (nodes, silent int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, at := range m.heard {
		if now.Sub(at) >= silentAfter {
			silent++
		}
	}
	return len(m.heard) + len(m.older), silent
}
