package cluster

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
	"signalbox/store/redislink"
)

// receive handles what Redis brings. It runs on the goroutine that receives, in order, and waits for nothing.
func (c *Cluster) receive(m redislink.Message) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	defer c.recovered("a message of another server")
	switch {
	case c.ctx.Err() != nil:
	case m.Channel == c.everyone, m.Channel == c.inbox:
		c.note("control", c.control(m.Payload))
	case m.Pattern != "" && c.spaceOfPattern(m.Pattern) == nil, c.isPlain(m.Channel):
		c.plain(m.Channel, m.Payload)
	case m.Channel == c.topics.channels.base:
		c.broadcast(c.topics, m)
	case m.Sharded, c.stream != nil:
		c.takeSharded(m)
	default:
		switch s, kind := c.channelOf(m.Channel); kind {
		case requestChannel:
			c.note("request", c.takeRequest(s, m.Payload))
		case answerChannel:
			c.note("response", c.takeResponse(m.Payload))
		default: // that of a namespace, a room or a socket
			c.broadcast(nil, m)
		}
	}
}

// note counts a message that could not be read.
func (c *Cluster) note(what string, err error) {
	c.stats.received.Add(1)
	if err == nil {
		return
	}
	c.stats.dropped.Add(1)
	c.log.Debug("a message of the cluster was dropped", "kind", what, "error", err)
}

// broadcast handles a message of the classic mode; s is nil where the message says for which namespace it is. Its own
// come back to a node that is subscribed to where they went; they are seen not to be another's before anything is
// decoded.
func (c *Cluster) broadcast(s *space, m redislink.Message) {
	if bytes.HasPrefix(m.Payload, c.signature) {
		if c.looksAtOwn() {
			if p, err := format.PeekClassic(m.Payload); err == nil {
				c.takeOwn(m.Channel, &p)
			}
		}
		return
	}
	p, err := format.PeekClassic(m.Payload)
	if err == nil {
		if s == nil {
			s = c.space(p.Namespace)
		}
		if s == nil { // it was just closed
			return
		}
		err = c.deliver(s, m.Channel, "", &p)
	}
	c.note("broadcast", err)
}

// looksAtOwn reports whether something that this node has sent itself may mean anything to it.
func (c *Cluster) looksAtOwn() bool { return c.marks.Load() > 0 || !c.questions.none() }

// takeOwn takes a message that this node has sent itself: it is among those that a counted one reaches, and has
// counted.
func (c *Cluster) takeOwn(channel string, p *format.Peeked) {
	if c.takeMark(channel, p) || p.Ext == nil || p.Ext.CountID == "" {
		return
	}
	if id, err := strconv.ParseUint(p.Ext.CountID, 16, 64); err == nil {
		c.questions.refuse(id, true)
	}
}

// deliver takes a broadcast of another server to the members of this node.
func (c *Cluster) deliver(s *space, channel, offset string, p *format.Peeked) error {
	if c.takeMark(channel, p) || p.Ext != nil && p.Ext.Foreign {
		return nil
	}
	delivered, held, err := c.sendHere(s, channel, offset, p, nil)
	if err == nil && p.Ext != nil && p.Ext.CountID != "" && len(p.Ext.Node) == nodeIDLength {
		c.tellCount(p.Ext.Node, p.Ext.CountID, delivered, held)
	}
	return err
}

// sendHere sends a broadcast to the members of this node but those of except.
func (c *Cluster) sendHere(s *space, channel, offset string, p *format.Peeked, except []*hub.Member) (delivered, held int, err error) {
	sel, ok := c.selection(s, p.Rooms, p.Except, p.Ext)
	if !ok {
		return 0, 0, errKinds
	}
	sel.ExceptMembers = except
	if c.mayReach(sel) {
		msg, err := c.message(s, p)
		if err != nil {
			return 0, 0, err
		}
		msg.From, msg.Channel, msg.Offset = p.UID, channel, offset
		if p.Ext == nil && len(p.Rooms) == 1 && c.translate != nil {
			c.translate(sel.Rooms[0], msg)
		}
		delivered = c.hub.SendSelectionHere(sel, msg)
		held = msg.Held()
	} else {
		c.stats.passed.Add(1)
	}
	return delivered, held, nil
}

// mayReach reports whether somebody here may be among those whom a selection names. Nodes stay subscribed for a while
// to what nobody here is in any more, and what is for several rooms comes to all: it need not be decoded.
func (c *Cluster) mayReach(sel hub.Selection) bool {
	for _, r := range sel.Rooms {
		if c.hub.Count(r) > 0 {
			return true
		}
	}
	return len(sel.Rooms) == 0
}

// selection returns the members that the names on the wire mean: of the kinds that a signalbox node gives, and of
// every kind where another server names them.
func (c *Cluster) selection(s *space, rooms, except []string, ext *format.Ext) (sel hub.Selection, ok bool) {
	if ext != nil && (ext.RoomKinds != "" || len(rooms) == 0) && len(ext.ExceptKinds) == len(except) {
		var one, two bool
		sel.Rooms, one = c.appendKinded(nil, s.name, rooms, ext.RoomKinds)
		sel.Except, two = c.appendKinded(nil, s.name, except, ext.ExceptKinds)
		return sel, one && two
	}
	for _, name := range rooms {
		sel.Rooms = c.names.AppendForeign(sel.Rooms, s.name, name)
	}
	for _, name := range except {
		sel.Except = c.names.AppendForeign(sel.Except, s.name, name)
	}
	return sel, true
}

// message returns a broadcast as the hub has it.
func (c *Cluster) message(s *space, p *format.Peeked) (*hub.Message, error) {
	packet, err := p.Packet()
	if err != nil {
		return nil, err
	}
	if len(packet.Args) == 0 {
		return nil, errEventName
	}
	msg := &hub.Message{Namespace: p.Namespace, Volatile: p.Flags.Volatile, Plain: p.Flags.Plain}
	if s.name != "" || !bytes.Equal(packet.Args[0], noEvent) {
		msg.RawEvent, msg.Event = packet.Args[0], packet.Event()
	}
	msg.Args, msg.Attachments = packet.Args[1:], packet.Attachments
	if p.Ext == nil {
		return msg, nil
	}
	msg.Text, msg.SSE, msg.ID = p.Ext.Text, p.Ext.SSE, p.Ext.MessageID
	if p.Ext.DeriveSSE && len(msg.Args) == 1 {
		msg.SSE = deriveSSE(msg.Event, msg.Args[0])
	}
	return msg, nil
}

// tellCount answers a counted message: for how many it was queued, and for how many that are away it is kept.
func (c *Cluster) tellCount(node, id string, n, held int) {
	number, err := strconv.ParseUint(id, 16, 64)
	if err != nil {
		return
	}
	b := binary.BigEndian.AppendUint64(c.appendControl(controlCount), number)
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	if held > 0 { // versions before this one read no further than the first
		b = binary.BigEndian.AppendUint64(b, uint64(held))
	}
	c.tellOne(node, b)
}

// takeSharded handles a message on a channel of the sharded mode.
func (c *Cluster) takeSharded(m redislink.Message) {
	if c.isOwn(m.Payload) && !c.looksAtOwn() {
		return
	}
	e, err := format.ParseSharded(m.Payload)
	if err != nil {
		c.note("message", err)
		return
	}
	s := c.space(e.Namespace)
	switch {
	case e.UID == c.uid && e.Broadcast != nil:
		c.takeOwn(m.Channel, e.Broadcast)
		return
	case e.UID == c.uid, s == nil:
		return
	}
	switch {
	case e.Broadcast != nil && e.Broadcast.RequestID != "":
		err = c.carryOut(s, asked(e.Broadcast))
	case e.Broadcast != nil:
		err = c.deliver(s, m.Channel, "", e.Broadcast)
	case e.Request != nil:
		err = c.carryOut(s, e.Request)
	case e.Response != nil:
		c.gatherings.answer(e.Response.ID, e.Response)
	}
	c.note("message", err)
}

// asked returns a broadcast that is to be answered as a request.
func asked(b *format.Peeked) *format.Request {
	return &format.Request{Type: format.RequestBroadcast, UID: b.UID, ID: b.RequestID, Broadcast: b}
}

// maxNamespaceTail is up to how long a namespace's name in JSON is looked behind for whose message it is.
const maxNamespaceTail = 100

// isOwn reports whether a message of the sharded mode is seen to be this node's without reading it: in JSON its end
// says so.
func (c *Cluster) isOwn(payload []byte) bool {
	end := payload[max(0, len(payload)-len(c.signature)-maxNamespaceTail):]
	i := bytes.LastIndex(end, c.signature)
	if i < 0 {
		return false
	}
	name := end[i+len(c.signature):]
	return len(name) >= 2 && bytes.IndexByte(name, '"') == len(name)-2 && name[len(name)-1] == '}'
}
