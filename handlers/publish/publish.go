// Package publish takes what backends and other programs publish on channels to whoever listens there, each in the form of the
// own door, and owns the streams of users.
package publish

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"signalbox/handlers/message"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
)

// errPayload refuses what is not JSON.
var errPayload = fmt.Errorf("%w: the payload is not JSON", app.ErrMessage)

// topicPublishCount is on what nodes ask each other how many clients a channel reaches.
const topicPublishCount = "publish.count"

// Publisher takes messages on channels to whoever listens there, each in the form of its door. docs/protocol.md has the
// table of what goes where. Its methods may be called from any goroutine.
//
// In a cluster the channels are those of Redis: what is published here goes out as a plain PUBLISH, which the other nodes
// take in as they take in one by any other program.
type Publisher struct {
	// Static after construction.
	hub      *hub.Hub
	nodes    hub.Nodes
	channels Channels // nil: there are no other processes
}

// Channels are the publish channels of Redis, on which any program may listen.
type Channels interface {
	// Publish takes payload, which it keeps, to everybody who listens to channel, and reports false where it could not.
	// It never waits.
	Publish(channel string, payload []byte) bool
}

// New returns a publisher over h. nodes are the other nodes of a cluster, and channels takes what is published to
// them and to other programs; nil: there are none.
func New(h *hub.Hub, nodes hub.Nodes, channels Channels) *Publisher {
	p := &Publisher{hub: h, nodes: nodes, channels: channels}
	hub.Answer(nodes, topicPublishCount, p.countHere)
	return p
}

// Publish sends a payload, one JSON value, to a channel, and returns for how many clients it was queued, on all nodes of a
// cluster, and for how many of this node that are away it is held. complete is false where that could not be found out, or where it could not be taken to the others: then it
// reaches this node alone. The error wraps [app.ErrChannel] or [app.ErrMessage]; then nobody gets anything.
//
// On update the payload goes out as it is. On the other channels it is an object with a type; its data, or the whole of
// it where it has no data, is what the type's event carries.
//
// In a cluster it waits for the other nodes to count, until ctx is over or a second.
func (p *Publisher) Publish(ctx context.Context, channel string, payload []byte) (delivered, held int, complete bool, err error) {
	room, msg, err := published(channel, payload)
	if err != nil {
		return 0, 0, false, err
	}
	p.hub.Begin()
	delivered = p.hub.SendHere(room, msg)
	held = msg.Held()
	sent := p.channels == nil || p.channels.Publish(channel, bytes.Clone(payload))
	p.hub.End()
	foreign := make(chan publishAnswer, 1)
	if msg.Event != "" {
		// Node servers in the cluster do not know these channels: this node tells them, and no other does.
		p.hub.SendForeign(room, msg, func(n int, all bool) { foreign <- publishAnswer{n, !all} })
	} else {
		foreign <- publishAnswer{}
	}
	if p.channels == nil || !sent {
		return delivered, held, sent, nil
	}
	complete = hub.Ask(ctx, p.nodes, topicPublishCount, publishQuestion{[]byte(channel)}, func(n publishAnswer) {
		delivered += max(n.Clients, 0)
	})
	select {
	case n := <-foreign:
		delivered += n.Clients
		complete = complete && !n.partial
	case <-ctx.Done():
		complete = false
	}
	return delivered, held, complete, nil
}

// Receive sends to this node's clients, those of h, what another process has published on a channel: a plain PUBLISH by any
// program. The errors are those of [Publisher.Publish]. It does not wait. payload may be used again when it returns.
func Receive(h *hub.Hub, channel string, payload []byte) error {
	room, msg, err := published(channel, payload)
	if err != nil {
		return err
	}
	msg.From, msg.Channel = "?", channel // nobody knows who
	h.SendHere(room, msg)
	return nil
}

// publishQuestion asks how many clients of a node a channel reaches. Its name goes byte for byte.
type publishQuestion struct {
	Channel []byte `json:"channel"`
}

type publishAnswer struct {
	Clients int `json:"clients"`
	partial bool
}

// countHere answers another node. Everybody in a channel's room takes what is published there: on update there are only
// streams, and the others get it in the forms of all doors.
func (p *Publisher) countHere(q publishQuestion) any {
	room, err := channelRoom(string(q.Channel))
	if err != nil {
		return publishAnswer{} // a later version has more channels; here nobody listens to them
	}
	return publishAnswer{Clients: p.hub.Count(room)}
}

// published returns what a payload becomes on a channel, and where its listeners are.
func published(channel string, payload []byte) (hub.Room, *hub.Message, error) {
	if !utf8.Valid(payload) || rawjson.Check(payload) != nil {
		return hub.Room{}, nil, errPayload
	}
	room, err := channelRoom(channel)
	if err != nil {
		return hub.Room{}, nil, err
	}
	if room == message.Update {
		return room, &hub.Message{SSE: message.AppendRecord(nil, "", "update", payload)}, nil
	}
	msg, err := message.Typed(payload)
	return room, msg, err
}

// channelRoom returns where a channel's listeners are.
func channelRoom(channel string) (hub.Room, error) {
	switch channel {
	case "update":
		return message.Update, nil
	case "broadcast":
		return message.Broadcast, nil
	}
	kind, name, ok := strings.Cut(channel, ":")
	switch {
	case !ok || name == "":
	case kind == "user":
		return message.Account(name), nil
	case kind == "room":
		return hub.Room{Kind: hub.KindRoom, Name: name}, nil
	}
	return hub.Room{}, app.ErrChannel
}
