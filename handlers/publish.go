package handlers

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"signalbox/server/hub"
)

// Errors of [Publisher.Publish]. Their texts may be told to whoever publishes.
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

// Publisher takes messages on channels to whoever listens there, each in the form of its door. docs/protocol.md has the
// table of what goes where. Its methods may be called from any goroutine.
type Publisher struct {
	hub Hub

	mu sync.RWMutex
	// mu guards the following.
	subscriptions []*subscription
}

type subscription struct {
	pattern string
	call    func(channel string, payload []byte)
}

// NewPublisher returns a publisher over h.
func NewPublisher(h Hub) *Publisher { return &Publisher{hub: h} }

// Publish sends a payload, one JSON value, to a channel, and returns for how many clients it was queued. The error wraps
// [ErrChannel], [ErrPayload] or [ErrType]; then nobody gets anything.
//
// On update the payload goes out as it is. On the other channels it is an object with a type; its data, or the whole of
// it where it has no data, is what the type's event carries.
func (p *Publisher) Publish(channel string, payload []byte) (delivered int, err error) {
	if !utf8.Valid(payload) || !json.Valid(payload) {
		return 0, ErrPayload
	}
	room, err := channelRoom(channel)
	if err != nil {
		return 0, err
	}
	var msg *hub.Message
	if room == topicUpdate {
		msg = &hub.Message{SSE: appendRecord(nil, "", "update", payload)}
	} else if msg, err = typedMessage(payload); err != nil {
		return 0, err
	}
	delivered = p.hub.Send(room, msg)
	p.notify(channel, payload)
	return delivered, nil
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
// characters, after it was sent to clients. Calls come on the goroutine that publishes and must be quick; payload is
// valid until call returns. The result ends the subscription; a call under way may still finish after that.
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
