package socketio

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/hub"
)

// namespace is one namespace of this process: who is in it, which handler serves it, and what the library takes for its
// adapter (adapter.go).
type namespace struct {
	listeners // of the adapter: create-room, join-room, leave-room, delete-room

	// Static after construction.
	server  *Server
	nsp     sio.Namespace
	name    string
	handler app.Handler // nil: the program listens to the library's sockets

	questions questions
	listening sync.Once   // for the namespace's own end of "connection"
	open      atomic.Bool // the cluster was told of it
	servers   serverCount // in the cluster
}

func newNamespace(s *Server, nsp sio.Namespace) *namespace {
	n := &namespace{server: s, nsp: nsp, name: nsp.Name(), handler: s.handlers[nsp.Name()]}
	if n.handler != nil {
		nsp.Use(n.middleware)
	}
	_ = nsp.On("connect", n.onConnect) // registering never fails
	n.open.Store(true)
	s.openings.add(n.name)
	if old, ok := s.namespaces.Swap(n.name, n); ok {
		old.(*namespace).close() // two clients made it at once, and this one is what the library goes on with
	}
	return n
}

// close tells the cluster that the namespace is not used any more.
func (n *namespace) close() {
	if n.open.CompareAndSwap(true, false) {
		n.server.openings.remove(n.name)
	}
}

// onConnect is the first that the library calls when it has connected a socket.
func (n *namespace) onConnect(args ...any) {
	if sock, ok := args[0].(*sio.Socket); ok {
		if n.handler == nil { // now, so that it comes behind the listeners of the program
			n.listening.Do(func() { _ = n.nsp.On("connection", n.onConnection) }) // registering never fails
		}
		if p := n.peerOf(sock); p != nil {
			p.settle()
		} else {
			sock.Disconnect(false) // the connection ended meanwhile
		}
	}
}

// onConnection is the last that the library calls, where no handler serves the namespace: the program has registered its
// listeners on the socket.
func (n *namespace) onConnection(args ...any) {
	sock, ok := args[0].(*sio.Socket)
	if !ok {
		return
	}
	p := n.peerOf(sock)
	if p == nil {
		return
	}
	p.mu.Lock()
	session, ok := p.session.(*librarySession)
	p.mu.Unlock()
	if ok {
		session.ready()
	}
}

// peerOf returns the peer of a socket of the library, also when it has left; nil when the connection has forgotten it.
func (n *namespace) peerOf(sock *sio.Socket) *peer {
	c, ok := sock.Conn().(*conn)
	if !ok {
		return nil
	}
	if p := c.find([]byte(n.name)); p != nil && p.socket() == sock {
		return p
	}
	return nil
}

// middleware attaches a client to its handler, or refuses it. As a middleware it runs before CONNECT is sent.
func (n *namespace) middleware(sock *sio.Socket, next func(*sio.ExtendedError)) {
	c, ok := sock.Conn().(*conn)
	if !ok {
		next(sio.NewExtendedError("Internal server error", nil))
		return
	}
	p := c.find([]byte(n.name))
	if p == nil {
		next(nil) // it left; the library notices as well
		return
	}
	switch err := p.attach(n, sock).(type) {
	case nil:
		next(nil)
	case *app.ConnectError:
		next(sio.NewExtendedError(err.Message, err.Data))
	default:
		next(sio.NewExtendedError(err.Error(), nil))
	}
}

// connect gives a client to whoever serves the namespace.
func (n *namespace) connect(p *peer, auth []byte) (session app.Session, err error) {
	n.share(p)
	if n.handler == nil {
		return &librarySession{p: p, heard: make(chan struct{})}, nil
	}
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			session, err = nil, errPanic
		}
	}()
	request := p.conn.session.Request()
	return n.handler.Connect(p, app.Handshake{
		Auth:       json.RawMessage(authObject(auth)),
		Query:      request.Query.Get,
		Header:     request.Header.Get,
		RemoteAddr: p.conn.session.RemoteAddr(),
		Time:       request.Time,
	})
}

// share puts the engine's copy of headers and query, which many clients have in common, in the place of the copies that
// the library made for this socket alone: they are most of what a socket would weigh.
func (n *namespace) share(p *peer) {
	request, handshake := p.conn.session.Request(), p.sock.Handshake()
	handshake.Headers = map[string][]string(request.Header)
	handshake.Query = map[string][]string(request.Query)
}

// add makes a client known: from here on messages to its id and to everybody reach it.
func (n *namespace) add(p *peer) {
	n.server.hub.Enter(p.member, hub.SocketRoom(n.name, p.ID()), hub.EverybodyRoom(n.name))
	n.server.counters.peers.Add(1)
}

// remove takes a client out of all rooms.
func (n *namespace) remove(p *peer) {
	if len(n.server.hub.Remove(p.member)) > 0 {
		n.server.counters.peers.Add(-1)
	}
	n.questions.leave(p)
}

// peer returns the client with a socket id; nil where it is not here.
func (n *namespace) peer(sid string) *peer {
	for _, m := range n.server.hub.Members(hub.SocketRoom(n.name, sid)) {
		if p, ok := m.Sink().(*peer); ok && p.ns == n && m.ID() == sid {
			return p
		}
	}
	return nil
}

// all returns everybody in the namespace.
func (n *namespace) all() []*peer { return n.audience(hub.Selection{}) }

// libraryRoom returns the library's name of a room of this namespace: the id of a socket is one.
func (n *namespace) libraryRoom(r hub.Room) (sio.Room, bool) {
	name, ok := strings.CutPrefix(r.Name, n.name+"\x00")
	return sio.Room(name), ok && (r.Kind == hub.KindNamespace || r.Kind == hub.KindSocket)
}

// authObject returns the payload of a CONNECT packet, {} without one.
func authObject(payload []byte) json.RawMessage {
	if len(bytes.TrimSpace(payload)) == 0 {
		return json.RawMessage("{}")
	}
	return payload
}
