package socketio

import (
	"signalbox/server/app"
	"signalbox/server/cluster/format"
	"signalbox/server/hub"
)

// Watch hears what happens to the clients of all namespaces: as the hub's Watcher of those that are connected, whose sinks are
// [Watched], and what they send and are sent. It is called by whoever does it, with locks held, so it must not block, nor call
// the hub. Slices are valid until it returns.
type Watch interface {
	hub.Watcher
	// Received is called before the handler's Event.
	Received(p Watched, e *app.Event)
	// Sent is called once for each client that a message is for. It may not have been connected yet, or have left.
	Sent(p Watched, msg *hub.Message)
	// Upgraded is called when a client goes on by websocket, maybe before it is connected.
	Upgraded(p Watched)
}

// Watched is a client as [Watch] sees it.
type Watched interface {
	app.Peer
	// Describe returns what other servers are told of the client, without its rooms.
	Describe() format.Socket
	// Transport returns how the client is connected: polling or websocket.
	Transport() string
	// Ending returns why the client left, for [hub.Watcher.Gone].
	Ending() string
}

var _ Watched = (*peer)(nil)

// tellSent tells who watches of a message to the client.
func (p *peer) tellSent(m *hub.Message) {
	if w := p.server().cfg.Watch; w != nil {
		w.Sent(p, m)
	}
}

// Transport implements [Watched].
func (p *peer) Transport() string { return p.conn().session.Transport().String() }

// Ending implements [Watched]. It is written once, before the client is taken out of the hub.
func (p *peer) Ending() string { return p.ending }

// Namespaces returns the names of the namespaces that are there now, in no order that means anything.
func (s *Server) Namespaces() []string {
	var names []string
	s.namespaces.Range(func(name, _ any) bool {
		names = append(names, name.(string))
		return true
	})
	return names
}
