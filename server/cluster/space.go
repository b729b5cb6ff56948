package cluster

import (
	"sync/atomic"
	"time"

	"signalbox/store/redis/link"
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
	// signature is what messages of this node in JSON end with in the sharded mode.
	signature []byte

	member atomic.Bool // this node is subscribed to it

	// What the last count of subscribers said.
	foreign  atomic.Int64 // servers that are no signalbox nodes
	strange  atomic.Int64 // signalbox nodes that have not said who they are
	checked  atomic.Int64 // when, since the cluster's epoch; 0: never
	gate     *link.Gate   // decides by the count whether a message is published
	hermetic *link.Gate   // the same for messages to other servers alone
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
		s.channels = channels{base: c.everyone + "message#", request: c.everyone, marker: c.everyone}
	}
	s.signature = []byte(`,"uid":"` + c.uid + `","nsp":` + string(appendJSONText(nil, name)) + `}`)
	s.gate = &link.Gate{
		Channels: []string{s.channels.request, s.channels.marker}, Sharded: c.sharded && name != "",
		Decide: func(n []int64) bool { return s.count(n) },
	}
	s.hermetic = &link.Gate{
		Channels: s.gate.Channels, Sharded: s.gate.Sharded,
		Decide: func(n []int64) bool { s.count(n); return s.foreign.Load() > 0 },
	}
	return s
}

// count takes the numbers of subscribers of request and marker, and reports whether there is somebody whose wishes are not
// known.
func (s *space) count(n []int64) bool {
	c := s.cluster
	if len(n) < 2 {
		return true
	}
	s.foreign.Store(max(0, n[0]-n[1]))
	self := int64(0)
	if s.member.Load() {
		self = 1
	}
	s.strange.Store(max(0, n[1]-self-int64(c.members.known.Load())))
	s.checked.Store(int64(time.Since(c.epoch)))
	return s.foreign.Load() > 0 || s.strange.Load() > 0 || !c.attentive()
}

// fresh reports whether the last count is new enough to go by.
func (s *space) fresh() bool {
	at := s.checked.Load()
	return at != 0 && time.Since(s.cluster.epoch)-time.Duration(at) < freshFor
}

// attentive reports whether this node has heard from the others, or itself, lately: a process that was stopped for a while
// does not know what it has missed.
func (c *Cluster) attentive() bool {
	return time.Since(c.epoch)-time.Duration(c.heard.Load()) < suspectAfter
}

// verdict is what is to be done with a message.
type verdict uint8

const (
	keep    verdict = iota // nobody else wants it
	publish                // somebody does
	enquire                // it is published if somebody unknown turns out to be there
)

// judge says what to do with a message to a room in a slot, or to slots that are not known.
func (s *space) judge(slot int, foreign bool) verdict {
	switch {
	case s.foreign.Load() > 0:
		return publish
	case foreign && s.fresh():
		return keep
	case foreign:
		return enquire
	case slot < 0 && s.cluster.members.known.Load() > 0,
		slot >= 0 && (s.cluster.members.wants[slot].Load() > 0 || s.cluster.isAssumed(slot)),
		s.strange.Load() > 0:
		return publish
	case s.fresh() && s.cluster.attentive():
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
