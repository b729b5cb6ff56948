package cluster

import (
	"strings"
	"sync/atomic"
	"time"
)

// space is one namespace in the cluster: its channels, and which other servers have it.
type space struct {
	// Static after construction.
	cluster  *Cluster
	name     string // "" for what only signalbox nodes take
	sharded  bool   // messages go by SPUBLISH
	channels channels

	member atomic.Bool // this node is among the subscribers of the request channel

	foreign atomic.Int64 // servers that are no signalbox nodes, as they were counted last
	before  atomic.Int64 // the same before Redis went away
}

// channels are the names of a namespace's channels in one mode.
type channels struct {
	base    string // broadcasts to everybody or several rooms; followed by a room and #: to that
	sockets string // classic: the pattern of the channels of this node's sockets
	request string // classic: questions of servers to all. Its subscribers are the servers of the namespace
	answers string // classic: answers to everybody
	own     string // answers to this server
	marker  string // subscribed to by signalbox nodes alone
	here    string // subscribed to by signalbox nodes that are subscribed to everything they want, whatever the namespace
}

func (c *Cluster) newSpace(name string) *space {
	s := &space{cluster: c, name: name, sharded: c.sharded && name != ""}
	p := c.prefix
	s.channels = channels{
		base:    p + "#" + name + "#",
		request: p + "-request#" + name + "#",
		answers: p + "-response#" + name + "#",
		marker:  p + markerSuffix + name + "#",
		here:    c.here,
	}
	anything := strings.Repeat("?", socketIDLength-prefixLength)
	s.channels.sockets = escapeGlob(s.channels.base) + c.socketPrefix + anything + "#"
	s.channels.own = s.channels.answers + c.uid + "#"
	if c.sharded || c.stream != nil {
		s.channels.request = s.channels.base
		s.channels.own = s.channels.base + c.uid + "#"
	}
	if name == "" { // topics: all are of one kind
		base := c.everyone + "message#"
		s.channels = channels{base: base, request: base, marker: base, here: base}
	}
	return s
}

// counted returns the channels whose subscribers tell who else is there, for [space.count].
func (s *space) counted() []string {
	return []string{s.channels.here, s.channels.request, s.channels.marker}
}

// count takes the numbers of subscribers of [space.counted]. It returns how many servers of other kinds there are,
// and whether all servers are there that were.
func (s *space) count(n []int64) (foreign int64, all bool) {
	if s.name == "" {
		all = s.cluster.members.all() // nodes that are subscribed to this may still lack something
	} else {
		all = s.cluster.members.counted(n[0])
	}
	foreign = max(0, n[1]-n[2])
	s.foreign.Store(foreign)
	if foreign < s.before.Load() {
		all = false
	} else {
		s.before.Store(0)
	}
	return foreign, all
}

// away is called when Redis has gone: servers of other kinds come back in their own time.
func (s *space) away() { s.before.Store(max(s.before.Load(), s.foreign.Load())) }

// settle forgets servers of other kinds that have not come back for a while.
func (s *space) settle(since time.Duration) {
	if since >= forgetAfter {
		s.before.Store(0)
	}
}
