package cluster

import (
	"errors"

	"signalbox/server/hub"
	"signalbox/store/redislink"
)

var _ hub.Bus = (*Cluster)(nil)

// Want implements [hub.Bus].
func (c *Cluster) Want(r hub.Room) {
	if !interesting(r) {
		return
	}
	c.interest.want(r)
	if c.sharded {
		c.rooms.want(r)
	}
}

// Unwant implements [hub.Bus].
func (c *Cluster) Unwant(r hub.Room) {
	if !interesting(r) {
		return
	}
	c.interest.unwant(r)
	if c.sharded {
		c.rooms.unwant(r)
	}
}

// interesting reports whether the other nodes have to know that somebody here is in a room: what is for a socket or a whole
// namespace goes to every node in any case.
func interesting(r hub.Room) bool { return r.Kind != hub.KindSocket && r.Kind != hub.KindEverybody }

// Send implements [hub.Bus].
func (c *Cluster) Send(r hub.Room, msg *hub.Message) {
	if s, slot := c.way(r, msg); s != nil {
		c.send(s, s.judge(slot, msg.Foreign), single(r), msg, "")
	}
}

// way returns the namespace over which a message to a room goes, nil where it has none; and the room's slot.
func (c *Cluster) way(r hub.Room, msg *hub.Message) (*space, int) {
	namespace, _ := r.Place()
	if msg.Event == "" && msg.RawEvent == nil {
		namespace = "" // no Socket.IO client gets it
	}
	return c.spaceFor(namespace), int(slotOf(r))
}

// single is a selection of one room.
func single(r hub.Room) hub.Selection { return hub.Selection{Rooms: []hub.Room{r}} }

// send publishes a message as the verdict says. It reports whether it was, or may be, taken to others.
func (c *Cluster) send(s *space, v verdict, sel hub.Selection, msg *hub.Message, count string) bool {
	if v == keep {
		c.stats.kept.Add(1)
		return true
	}
	if !c.link.Up() {
		c.stats.lost.Add(1)
		return false
	}
	channel, payload, err := c.encode(s, sel, msg, count)
	if err != nil {
		c.unwritable(s, err)
		return false
	}
	return c.dispatch(s, v, msg.Foreign, channel, payload)
}

func (c *Cluster) dispatch(s *space, v verdict, foreign bool, channel string, payload []byte) bool {
	sharded := c.sharded && s.name != ""
	var queued bool
	switch {
	case v == enquire:
		g := s.gate
		if foreign {
			g = s.hermetic
		}
		queued = c.link.PublishGated(g, sharded, channel, payload, c.tallied)
	case sharded:
		queued = c.link.SPublish(channel, payload)
	default:
		queued = c.link.Publish(channel, payload)
	}
	switch {
	case !queued:
		c.stats.lost.Add(1)
	case v == publish:
		c.stats.published.Add(1)
	}
	return queued
}

// tally counts what became of a message that was published if somebody turned out to be there.
func (c *Cluster) tally(_ any, err error) {
	switch {
	case err == nil:
		c.stats.published.Add(1)
	case errors.Is(err, redislink.ErrNotWanted):
		c.stats.kept.Add(1)
	default:
		c.stats.lost.Add(1)
	}
}

// unwritable notes a message that has no form on the wire.
func (c *Cluster) unwritable(s *space, err error) {
	if c.stats.unwritable.Add(1) == 1 {
		c.log.Warn("a message cannot be written for other servers; it is logged once", "namespace", s.name, "error", err)
	}
}

// SendCounted implements [hub.Bus].
func (c *Cluster) SendCounted(r hub.Room, msg *hub.Message, counted func(delivered int, complete bool)) {
	s, slot := c.way(r, msg)
	if s == nil {
		counted(0, true)
		return
	}
	c.sendCounted(s, s.judge(slot, msg.Foreign), []uint16{uint16(slot)}, single(r), msg, counted)
}

// SendSelection implements [hub.Bus].
func (c *Cluster) SendSelection(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	s := c.spaceFor(msg.Namespace)
	if s == nil {
		if counted != nil {
			counted(0, true)
		}
		return
	}
	v, of := s.judgeAll(sel.Rooms, msg.Foreign)
	if counted == nil {
		c.send(s, v, sel, msg, "")
		return
	}
	c.sendCounted(s, v, of, sel, msg, counted)
}

// judgeAll is judge for several rooms; none of them is everybody. It returns the slots to look at; nil for all, where it is
// not to be kept.
func (s *space) judgeAll(rooms []hub.Room, foreign bool) (verdict, []uint16) {
	var of []uint16
	v := keep
	for _, r := range rooms {
		if r.Kind == hub.KindSocket {
			if _, id := r.Place(); !hub.IsSocketID(id) {
				continue
			}
			return s.judge(-1, foreign), nil // sockets are in no slot
		}
		slot := slotOf(r)
		of = append(of, slot)
		if one := s.judge(int(slot), foreign); one == publish || v == keep {
			v = one
		}
	}
	if len(rooms) == 0 {
		v = s.judge(-1, foreign)
	}
	return v, of
}
