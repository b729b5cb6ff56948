package socketio

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/engine"
	"signalbox/server/hub"
)

// Path is where Socket.IO is served; clients that name no other path ask there.
const Path = "/socket.io/"

// Config sets the limits of the Socket.IO layer. The zero value of a limit means that there is none.
type Config struct {
	Engine engine.Config
	// ConnectTimeout ends a connection that has joined no namespace; 0 means 45 s.
	ConnectTimeout time.Duration
	// MaxNamespaces bounds the namespaces of one connection. A CONNECT over it gets a connect error.
	MaxNamespaces int
	// MaxEventsPerSecond bounds the events of one connection. One that sends more is read from more slowly.
	MaxEventsPerSecond float64
	Hub                *hub.Hub
	// Handlers serve the namespaces they are named for. A namespace without one exists when [Server.Library] made it.
	Handlers map[string]app.Handler
	// Cluster is the way to the other servers of a cluster; nil: this one is alone.
	Cluster Cluster
	Log     *slog.Logger
}

// Server is the Socket.IO server: engine, library and handlers, put together. All methods may be called from any
// goroutine.
type Server struct {
	cfg      Config
	hub      *hub.Hub
	handlers map[string]app.Handler
	log      *slog.Logger
	engine   *engine.Server
	face     *engineFace
	io       *sio.Server

	cluster     Cluster
	openings    openings
	tasks       *tasks
	outboxBytes int // what may wait for one client

	namespaces sync.Map // name to *namespace
	counters   counters
	latency    latency
}

// New returns a server that serves cfg.Handlers.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, hub: cfg.Hub, handlers: cfg.Handlers, log: cfg.Log, cluster: cfg.Cluster, tasks: newTasks()}
	if s.cluster == nil {
		s.cluster = alone{}
	}
	s.openings.cluster = s.cluster
	if s.outboxBytes = cfg.Engine.OutboxBytes; s.outboxBytes == 0 {
		s.outboxBytes = 4 << 20 // the engine's default
	}
	if s.cfg.ConnectTimeout == 0 {
		s.cfg.ConnectTimeout = 45 * time.Second
	}
	s.engine = engine.New(cfg.Engine, s.open)
	s.face = &engineFace{
		count: func() uint64 { return uint64(max(0, s.counters.conns.Load())) },
		close: func() {}, // the engine is shut down by whoever owns the server, after the library
	}
	options := sio.DefaultServerOptions()
	options.SetParser(codec{log: s.log})
	options.SetAdapter(adapterBuilder{s})
	options.SetConnectTimeout(s.cfg.ConnectTimeout)
	options.SetServeClient(false)
	s.io = sio.NewServer(nil, options)
	nameSockets(s.io)
	s.io.Bind(s.face)
	for name := range s.handlers {
		s.io.Of(name, nil)
	}
	return s
}

// ServeHTTP serves the Engine.IO endpoint. It is mounted at [Path]; CORS headers are set above it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Engine returns the engine, for doors that speak no Socket.IO.
func (s *Server) Engine() *engine.Server { return s.engine }

// Library returns the library's server: namespaces, middleware, sockets, broadcast operators. Listeners that a program
// registers on the sockets of a namespace without a handler get their events in order, on the connection's goroutine, and
// miss none when its "connection" listener, made before the first client comes, registers them;
// in a namespace with a handler events go to the handler alone. Socket.Use, the library's middleware for single events,
// is not run.
func (s *Server) Library() *sio.Server { return s.io }

// clustered reports whether there is a cluster, of however many servers.
func (s *Server) clustered() bool { return s.cfg.Cluster != nil }

// Shutdown ends every connection and returns when all have ended, or with ctx's error when that took too long.
// Clients see that the transport closed, and reconnect by themselves. Then the cluster hears that the namespaces are
// closed, so it has to be there until Shutdown has returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.engine.Shutdown(ctx)
	waited := s.tasks.end(ctx)
	s.io.Close(nil)
	return errors.Join(err, waited)
}

// open makes a new session known to the library.
func (s *Server) open(session *engine.Session) engine.Receiver {
	c := &conn{server: s, session: session}
	s.counters.conns.Add(1)
	s.face.Emit("connection", c)
	return c
}
