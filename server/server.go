package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/config"
	"signalbox/server/api"
	"signalbox/server/conn"
	"signalbox/server/forward"
	"signalbox/server/listen"
	"signalbox/server/socketio"
	"signalbox/server/socketio/library"
)

const (
	// maxHeaderBytes bounds a request's header, as Node does.
	maxHeaderBytes = 16 << 10
	// idleTimeout ends a kept-alive connection without a request. It is longer than the 90 s of Heroku's router and the
	// 60 to 75 s of other proxies, so that it is never this side that closes while a request is on its way.
	idleTimeout = 95 * time.Second
)

// Server is one signalbox process. Make it with [New], then call Run once.
type Server struct {
	// Static after construction.
	cfg      config.Config
	log      *slog.Logger
	metrics  *Metrics
	realtime Realtime
	socketio *socketio.Server // set before Run
	listener *conn.Listener   // the first; it counts the connections of all
	ports    []net.Listener   // all of them
	http     *http.Server
	routed   http.Handler   // all routes, without CORS
	tls      *listen.TLS    // nil: there is none
	plain    []net.Listener // those that redirect to TLS
	redirect *http.Server   // serves them
	debug    *debugServer   // nil without DEBUG_ADDR
	doors    doorSet        // set before Run; nil: there are none
	library  *library.Library
	console  http.Handler       // nil: it is off
	api      *api.API           // nil: there is none
	forward  *forward.Forwarder // nil: nothing is passed on

	// Owned by the caller of New, until Run.
	closers  []func()
	drainers []func(context.Context)
	// degraded says what does not work although clients are served; "": nothing. nil: nobody can know.
	degraded func() string

	draining atomic.Bool
	live     atomic.Pointer[config.Config] // cfg, as Reload has left it
	front    atomic.Pointer[front]
	reloads  []func(config.Config) // static from Run on
}

// Realtime is the Socket.IO door as the routes and the lifecycle see it.
type Realtime interface {
	// ServeHTTP gets every request for /socket.io/ and below but those for the browser client.
	http.Handler
	// Shutdown refuses new clients, tells and ends the present ones, and returns when all is done or ctx is over.
	Shutdown(ctx context.Context) error
}

// Close releases what New took, for a server that will not run. After Run it does nothing.
func (s *Server) Close() {
	if s.draining.Swap(true) {
		return
	}
	s.closePorts()
	shutdownNow(s.realtime)
	if s.debug != nil {
		s.debug.close()
	}
}

// shutdownNow ends a door that nobody came to: there is nothing to wait for.
func shutdownNow(door Realtime) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = door.Shutdown(ctx)
}

// newServer opens the listener and puts the HTTP side around a door.
func newServer(cfg config.Config, log *slog.Logger, version string, m *Metrics, realtime Realtime) (*Server, error) {
	files, err := findClient(cfg.ClientDist, ".")
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: log, metrics: m, realtime: realtime}
	s.live.Store(&s.cfg)
	if s.tls, err = listen.NewTLS(cfg, log); err != nil {
		return nil, err
	}
	if err := s.openPorts(); err != nil {
		return nil, err
	}
	if cfg.DebugAddr != "" {
		if s.debug, err = newDebugServer(cfg.DebugAddr, log); err != nil {
			s.closePorts()
			return nil, err
		}
	}
	s.http = s.httpServer(conn.OverHTTP2(s.routes(files)))
	if s.tls != nil {
		s.http.TLSConfig = s.tls.Config
		s.redirect = s.httpServer(s.tls.Redirect(s.Addr()))
	}
	m.describeProcess(version, s)
	return s, nil
}

// openPorts opens what the server listens on.
func (s *Server) openPorts() error {
	open, err := listen.Open(s.cfg, s.cfg.Addresses())
	if err != nil {
		return err
	}
	plain, err := listen.Open(s.cfg, s.cfg.TLSRedirect)
	if err != nil {
		listen.Close(open)
		return err
	}
	s.listener = conn.Listen(open[0], listenerOptions(s.cfg, filesFor(s.cfg), s.log))
	s.ports = []net.Listener{s.listener}
	for _, l := range open[1:] {
		s.ports = append(s.ports, s.listener.Beside(l))
	}
	for _, l := range plain {
		s.plain = append(s.plain, s.listener.Beside(l))
	}
	return nil
}

func (s *Server) closePorts() {
	listen.Close(s.ports)
	listen.Close(s.plain)
}

// httpServer returns what serves a handler on the ports.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.cfg.HeaderReadTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         s.listener.Follow,
		ConnContext:       s.listener.Context,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // faults of peers, one line each
	}
}

// Addr returns where the server listens, the first of LISTEN. It is known before Run, also with PORT=0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Addrs returns everywhere the server listens.
func (s *Server) Addrs() []net.Addr {
	addrs := make([]net.Addr, len(s.ports))
	for i, l := range s.ports {
		addrs[i] = l.Addr()
	}
	return addrs
}

// DebugAddr returns where the debug listener is; nil: there is none.
func (s *Server) DebugAddr() net.Addr {
	if s.debug == nil {
		return nil
	}
	return s.debug.listener.Addr()
}

// Library returns the server of the Socket.IO library: what a program makes of namespaces without a handler, and operators
// that reach everybody in the others. docs/library.md is its page. Namespaces are made before Run.
func (s *Server) Library() *sio.Server { return s.library.Server() }

// Metrics returns where counters are registered. It must be used before Run.
func (s *Server) Metrics() *Metrics { return s.metrics }

// OnClose has f called when the last client is gone and before Run returns; what was registered last is called first. It
// must be used before Run.
func (s *Server) OnClose(f func()) { s.closers = append(s.closers, f) }

// OnDrain has f called when the server begins to stop, before the first client is told. It must not take long. It must be
// used before Run.
func (s *Server) OnDrain(f func(context.Context)) { s.drainers = append(s.drainers, f) }

// OnReady has f asked by /readyz: a text other than "" says what does not work, and is answered with 503. It must be used
// before Run.
func (s *Server) OnReady(f func() string) { s.degraded = f }

// Run serves until ctx is over and then stops, within SHUTDOWN_TIMEOUT: /readyz answers 503; after DRAIN_DELAY no new client
// is let in, clients are told and what waits for them is sent, the port is closed, open requests end, handlers are closed.
// What takes longer is cut.
// It returns nil after that, and an error where the listener failed. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, len(s.ports)+len(s.plain))
	for _, l := range s.ports {
		serve := s.http.Serve
		if s.tls != nil && l.Addr().Network() != "unix" { // a proxy on this machine has ended TLS
			serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
		}
		go func() { served <- serve(l) }() // awaited by drain, or right here
		s.log.Info("listening", "addr", l.Addr().String())
	}
	for _, l := range s.plain {
		go func() { served <- s.redirect.Serve(l) }() // awaited by drain, or right here
		s.log.Info("redirecting to TLS", "addr", l.Addr().String())
	}
	if s.debug != nil {
		s.debug.start()
		defer s.debug.close()
	}

	var failure error
	select {
	case <-ctx.Done():
		s.log.Info("draining", "timeout", s.cfg.ShutdownTimeout.String())
	case err := <-served:
		failure = fmt.Errorf("accept connections: %w", err)
		served <- nil // drain reads it as the end of Serve
	}
	s.drain(served)
	s.log.Info("stopped")
	return failure
}

// drain stops everything in order. Each step has its deadline, so the whole is over by SHUTDOWN_TIMEOUT.
func (s *Server) drain(served chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	s.draining.Store(true)
	for _, f := range s.drainers {
		f(ctx)
	}
	if s.cfg.DrainDelay > 0 {
		time.Sleep(s.cfg.DrainDelay) // clients come and go as before: load balancers have not noticed yet
	}

	// The port stays open meanwhile, or a client between two polls could not fetch what waits for it, nor learn that the
	// server ends; the door itself refuses new clients. A tenth is kept for requests that are not the door's, and for handlers.
	tell, done := context.WithTimeout(ctx, s.cfg.ShutdownTimeout/10*9)
	defer done()
	if err := s.realtime.Shutdown(tell); err != nil {
		s.log.Warn("clients were cut at the deadline", "error", err)
	}
	if s.forward != nil {
		s.forward.Shutdown(tell)
	}
	s.closePorts()
	for range cap(served) {
		<-served
	}
	s.listener.CloseFresh()
	if err := s.http.Shutdown(ctx); err != nil {
		s.log.Warn("requests were cut at the deadline", "error", err)
		_ = s.http.Close()
	}
	if s.redirect != nil {
		_ = s.redirect.Close()
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}
