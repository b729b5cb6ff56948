package socketio

import (
	"context"
	"encoding/json"
	"time"

	"signalbox/server/app"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// Library serves the namespaces that have no handler: package library, for programs that are written against the
// Socket.IO library. Its methods may be called from any goroutine.
type Library interface {
	// Session returns what will keep a client that asks for a namespace.
	Session(c Client) LibrarySession
	// ServerSide gives an event of another server, its name and its arguments, to what the program listens to on the
	// namespace, on the caller's goroutine. ack takes what the first listener calls back with; nil: no answer is wanted.
	ServerSide(namespace string, args []json.RawMessage, attachments [][]byte, ack ServerAck)
	// Shutdown is called when the last client has gone.
	Shutdown(ctx context.Context) error
}

// ServerAck takes an answer to a server: one value, and the attachments that placeholders in it refer to.
type ServerAck = func(value json.RawMessage, attachments [][]byte)

// LibrarySession keeps one client for the library. Event and Close are called as those of [app.Session], Close also
// for a client that was not let in.
type LibrarySession interface {
	app.Session
	// Away tells that the client was cut, and may come back: the program hears that it is disconnected. It stays in its rooms.
	Away(reason string)
	// Return is Connect for a client that was away. It reports false where the program has not seen off the one that it was.
	Return(payload json.RawMessage) bool
	// Connect asks for the client to be let in: Accept or Refuse of the [Client] is the answer, at once or later. payload
	// is what its CONNECT brought, nil without anything; it may alias a buffer. An error ends the connection.
	Connect(payload json.RawMessage) error
	// Ack takes the client's answer to the event with an id, on the goroutine that reads.
	Ack(id uint64, args []json.RawMessage, attachments [][]byte) error
	// Fault tells that the client sent what cannot be decoded. Its connection ends.
	Fault(err error)
	// Join and Leave change the rooms of the namespace that the client is in.
	Join(rooms []string)
	Leave(rooms []string)
	// Data returns what the program keeps with the client.
	Data() any
}

// Client is one client as the library sees it.
type Client interface {
	app.Peer
	// Connection returns the connection, which other namespaces share.
	Connection() *engine.Session
	// LibrarySession returns what keeps the client; nil in a namespace with a handler.
	LibrarySession() LibrarySession
	// Accept lets the client in: it is told that it is connected, one that is back behind what it missed.
	Accept()
	// Away reports whether the client was cut, and is not let in again yet.
	Away() bool
	// Refuse turns it away with a connect error. data is left out where it is nil.
	Refuse(message string, data any)
	// Deliver queues an event, also for a client that is away and may come back. Queue is for what is written down already. They
	// report whether the client will get it.
	Deliver(m *hub.Message) bool
	Queue(m *wire.Message, volatile bool) bool
	// Fail ends the connection because of a packet that cannot be decoded.
	Fail(err error)
	// Leave ends the client's stay as [app.Peer.Disconnect] does, but for Close of its session: Conclude is the second
	// half, for when no lock is held that a listener must not meet.
	Leave()
	Conclude()
}

var _ Client = (*peer)(nil)

// Serve has l serve the namespaces without a handler. It is called once, before the first client.
func (s *Server) Serve(l Library) {
	s.library = l
	s.libraryDoor = s.guard(libraryDoor{l})
}

// libraryDoor is the library as a handler, for what is put before handlers. Its sessions let clients in by themselves.
type libraryDoor struct{ library Library }

func (d libraryDoor) Connect(p app.Peer, _ app.Handshake) (app.Session, error) {
	c := p.(*peer) // there are no others
	c.library = d.library.Session(c)
	return c.library, nil
}

// ConnectTimeout is how long a connection may be in no namespace.
func (s *Server) ConnectTimeout() time.Duration { return s.cfg.ConnectTimeout }

// Hub returns the hub that the clients are in.
func (s *Server) Hub() *hub.Hub { return s.hub }

// Recovers reports whether clients that are cut may come back, in some namespaces at least.
func (s *Server) Recovers() bool { return s.recoveries != nil }

// Handles reports whether a namespace has a handler.
func (s *Server) Handles(namespace string) bool {
	return s.handlers[namespace].Handler != nil || s.others(namespace) != nil
}

// Cluster returns the way to the other servers, and whether there is one.
func (s *Server) Cluster() (Cluster, bool) { return s.cluster, s.clustered() }

// Open makes a namespace of the library known. ids returns ids for acks that the library gives nobody else.
func (s *Server) Open(name string, ids func() uint64) {
	s.namespaces.LoadOrStore(name, &namespace{server: s, name: name, nextID: ids})
}

// Forget takes one Open back.
func (s *Server) Forget(name string) { s.namespaces.Delete(name) }

// Select returns the clients of a namespace that sel selects, each once; everybody where it names no room.
func (s *Server) Select(namespace string, sel hub.Selection) []Client {
	peers := s.audience(namespace, sel)
	clients := make([]Client, len(peers))
	for i, p := range peers {
		clients[i] = p
	}
	return clients
}
