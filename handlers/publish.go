package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"signalbox/server/hub"
)

// Errors of [Publisher.Publish] and [Publisher.Receive]. Their texts may be told to whoever publishes.
var (
	// ErrChannel: the channel is none of those there are.
	ErrChannel = errors.New("no such channel: use update, broadcast, user:<id> or room:<id>")
	// ErrPayload: what is published is not JSON.
	ErrPayload = errors.New("the payload is not JSON")
	// ErrType: channels other than update need an object with a type.
	ErrType = errors.New("the payload needs a type: a text of 1 to 128 bytes without control characters, that Socket.IO does not use itself")
)

// maxTypeBytes bounds the type of what is published: it becomes an event's name.
const maxTypeBytes = 128

// reservedEvents are the names that a Socket.IO client would take for something that happened to its connection.
var reservedEvents = []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

// The topics that members join.
var (
	topicUpdate    = hub.Room{Kind: hub.KindTopic, Name: "update"}
	topicBroadcast = hub.Room{Kind: hub.KindTopic, Name: "broadcast"}
	topicTap       = hub.Room{Kind: hub.KindTopic, Name: "tap"}
	topicDemo      = hub.Room{Kind: hub.KindTopic, Name: "demo"}
)

func accountRoom(userID string) hub.Room { return hub.Room{Kind: hub.KindAccount, Name: userID} }

// topicPublishCount is on what nodes ask each other how many clients a channel reaches.
const topicPublishCount = "publish.count"

// Publisher takes messages on channels to whoever listens there, each in the form of its door. docs/protocol.md has the
// table of what goes where. Its methods may be called from any goroutine.
//
// In a cluster the channels are those of Redis: what is published here goes out as a plain PUBLISH, which the other nodes
// take in as they take in one by any other program.
type Publisher struct {
	// Static after construction.
	hub      RoomHub
	nodes    hub.Nodes
	channels Channels // nil: there are no other processes

	mu sync.RWMutex
	// mu guards the following.
	subscriptions []*subscription
}

type subscription struct {
	pattern string
	call    func(channel string, payload []byte)
}

// NewPublisher returns a publisher over h. nodes are the other nodes of a cluster, and channels takes what is published to
// them and to other programs; nil: there are none.
func NewPublisher(h RoomHub, nodes hub.Nodes, channels Channels) *Publisher {
	p := &Publisher{hub: h, nodes: nodes, channels: channels}
	nodes.OnAsk(topicPublishCount, func(_ context.Context, body []byte) []byte { return answerTo(body, p.countHere) })
	return p
}

// Publish sends a payload, one JSON value, to a channel, and returns for how many clients it was queued, on all nodes of a
// cluster. complete is false where that could not be found out, or where it could not be taken to the others: then it
// reaches this node alone. The error wraps [ErrChannel], [ErrPayload] or [ErrType]; then nobody gets anything.
//
// On update the payload goes out as it is. On the other channels it is an object with a type; its data, or the whole of
// it where it has no data, is what the type's event carries.
//
// In a cluster it waits for the other nodes to count, until ctx is over or a second.
func (p *Publisher) Publish(ctx context.Context, channel string, payload []byte) (delivered int, complete bool, err error) {
	room, msg, err := published(channel, payload)
	if err != nil {
		return 0, false, err
	}
	delivered = p.hub.SendHere(room, msg)
	sent := p.channels == nil || p.channels.Publish(channel, bytes.Clone(payload))
	if msg.Event != "" {
		// Node servers in the cluster do not know these channels: this node tells them, and no other does.
		p.hub.SendForeign(room, msg)
	}
	p.notify(channel, payload)
	if p.channels == nil || !sent {
		return delivered, sent, nil
	}
	complete = gather(ctx, p.nodes, topicPublishCount, compactJSON(publishQuestion{[]byte(channel)}), func(answer []byte) error {
		var n publishAnswer
		if err := json.Unmarshal(answer, &n); err != nil {
			return err
		}
		delivered += max(n.Clients, 0)
		return nil
	})
	return delivered, complete, nil
}

// Receive sends to this node's clients what another process has published on a channel: a plain PUBLISH by any program. The
// errors are those of Publish. It does not wait. payload may be used again when it returns.
func (p *Publisher) Receive(channel string, payload []byte) error {
	room, msg, err := published(channel, payload)
	if err != nil {
		return err
	}
	p.hub.SendHere(room, msg)
	p.notify(channel, payload)
	return nil
}

// publishQuestion asks how many clients of a node a channel reaches. Its name goes byte for byte.
type publishQuestion struct {
	Channel []byte `json:"channel"`
}

type publishAnswer struct {
	Clients int `json:"clients"`
}

// countHere answers another node. Everybody in a channel's room takes what is published there: on update there are only
// streams, and the others get it in the forms of all doors.
func (p *Publisher) countHere(q publishQuestion) any {
	room, err := channelRoom(string(q.Channel))
	if err != nil {
		return publishAnswer{} // a later version has more channels; here nobody listens to them
	}
	return publishAnswer{p.hub.Count(room)}
}

// published returns what a payload becomes on a channel, and where its listeners are.
func published(channel string, payload []byte) (hub.Room, *hub.Message, error) {
	if !utf8.Valid(payload) || !json.Valid(payload) {
		return hub.Room{}, nil, ErrPayload
	}
	room, err := channelRoom(channel)
	if err != nil {
		return hub.Room{}, nil, err
	}
	if room == topicUpdate {
		return room, &hub.Message{SSE: appendRecord(nil, "", "update", payload)}, nil
	}
	msg, err := typedMessage(payload)
	return room, msg, err
}

// channelRoom returns where a channel's listeners are.
func channelRoom(channel string) (hub.Room, error) {
	switch channel {
	case "update":
		return topicUpdate, nil
	case "broadcast":
		return topicBroadcast, nil
	}
	kind, name, ok := strings.Cut(channel, ":")
	switch {
	case !ok || name == "":
	case kind == "user":
		return accountRoom(name), nil
	case kind == "room":
		return hub.Room{Kind: hub.KindRoom, Name: name}, nil
	}
	return hub.Room{}, ErrChannel
}

// typedMessage returns {type, data} in the forms of all doors.
func typedMessage(payload []byte) (*hub.Message, error) {
	m, ok := membersOf(payload)
	if !ok {
		return nil, ErrType
	}
	var kind, data []byte
	for key, value, more := m.next(); more; key, value, more = m.next() {
		switch {
		case keyIs(key, "type"):
			kind = value
		case keyIs(key, "data"):
			data = value
		}
	}
	name, ok := stringValue(kind)
	if !ok || !isEventName(name) {
		return nil, ErrType
	}
	if data == nil {
		data = payload
	}
	return everywhere(name, data, payload), nil
}

// isEventName reports whether a published type can be the name of an event at every door.
func isEventName(name string) bool {
	if name == "" || len(name) > maxTypeBytes || !utf8.ValidString(name) || slices.Contains(reservedEvents, name) {
		return false
	}
	return !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Subscribe has call called for what is published on the channels that a pattern fits, in which * stands for any
// characters, by this process or another, after it was sent to clients. Calls come on the goroutine that publishes, or
// that takes in what others have published, and must be quick; payload is valid until call returns. The result ends the subscription; a call under way may still finish after that.
func (p *Publisher) Subscribe(pattern string, call func(channel string, payload []byte)) (cancel func()) {
	s := &subscription{pattern: pattern, call: call}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscriptions = append(slices.Clone(p.subscriptions), s)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.subscriptions = slices.DeleteFunc(slices.Clone(p.subscriptions), func(o *subscription) bool { return o == s })
	}
}

func (p *Publisher) notify(channel string, payload []byte) {
	p.mu.RLock()
	list := p.subscriptions // replaced, never changed
	p.mu.RUnlock()
	for _, s := range list {
		if fits(s.pattern, channel) {
			s.call(channel, payload)
		}
	}
}

// fits reports whether a pattern with * for any characters fits the whole of name.
func fits(pattern, name string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	if !star {
		return name == ""
	}
	for {
		var part string
		part, rest, star = strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
}
