package cluster

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/hub"
)

var _ hub.Bus = (*Cluster)(nil)

// Want implements [hub.Bus].
func (c *Cluster) Want(r hub.Room) { c.rooms.want(r) }

// Await implements [hub.Bus].
func (c *Cluster) Await(r hub.Room) { c.rooms.await(r) }

// Heard implements [hub.Bus].
func (c *Cluster) Heard(r hub.Room) bool { return c.rooms.heard(r) }

// Unwant implements [hub.Bus].
func (c *Cluster) Unwant(r hub.Room) { c.rooms.unwant(r) }

// Send implements [hub.Bus].
func (c *Cluster) Send(r hub.Room, msg *hub.Message) {
	c.send(c.spaceOf(r, msg), single(r), msg, nil, true)
}

// SendCounted implements [hub.Bus].
func (c *Cluster) SendCounted(r hub.Room, msg *hub.Message, counted func(delivered int, complete bool)) {
	c.send(c.spaceOf(r, msg), single(r), msg, counted, true)
}

// SendSelection implements [hub.Bus].
func (c *Cluster) SendSelection(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	if counted != nil { // it is looked at again later
		sel = hub.Selection{Rooms: slices.Clone(sel.Rooms), Except: slices.Clone(sel.Except), ExceptMembers: sel.ExceptMembers}
	}
	s := c.spaceFor(msg.Namespace)
	if len(sel.Rooms) == 1 {
		s = c.spaceOf(sel.Rooms[0], msg)
		sel.Rooms = single(sel.Rooms[0]).Rooms
	}
	c.send(s, sel, msg, counted, true)
}

// Emit implements the cluster of package socketio: it is [Cluster.SendSelection] for the members of other nodes alone.
func (c *Cluster) Emit(sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool)) {
	if counted != nil { // it is looked at again later
		sel = hub.Selection{Rooms: slices.Clone(sel.Rooms), Except: slices.Clone(sel.Except)}
	}
	c.send(c.spaceFor(msg.Namespace), sel, msg, counted, false)
}

// spaceOf returns the namespace over which a message to a room goes.
func (c *Cluster) spaceOf(r hub.Room, msg *hub.Message) *space {
	if msg.Event == "" && msg.RawEvent == nil {
		return c.topics // no Socket.IO client gets it
	}
	namespace, _ := r.Place()
	return c.spaceFor(namespace)
}

// single is a selection of one room.
func single(r hub.Room) hub.Selection {
	if r.Kind == hub.KindEverybody {
		return hub.Selection{}
	}
	return hub.Selection{Rooms: []hub.Room{r}}
}

// send publishes a message. counted may be nil. here is about the streams mode, which brings it back to this node.
func (c *Cluster) send(s *space, sel hub.Selection, msg *hub.Message, counted func(delivered int, complete bool), here bool) {
	tell := func(delivered int, complete bool) {
		if counted != nil {
			defer c.recovered("a count")
			counted(delivered, complete)
		}
	}
	switch {
	case msg.Foreign && counted == nil && s.foreign.Load() == 0 && s.member.Load():
		return // there is no server of another kind, as it was a moment ago
	case c.stream != nil:
		c.stream.send(s, sel, msg, counted != nil, tell, here)
		return
	case !c.link.Up():
		c.stats.lost.Add(1)
		tell(0, false)
		return
	}
	if counted != nil {
		c.sendCounted(s, sel, msg, tell)
		return
	}
	channel, payload, err := c.encode(s, sel, msg, "")
	if err != nil {
		c.unwritable(s, err)
		return
	}
	if c.publish(s.sharded, channel, payload) {
		c.stats.published.Add(1)
	} else {
		c.stats.lost.Add(1)
	}
}

// sendCounted publishes a message that each signalbox node answers with for how many of its clients it was queued.
// How many answers there will be is asked together with publishing it; servers of other kinds are asked for the
// sockets that they have.
func (c *Cluster) sendCounted(s *space, sel hub.Selection, msg *hub.Message, tell func(delivered int, complete bool)) {
	id := c.askCount(c.patience(), msg, tell)
	count := strconv.FormatUint(id, 16)
	if msg.Foreign {
		count = "" // signalbox nodes do not answer
	}
	channel, payload, err := c.encode(s, sel, msg, count)
	if err != nil {
		c.unwritable(s, err)
		c.questions.fail(id)
		return
	}
	queued := c.link.PublishCounted(s.sharded, channel, payload, append(s.counted(), channel), func(n []int64, err error) {
		if err != nil || len(n) == 0 {
			c.stats.lost.Add(1)
			c.questions.fail(id)
			return
		}
		c.stats.published.Add(1)
		foreign, all := s.count(n)
		want := int(n[len(n)-1])
		switch {
		case msg.Foreign:
			want = 0
		case !s.sharded:
		case channel == s.channels.base: // all servers are among its subscribers
			want = int(n[2])
		case foreign > 0: // Node servers may be, and nobody knows how many
			all = false
			want = max(0, want-int(foreign))
		}
		if foreign == 0 {
			c.questions.expect(id, want, all)
			return
		}
		c.questions.expect(id, want+1, all)
		c.countForeign(s, sel, int(foreign), id)
	})
	if !queued {
		c.stats.lost.Add(1)
		c.questions.fail(id)
	}
}

// askCount makes the question for how many clients a message was queued.
func (c *Cluster) askCount(patience time.Duration, msg *hub.Message, tell func(delivered int, complete bool)) (id uint64) {
	delivered := 0
	return c.questions.ask(patience, func(body []byte) {
		n, rest, _ := cutNumber(body) // checked by control
		delivered += int(min(n, 1<<40))
		if held, _, err := cutNumber(rest); err == nil {
			msg.HoldElsewhere(int(min(held, 1<<30)))
		}
	}, func(complete bool) { tell(delivered, complete) })
}

// patience is how long other nodes have for an answer.
func (c *Cluster) patience() time.Duration {
	if _, silent := c.members.count(time.Now()); silent > 0 {
		return hurriedTimeout
	}
	return answerTimeout
}

// unwritable notes a message that has no form on the wire.
func (c *Cluster) unwritable(s *space, err error) {
	if c.stats.unwritable.Add(1) == 1 {
		c.log.Warn("a message cannot be written for other servers; it is logged once", "namespace", s.name, "error", err)
	}
}

// joiningFor is how long it takes at most until a node that was asked to have sockets join a room is subscribed to it.
const joiningFor = 2 * time.Second

// joining are the rooms that other nodes were just asked to have sockets join: what is sent to them right behind goes
// over the channel of the namespace, which those nodes are subscribed to already.
type joining struct {
	last atomic.Int64 // when the last one was asked for, in nanoseconds since 1970; most senders look no further

	mu    sync.Mutex
	until map[hub.Room]time.Time // guarded by mu
}

func (j *joining) add(r hub.Room) {
	now := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	for other, until := range j.until {
		if now.After(until) {
			delete(j.until, other)
		}
	}
	j.until[r] = now.Add(joiningFor)
	j.last.Store(now.UnixNano())
}

func (j *joining) has(r hub.Room) bool {
	now := time.Now()
	if now.UnixNano()-j.last.Load() > int64(joiningFor) {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return now.Before(j.until[r])
}
