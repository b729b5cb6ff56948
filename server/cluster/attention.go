package cluster

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

const (
	// probeInterval is how often a node sees how far behind it is.
	probeInterval = 100 * time.Millisecond
	// knowledgeLife is how old what a node knows of the others may be, for it to keep a message to itself because nobody is
	// known to want it.
	//
	// Whoever joins a room waits until all others have confirmed that they know, or for ackPatience after Redis had the
	// announcement: longer than this. So a node that has not confirmed, as it was stopped or lags behind, knows that it may have
	// missed something, and keeps nothing.
	knowledgeLife = 3 * probeInterval
)

// attention is how far this node is behind Redis: it sends itself the time, and what comes back says that everything Redis
// had before then has been taken in.
type attention struct {
	epoch time.Time    // static after construction
	seen  atomic.Int64 // when what came back last was sent, since epoch; 0: nothing has
}

// stamp returns the time to send.
func (a *attention) stamp() uint64 { return uint64(time.Since(a.epoch)) }

// saw is called with a time that has come back.
func (a *attention) saw(stamp uint64) {
	if at := int64(stamp); at > a.seen.Load() && at <= int64(time.Since(a.epoch)) {
		a.seen.Store(at) // by the goroutine that receives alone
	}
}

// lose is for when Redis was away: nothing that was known counts.
func (a *attention) lose() { a.seen.Store(0) }

// isPaid reports whether what this node knows of the others is new enough to go by.
func (a *attention) isPaid() bool {
	at := a.seen.Load()
	return at != 0 && time.Since(a.epoch)-time.Duration(at) < knowledgeLife
}

// probe sends this node the time.
func (c *Cluster) probe() {
	c.tellOne(c.id, binary.BigEndian.AppendUint64(c.appendControl(controlProbe), c.attention.stamp()))
}

// sure reports whether this node knows of all others what they want, as of now. Where there are none that it has heard of,
// whoever may have come is found by the count that follows.
func (c *Cluster) sure() bool {
	if c.unmet.Load() > 0 || c.downs.Load() != c.link.Downs() {
		return false
	}
	all := c.members.all.Load()
	return all == 0 || all == c.members.known.Load() && c.attention.isPaid()
}
