package cluster

import (
	"sync/atomic"
	"time"
)

// tally counts what a cluster did.
type tally struct {
	published, lost, unwritable          atomic.Uint64
	received, passed, dropped, overloads atomic.Uint64
	requests, timeouts, panics           atomic.Uint64
}

// Stats are counts of a [Cluster] for metrics.
type Stats struct {
	// Nodes are the other signalbox nodes heard of, Suspects those of them that do not answer, Foreign the servers of
	// other kinds in the namespace that has most of them.
	Nodes, Suspects, Foreign int
	// StreamSeconds is how long a time the entries of the stream are of, -1 where there is none or it is not known.
	StreamSeconds int64
	// Published are messages given to Redis, Lost those that could not be given to Redis,
	// Unwritable those that have no form there.
	Published, Lost, Unwritable uint64
	// Received are messages from other servers that were looked at, Passed those that were put aside unread, as
	// nobody here is in the room or waits for the answer, Dropped those that could not be read, Overloads requests
	// that were not carried out because too many were.
	Received, Passed, Dropped, Overloads uint64
	// Requests are those of other servers that were carried out, Timeouts our own that not all answered.
	Requests, Timeouts uint64
	// Panics are calls of handlers that ended in one.
	Panics uint64
}

// Stats returns what was done so far. It may be called from any goroutine.
func (c *Cluster) Stats() Stats {
	t := &c.stats
	s := Stats{
		Published: t.published.Load(), Lost: t.lost.Load(), Unwritable: t.unwritable.Load(),
		Received: t.received.Load(), Passed: t.passed.Load(), Dropped: t.dropped.Load(), Overloads: t.overloads.Load(),
		Requests: t.requests.Load(), Timeouts: t.timeouts.Load(),
		Panics: t.panics.Load(),
	}
	s.StreamSeconds = -1
	if c.stream != nil {
		s.StreamSeconds = c.stream.seconds.Load()
	}
	s.Nodes, s.Suspects = c.members.count(time.Now())
	for _, space := range c.allSpaces() {
		s.Foreign = max(s.Foreign, int(space.foreign.Load()))
	}
	return s
}
