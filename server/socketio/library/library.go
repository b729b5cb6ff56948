package library

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/socketio"
)

// Library is the library's server on ours.
type Library struct {
	// Static after construction.
	server  *socketio.Server
	io      *sio.Server
	private private
	log     *slog.Logger

	openings openings
	tasks    *tasks

	mu sync.Mutex
	// mu guards the following.
	namespaces map[string]*adapter      // those that clients can ask for
	creating   map[string]chan struct{} // those that are being made; closed when they are
}

// New has the library serve the namespaces of s that have no handler. It is called before the first client; the error
// says that the library is not the version that this package was written for.
//
// Listeners that a program registers on its sockets get events in order, on the connection's goroutine, and miss none
// when the "connection" listener registers them. A panic in a listener ends the connection of its socket and nothing
// else.
func New(s *socketio.Server, log *slog.Logger) (*Library, error) {
	l := &Library{
		server: s, log: log, tasks: newTasks(),
		namespaces: make(map[string]*adapter), creating: make(map[string]chan struct{}),
	}
	l.openings.cluster, _ = s.Cluster()
	var err error
	if l.private, err = newPrivate(); err != nil {
		return nil, err
	}
	o := &options{ServerOptions: sio.DefaultServerOptions()}
	if s.Recovers() {
		o.recovery = new(sio.ConnectionStateRecovery)
		o.recovery.SetSkipMiddlewares(true)
	}
	o.SetParser(codec{log})
	o.SetAdapter(adapterBuilder{l})
	o.SetConnectTimeout(connectTimeout)
	o.SetServeClient(false)
	l.io = sio.NewServer(nil, o)
	l.io.Bind(&engineServer{count: func() uint64 { return uint64(max(0, s.Stats().Connections)) }})
	l.ready(l.io.Sockets())
	_ = l.io.Sockets().On("new_namespace", func(args ...any) { // registering never fails
		if nsp, ok := args[0].(sio.Namespace); ok {
			l.ready(nsp)
		}
	})
	s.Serve(l)
	return l, nil
}

// Server returns the library's server.
func (l *Library) Server() *sio.Server { return l.io }

// connectTimeout is the library's own bound for a client to be connected. [session.Connect] sets a shorter one, which also frees
// what is kept of a client that a middleware never answers.
const connectTimeout = time.Hour

// options are the library's, but for its connection state recovery, which the server's own stands for.
type options struct {
	*sio.ServerOptions
	recovery *sio.ConnectionStateRecovery // nil: it is off
}

func (o *options) GetRawConnectionStateRecovery() *sio.ConnectionStateRecovery { return o.recovery }
func (o *options) ConnectionStateRecovery() *sio.ConnectionStateRecovery       { return o.recovery }

// SetConnectionStateRecovery says whether middleware is skipped for clients that are back: yes, unless the program says no. It
// panics where the server has no recovery: the library would hand out ids for one that never comes.
func (o *options) SetConnectionStateRecovery(r *sio.ConnectionStateRecovery) {
	switch {
	case r == nil:
	case o.recovery == nil:
		panic("socketio: connection state recovery is switched on by the server's own setting, not by the library's options")
	case r.GetRawSkipMiddlewares() != nil:
		o.recovery.SetSkipMiddlewares(r.SkipMiddlewares())
	}
}

// ready runs when the library has made a namespace: clients may ask for it.
func (l *Library) ready(nsp sio.Namespace) {
	nsp.Fns().Unshift(l.nameSocket)
	if a, ok := nsp.Adapter().(*adapter); ok {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.namespaces[a.name] = a
	}
}

// namespace returns a namespace that clients can ask for, nil where there is none of that name.
func (l *Library) namespace(name string) *adapter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.namespaces[name]
}

// forget is called when the library closes a namespace.
func (l *Library) forget(a *adapter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.namespaces[a.name] == a {
		delete(l.namespaces, a.name)
	}
}

// nameSocket is a middleware that runs before all others, when nobody has seen the socket: it gets the id that the
// client has here, whose length is what [hub.NamespaceRoom] knows a socket by, and listeners whose panics end nothing
// else.
func (l *Library) nameSocket(sock *sio.Socket, next func(*sio.ExtendedError)) {
	c, ok := sock.Conn().(*clientConn)
	if !ok {
		next(sio.NewExtendedError("Internal server error", nil))
		return
	}
	l.name(sock, c)
	next(nil)
}

// name makes a socket the one of a connection.
func (l *Library) name(sock *sio.Socket, c *clientConn) {
	*l.private.id(sock) = sio.SocketId(c.client.ID())
	sock.StrictEventEmitter.EventEmitter = &socketEvents{session: c.session}
	// The engine's copies of headers and query, which many clients have in common, in the place of this socket's own.
	request, handshake := c.client.Connection().Request(), sock.Handshake()
	handshake.Headers = map[string][]string(request.Header)
	handshake.Query = map[string][]string(request.Query())
	handshake.Auth = c.session.auth()
	c.session.setSocket(sock)
	if a, ok := sock.Nsp().Adapter().(*adapter); ok {
		a.asked.Store(sock.Id(), c.session)
	}
}

// find calls done with whether there is a namespace of that name, which it makes where a pattern or a function of the
// program allows it. The program may call back later, and on any goroutine.
func (l *Library) find(name string, auth any, done func(ok bool)) {
	if l.namespace(name) != nil {
		done(true)
		return
	}
	var parents []parent
	l.private.parents(l.io).Range(func(allows sio.ParentNspNameMatchFn, nsp sio.ParentNamespace) bool {
		parents = append(parents, parent{*allows, nsp})
		return true
	})
	l.findIn(parents, name, auth, done)
}

// parent makes namespaces whose names its function allows.
type parent struct {
	allows func(name string, auth any, next func(err error, allow bool))
	nsp    sio.ParentNamespace
}

func (l *Library) findIn(parents []parent, name string, auth any, done func(ok bool)) {
	if len(parents) == 0 {
		done(false)
		return
	}
	var once sync.Once
	parents[0].allows(name, auth, func(err error, allow bool) {
		once.Do(func() {
			if err != nil || !allow {
				l.findIn(parents[1:], name, auth, done)
				return
			}
			l.create(parents[0].nsp, name)
			done(true)
		})
	})
}

// create makes a namespace of a parent, unless somebody was faster.
func (l *Library) create(p sio.ParentNamespace, name string) {
	l.mu.Lock()
	for made := l.creating[name]; made != nil; made = l.creating[name] {
		l.mu.Unlock()
		<-made
		l.mu.Lock()
	}
	if l.namespaces[name] != nil {
		l.mu.Unlock()
		return
	}
	made := make(chan struct{})
	l.creating[name] = made
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.creating, name)
		l.mu.Unlock()
		close(made)
	}()
	p.CreateChild(name)
}

// Session implements [socketio.Library].
func (l *Library) Session(c socketio.Client) socketio.LibrarySession { return newSession(l, c) }

// ServerSide implements [socketio.Library].
func (l *Library) ServerSide(namespace string, args []json.RawMessage, attachments [][]byte, ack socketio.ServerAck) {
	a := l.namespace(namespace)
	if a == nil {
		return
	}
	values, err := decodeArgs(args, attachments)
	if err != nil {
		return
	}
	if ack != nil {
		var once sync.Once
		values = append(values, func(answer []any, _ error) {
			once.Do(func() { a.answerServer(answer, ack) })
		})
	}
	a.callBack(func() { a.nsp.OnServerSideEmit(values) })
}

// Shutdown implements [socketio.Library].
func (l *Library) Shutdown(ctx context.Context) error {
	err := l.tasks.end(ctx)
	l.io.Close(nil)
	return err
}
