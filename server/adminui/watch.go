package adminui

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"signalbox/server/app"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/rawjson"
	"signalbox/server/socketio"
)

const (
	// queued is how much may wait to be told.
	queued = 4096
	// changesPerSecond and talkPerSecond bound what a server tells: of sockets and rooms, beyond which lists are sent anew, and
	// of events, beyond which they are left out. burst times as much may come at once.
	changesPerSecond, talkPerSecond, burst = 1000, 300, 4
	// maxArgs is up to how many bytes of arguments events are told with them.
	maxArgs = 16 << 10
	// maxName is up to how many bytes of JSON the name of an event is told.
	maxName = 1 << 10
)

var _ socketio.Watch = (*Admin)(nil)

// wanted reports whether something about a socket is to be told now, and counts it.
func (a *Admin) wanted(id string, b *conn.Bucket, perSecond float64) bool {
	if !a.listened.Load() || !among(id, a.share.Load()) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return b.Take(time.Now(), perSecond, burst*perSecond)
}

// change has f tell that something about a socket has changed.
func (a *Admin) change(id string, f func()) {
	if a.wanted(id, &a.changes, changesPerSecond) {
		select {
		case a.queue <- f:
			return
		default:
		}
	}
	if a.listened.Load() && among(id, a.share.Load()) {
		a.dropped.Store(true)
	}
}

// Shown implements [hub.Watcher]: a client is connected.
//
// Rule: what rooms it is in is told here, and no more of them.
func (a *Admin) Shown(m *hub.Member, rooms []hub.Room) {
	client, ok := m.Sink().(socketio.Watched)
	if !ok {
		return
	}
	now := time.Now()
	a.change(client.ID(), func() {
		s := client.Describe()
		s.Rooms = a.names(client.Namespace(), rooms)
		a.tell(nil, "socket_connected", describe(client.Namespace(), s, true), timestamp(now))
	})
	if client.Namespace() == Namespace {
		a.running.Go(func() { a.list(client) }) // awaited by Close
	}
}

// Joined implements [hub.Watcher].
func (a *Admin) Joined(m *hub.Member, r hub.Room, others []hub.Room) {
	a.moved("room_joined", m, r, others)
}

// Left implements [hub.Watcher].
func (a *Admin) Left(m *hub.Member, r hub.Room, others []hub.Room) {
	a.moved("room_left", m, r, others)
}

// moved tells that a client has joined or left a room, unless it is in another of the same name.
func (a *Admin) moved(event string, m *hub.Member, r hub.Room, others []hub.Room) {
	client, ok := m.Sink().(socketio.Watched)
	if !ok || !a.listened.Load() {
		return
	}
	namespace := client.Namespace()
	name, ok := a.name(namespace, r)
	if !ok {
		return
	}
	for _, other := range others {
		if another, ok := a.name(namespace, other); ok && another == name {
			return
		}
	}
	now := time.Now()
	a.change(client.ID(), func() { a.tell(nil, event, namespace, name, client.ID(), timestamp(now)) })
}

// Gone implements [hub.Watcher].
func (a *Admin) Gone(m *hub.Member, rooms []hub.Room) {
	client, ok := m.Sink().(socketio.Watched)
	if !ok {
		return
	}
	now, namespace, id, reason := timestamp(time.Now()), client.Namespace(), client.ID(), client.Ending()
	a.change(id, func() {
		a.tell(nil, "socket_disconnected", namespace, id, reason, now)
		for _, name := range a.names(namespace, rooms) {
			a.tell(nil, "room_left", namespace, name, id, now)
		}
	})
}

// Upgraded implements [socketio.Watch].
func (a *Admin) Upgraded(p socketio.Watched) {
	a.change(p.ID(), func() {
		a.tell(nil, "socket_updated", map[string]string{"id": p.ID(), "nsp": p.Namespace(), "transport": p.Transport()})
	})
}

// Received implements [socketio.Watch].
func (a *Admin) Received(p socketio.Watched, e *app.Event) {
	a.happened("event_received", p, e.RawName, e.Args, e.Attachments)
}

// Sent implements [socketio.Watch].
func (a *Admin) Sent(p socketio.Watched, msg *hub.Message) {
	if !a.listened.Load() {
		return
	}
	name := msg.RawEvent
	if name == nil {
		name = rawjson.AppendString(nil, msg.Event)
	}
	a.happened("event_sent", p, name, msg.Args, msg.Attachments)
}

// happened tells of an event, but for one of a namespace that is closed.
func (a *Admin) happened(kind string, p socketio.Watched, name []byte, args []json.RawMessage, attachments [][]byte) {
	if slices.Contains(a.o.Closed, p.Namespace()) || !a.wanted(p.ID(), &a.talk, talkPerSecond) {
		return
	}
	if len(name) > maxName {
		name = []byte(`"(a long name)"`)
	}
	size := 0
	for _, arg := range args {
		size += len(arg)
	}
	for _, data := range attachments {
		size += len(data)
	}
	list := append(append(make([]byte, 0, size+len(name)+64), '['), name...)
	list = append(list, ',')
	switch {
	case size > maxArgs:
		list, attachments = append(list, `"(too large to be shown)"`...), nil
	case slices.ContainsFunc(args, func(arg json.RawMessage) bool { return secret.Match(arg) }):
		list, attachments = append(list, `"(not shown: there is a secret in it)"`...), nil
	default:
		for _, arg := range args {
			list = append(append(list, arg...), ',')
		}
		list = list[:len(list)-1]
	}
	event := json.RawMessage(append(list, ']'))
	kept := make([][]byte, len(attachments))
	for i, data := range attachments {
		kept[i] = bytes.Clone(data)
	}
	now := time.Now()
	select {
	case a.queue <- func() { a.tell(kept, kind, p.Namespace(), p.ID(), event, timestamp(now)) }:
	default:
	}
}

// secret finds what looks like a token, or a member that is called like one.
var secret = regexp.MustCompile(`(?i)"eyJ[\w-]+\.|"[^"]*(token|passw|secret|ticket|jwt|api_?key|bearer)[^"]*"\s*:`)
