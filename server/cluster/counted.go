package cluster

import (
	"errors"
	"slices"
	"strconv"

	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// sendCounted publishes a message as the verdict says. Those who may have somebody in one of the slots tell for how many they
// queued it, which is added up for tell.
func (c *Cluster) sendCounted(s *space, v verdict, of []uint16, sel hub.Selection, msg *hub.Message, tell func(delivered int, complete bool)) {
	counted := func(delivered int, complete bool) {
		defer c.recovered("a count")
		tell(delivered, complete)
	}
	if !c.link.Up() {
		c.stats.lost.Add(1)
		counted(0, false)
		return
	}
	switch v {
	case keep:
		c.stats.kept.Add(1)
		counted(0, true)
		return
	case enquire:
		// Whoever waits for the number can wait for the question as well.
		c.inquire(s, of, sel, msg, counted)
		return
	}
	nodes, all := c.members.interested(of)
	for _, slot := range of {
		all = all && !s.cluster.isAssumed(int(slot)) // they are told with the next change who is there
	}
	if c.unmet.Load() > 0 {
		all = false // they are there, and cannot be waited for by name
	}
	foreign := s.foreign.Load() > 0 && s.name != ""
	if len(nodes) == 0 && !foreign {
		counted(0, c.send(s, v, sel, msg, "") && all)
		return
	}
	id := c.counts.add(nodes, foreign, all, counted)
	count := ""
	if len(nodes) > 0 {
		count = strconv.FormatUint(id, 16)
	}
	if !c.send(s, v, sel, msg, count) {
		c.counts.fail(id)
		return
	}
	if foreign {
		c.countForeign(s, sel, id)
	}
}

// inquire is sendCounted where it is not known whether anybody else is there: that is asked first.
func (c *Cluster) inquire(s *space, of []uint16, sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	channel, payload, err := c.encode(s, sel, msg, "")
	if err != nil {
		c.unwritable(s, err)
		counted(0, false)
		return
	}
	sel = hub.Selection{Rooms: slices.Clone(sel.Rooms), Except: slices.Clone(sel.Except)}
	gate := s.gate
	if msg.Foreign {
		gate = s.hermetic
	}
	done := func(_ any, err error) {
		c.tally(nil, err)
		switch {
		case errors.Is(err, redislink.ErrNotWanted):
			counted(0, true)
		case err != nil || s.foreign.Load() == 0:
			counted(0, false) // lost, or taken by nodes that have not said who they are
		default:
			c.countForeign(s, sel, c.counts.add(nil, true, c.unmet.Load() == 0, counted))
		}
	}
	verb := "PUBLISH"
	if c.sharded && s.name != "" {
		verb = "SPUBLISH"
	}
	if !c.link.Enqueue(redislink.Command{Args: []any{verb, channel, payload}, Gate: gate, Done: done}) {
		c.stats.lost.Add(1)
		counted(0, false)
	}
}
