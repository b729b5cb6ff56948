package cluster

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// This file is what moving a client from one node to another needs: to ask one node alone, and marks in the channels, which
// all nodes see at the same place between the messages.

var errNobody = errors.New("no node that lives is meant")

// UID returns what this node's messages bear as [hub.Message.From] at others, "" where all nodes have all messages in one order.
func (c *Cluster) UID() string {
	if c.stream != nil {
		return ""
	}
	return c.uid
}

// AskNode asks one other node, which is named by its id or by what the ids of its sockets begin with, and returns its answer. It
// waits until ctx is over at most.
func (c *Cluster) AskNode(ctx context.Context, name, topic string, body []byte) (answer []byte, err error) {
	node := c.members.alive(name, time.Now())
	if node == "" || !c.link.Up() {
		return nil, errNobody
	}
	ended := make(chan bool, 1)
	id := c.questions.ask(requestTimeout, func(body []byte) { answer = body }, func(complete bool) { ended <- complete })
	defer context.AfterFunc(ctx, func() { c.questions.fail(id) })()
	c.questions.expect(id, 1, true)
	b := binary.BigEndian.AppendUint64(c.appendControl(controlAsk), id)
	if !c.tellOne(node, append(appendTopic(b, topic), body...)) {
		c.questions.fail(id)
	}
	if !<-ended {
		return nil, errAway
	}
	return answer, nil
}

// alive returns the id of a node that is named by it, or by what the ids of its sockets begin with, and is heard of; "": there is none.
func (m *members) alive(name string, now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for node, at := range m.heard {
		if (node == name || socketPrefix(node) == name) && now.Sub(at) < silentAfter {
			return node
		}
	}
	return ""
}

// markRoom is the room of a mark: nobody is in it, on servers of any kind.
const markRoom = hub.Hidden + "mark"

// MarkChannels returns the channels that have to be marked for somebody in these rooms of a namespace. Where one connection
// brings everything in one order, that is one.
func (c *Cluster) MarkChannels(namespace string, rooms []hub.Room) []string {
	if c.stream != nil {
		return []string{c.stream.key}
	}
	base := c.spaceFor(namespace).channels.base
	channels := []string{base}
	if !c.link.Scattered() {
		return channels
	}
	for _, r := range rooms {
		channel := c.topics.channels.base
		if in, name := c.names.Of(r); in != "" {
			channel = c.spaceFor(in).channels.base
			if r.Kind != hub.KindEverybody && !(c.sharded && hub.IsSocketID(name)) {
				channel += name + "#"
			}
		}
		if !slices.Contains(channels, channel) {
			channels = append(channels, channel)
		}
	}
	return channels
}

// Mark publishes a mark on channels of a namespace, behind all that this node has sent there, and reports whether it could.
func (c *Cluster) Mark(namespace string, channels []string, mark string) bool {
	b := &format.Broadcast{UID: c.uid, Namespace: namespace, Rooms: []string{markRoom},
		Packet: format.Packet{Args: []json.RawMessage{noEvent}},
		Ext:    &format.Ext{RoomKinds: string(hub.KindNamespace.Letter()), MessageID: mark}}
	if c.stream != nil {
		data, err := format.AppendStream(nil, b)
		return err == nil && c.link.Up() && c.stream.put(&streamed{namespace: namespace, kind: streamBroadcast, data: data})
	}
	for _, channel := range channels {
		var payload []byte
		var err error
		sharded := c.sharded && channel != c.topics.channels.base
		if sharded {
			payload, err = format.AppendSharded(nil, b)
		} else {
			payload, err = format.AppendClassic(nil, b)
		}
		if err != nil || !c.publish(sharded, channel, payload) {
			return false
		}
	}
	return true
}

// OnMark has call hear of each mark, this node's too, at its place among the messages of a channel. It must not wait. It is
// called before Start.
func (c *Cluster) OnMark(call func(channel, mark string)) { c.onMark = call }

// ExpectMarks says that so many more wait for marks; only while somebody does are this node's own looked at.
func (c *Cluster) ExpectMarks(more int) { c.marks.Add(int64(more)) }

// takeMark reports whether a message is a mark.
func (c *Cluster) takeMark(channel string, p *format.Peeked) bool {
	if len(p.Rooms) != 1 || !strings.HasPrefix(p.Rooms[0], markRoom) || p.Ext == nil {
		return false
	}
	if c.onMark != nil {
		c.onMark(channel, p.Ext.MessageID)
	}
	return true
}
