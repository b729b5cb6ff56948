package socketio

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/trace"
)

// Path is where Socket.IO is served; clients that name no other path ask there.
const Path = "/socket.io/"

// Config sets the limits of the Socket.IO layer. The zero value of a limit means that there is none.
type Config struct {
	Conn   netconn.Config
	Engine engine.Config
	// ConnectTimeout ends a connection that has joined no namespace; 0 means 45 s.
	ConnectTimeout time.Duration
	// MaxNamespaces bounds the namespaces of one connection. A CONNECT over it gets a connect error.
	MaxNamespaces int
	// MaxEventsPerSecond bounds the events of one connection. One that sends more is read from more slowly.
	MaxEventsPerSecond float64
	Hub                *hub.Hub
	// Handlers serve the namespaces they are named for. Others exist where a [Library] serves them.
	Handlers map[string]app.Handler
	// Others returns who serves a namespace that Handlers does not name; nil: nobody does. Such a namespace is there as
	// long as it has clients, and its handler is taken for an [app.Patient].
	Others func(namespace string) app.Handler
	// Guard is put before every handler that does not see to tokens itself, see [app.SelfGuarding], and before the
	// library's namespaces; nil: nothing is. What it returns hands on the [app.Peer] that it is given.
	Guard func(app.Handler) app.Handler
	// Cluster is the way to the other servers of a cluster; nil: this one is alone.
	Cluster Cluster
	// Watch hears what happens to clients; nil: nobody does. It is the hub's Watcher too.
	Watch Watch
	// Instrumented has SocketsHere tell of each socket which client's it is and how it is connected, as Node servers do that are
	// watched by the Admin UI.
	Instrumented bool
	// Tracer is told of clients' events; nil: nobody is.
	Tracer *trace.Tracer
	// Recovery has clients come back as they were after a cut; nil: each is a new one.
	Recovery *Recovery
	Log      *slog.Logger
}

// Server is the Socket.IO server: engine and handlers, put together. All methods may be called from any
// goroutine.
type Server struct {
	cfg      Config
	hub      *hub.Hub
	handlers map[string]handler
	log      *slog.Logger
	conns    *netconn.Server
	engine   *engine.Server
	// Set before the first client; nil: only handlers serve namespaces.
	library     Library
	libraryDoor app.Handler

	cluster    Cluster
	recoveries *recoveries // nil: there is none

	namespaces sync.Map // name to *namespace
	passing    passing
	asking     sync.WaitGroup // of those with an [app.Patient]; awaited by Shutdown
	closing    sync.Once
	counters   counters
	latency    latency
	handled    atomic.Pointer[handledWatch] // nil: nobody watches
	maxEvents  netconn.Rate
}

// SetMaxEvents sets [Config.MaxEventsPerSecond] anew.
func (s *Server) SetMaxEvents(perSecond float64) { s.maxEvents.Store(perSecond) }

// New returns a server that serves cfg.Handlers.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, hub: cfg.Hub, handlers: make(map[string]handler), log: cfg.Log, cluster: cfg.Cluster}
	s.passing.seed = maphash.MakeSeed()
	if s.cluster == nil {
		s.cluster = alone{}
	}
	if s.cfg.ConnectTimeout == 0 {
		s.cfg.ConnectTimeout = 45 * time.Second
	}
	s.maxEvents.Store(cfg.MaxEventsPerSecond)
	s.conns = netconn.New(cfg.Conn)
	if cfg.Recovery != nil {
		s.recoveries = newRecoveries(cfg, s.conns)
	}
	cfg.Engine.IDPrefix = s.cluster.SocketPrefix()
	s.engine = engine.New(s.conns, cfg.Engine, s.open)
	for name, h := range cfg.Handlers {
		s.Handle(name, h)
	}
	return s
}

// Handle has h serve a namespace, as one of [Config.Handlers]. It is called before the first client.
func (s *Server) Handle(name string, h app.Handler) {
	s.handlers[name] = s.handler(h)
	s.namespaces.Store(name, newNamespace(s, name))
	s.cluster.Open(name)
}

// guard returns h behind what asks for a token, where that is wanted.
func (s *Server) guard(h app.Handler) app.Handler {
	if _, ok := h.(app.SelfGuarding); ok || s.cfg.Guard == nil {
		return h
	}
	return s.cfg.Guard(h)
}

// ServeHTTP serves the Engine.IO endpoint. It is mounted at [Path]; CORS headers are set above it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Engine returns the engine.
func (s *Server) Engine() *engine.Server { return s.engine }

// Conns returns what all connections share, for those that speak no Socket.IO.
func (s *Server) Conns() *netconn.Server { return s.conns }

// clustered reports whether there is a cluster, of however many servers.
func (s *Server) clustered() bool { return s.cfg.Cluster != nil }

// Shutdown ends every connection and returns when all have ended, or with ctx's error when that took too long.
// Clients see that the transport closed, and reconnect by themselves. Then the cluster hears that the namespaces are
// closed, so it has to be there until Shutdown has returned.
func (s *Server) Shutdown(ctx context.Context) error {
	var err error
	if s.recoveries != nil && s.recoveries.mover != nil {
		err = s.conns.Shutdown(ctx)
		draining, done := context.WithTimeout(ctx, s.cfg.Recovery.Handover)
		s.recoveries.store.Drain(draining)
		done()
	}
	if s.recoveries != nil {
		s.recoveries.store.Close()
	}
	err = errors.Join(err, s.conns.Shutdown(ctx))
	err = errors.Join(err, s.awaitPatient(ctx))
	if s.library != nil {
		err = errors.Join(err, s.library.Shutdown(ctx))
	}
	s.closing.Do(func() {
		for name := range s.handlers {
			s.cluster.Close(name)
		}
	})
	return err
}

// open takes a new session.
func (s *Server) open(session *engine.Session) netconn.Receiver {
	c := &conn{server: s, session: session, eio3: session.EIO3()}
	s.counters.conns.Add(1)
	c.awaitNamespace()
	if c.eio3 {
		c.connectRoot()
	}
	return c
}
