package cluster

import (
	"sync/atomic"
	"time"

	"signalbox/store/redislink"
)

// freshFor is how long it may have been asked for that nobody else is there, and a message still be kept back without asking
// again. No server gets a client within it.
const freshFor = 5 * time.Millisecond

// space is one namespace in the cluster: its channels, and who else is subscribed to them.
type space struct {
	// Static after construction.
	cluster  *Cluster
	name     string // "" for what only signalbox nodes take
	channels channels

	member atomic.Bool // this node is among the subscribers that are counted

	// What the last count of subscribers said.
	foreign  atomic.Int64    // servers that are no signalbox nodes
	checked  atomic.Int64    // when, since the cluster's epoch; 0: never
	gate     *redislink.Gate // decides by the count whether a message is published
	hermetic *redislink.Gate // the same for messages to other servers alone
}

// channels are the names of a namespace's channels in one mode.
type channels struct {
	base    string // broadcasts: followed by the room and #
	pattern string // classic: what fits all of those
	request string // classic: questions of servers to all. Its subscribers are the servers of the namespace
	answers string // classic: answers to everybody
	own     string // answers to this server
	marker  string // subscribed by signalbox nodes alone
}

func (c *Cluster) newSpace(name string) *space {
	s := &space{cluster: c, name: name}
	p := c.prefix
	s.channels = channels{
		base:    p + "#" + name + "#",
		request: p + "-request#" + name + "#",
		answers: p + "-response#" + name + "#",
		marker:  p + markerSuffix + name + "#",
	}
	s.channels.pattern = escapeGlob(s.channels.base) + "*"
	s.channels.own = s.channels.answers + c.uid + "#"
	if c.sharded {
		s.channels.request = s.channels.base
		s.channels.own = s.channels.base + c.uid + "#"
	}
	if name == "" { // topics
		s.channels = channels{base: c.everyone + "message#", request: c.everyone, marker: c.everyone} // all are of one kind
	}
	s.gate = &redislink.Gate{Channels: s.counted(), Sharded: c.sharded && name != "", Decide: s.count}
	s.hermetic = &redislink.Gate{
		Channels: s.gate.Channels, Sharded: s.gate.Sharded,
		Decide: func(n []int64) bool { s.count(n); return s.foreign.Load() > 0 },
	}
	return s
}

// counted returns the channels whose subscribers tell who else is there: all servers, the signalbox nodes among them, and
// in the classic mode all signalbox nodes, those that drain and whose marker is gone as well. In the sharded mode nodes keep
// their marker to the end.
func (s *space) counted() []string {
	channels := []string{s.channels.request, s.channels.marker}
	if !s.cluster.sharded {
		channels = append(channels, s.cluster.everyone)
	}
	return channels
}

// count takes the numbers of subscribers of [space.counted], and reports whether there is somebody whose wishes are not
// known.
func (s *space) count(n []int64) bool {
	c := s.cluster
	if len(n) != len(s.gate.Channels) {
		return true
	}
	foreign, others := max(0, n[0]-n[1]), n[1]
	if len(n) > 2 {
		others = n[2] - 1
	} else if s.member.Load() {
		others--
	}
	s.foreign.Store(foreign)
	s.checked.Store(int64(time.Since(c.epoch)))
	unmet := others - int64(c.members.known.Load())
	if unmet > 0 {
		c.unmet.Store(unmet) // until the next survey
	}
	return foreign > 0 || unmet > 0
}

// fresh reports whether the last count is new enough to go by.
func (s *space) fresh() bool {
	at := s.checked.Load()
	return at != 0 && time.Since(s.cluster.epoch)-time.Duration(at) < freshFor
}

// verdict is what is to be done with a message.
type verdict uint8

const (
	keep    verdict = iota // nobody else wants it
	publish                // somebody does
	enquire                // it is published if somebody unknown turns out to be there
)

// judge says what to do with a message to a room in a slot; below 0: to anybody.
func (s *space) judge(slot int, foreign bool) verdict {
	c := s.cluster
	switch {
	case s.foreign.Load() > 0:
		return publish
	case foreign && s.fresh():
		return keep
	case foreign:
		return enquire
	case slot < 0 && c.members.known.Load() > 0,
		slot >= 0 && (c.members.wants[slot].Load() > 0 || c.isAssumed(slot)),
		!c.sure():
		return publish
	case s.fresh():
		return keep
	default:
		return enquire
	}
}

// assumedFor is how long it takes at most until a node that was asked to have sockets join a room has told that they did.
const assumedFor = 2 * time.Second

// assume takes other nodes to have somebody in a slot for a while: they were asked to.
func (c *Cluster) assume(slot uint16) {
	c.assumed[slot].Store(int64(time.Since(c.epoch) + assumedFor))
}

func (c *Cluster) isAssumed(slot int) bool {
	until := c.assumed[slot].Load()
	return until != 0 && time.Since(c.epoch) < time.Duration(until)
}
