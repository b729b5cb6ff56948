package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"signalbox/config"
	"signalbox/server/adminui"
	"signalbox/server/app"
	"signalbox/server/cluster"
	"signalbox/server/conn"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/socketio"
	"signalbox/server/socketio/library"
	"signalbox/server/trace"
)

// maxHandover bounds how long a server that stops waits for the others to fetch its clients.
const maxHandover = 5 * time.Second

// Options are the parts a server is made of. All of them are needed.
type Options struct {
	Config config.Config
	Log    *slog.Logger
	// Version is what /metrics calls this binary.
	Version string
	// Hub is where the handlers reach their clients.
	Hub *hub.Hub
	// Handlers serve the Socket.IO namespaces they are named for, such as "/".
	Handlers map[string]app.Handler
	// Others returns who serves a namespace that Handlers does not name; nil: nobody does. See [socketio.Config].
	Others func(namespace string) app.Handler
	// Guard puts what asks for a token before a handler. With REQUIRE_AUTH it is before every handler that does not see to
	// that itself, see [app.SelfGuarding], and before the namespaces of the library.
	Guard func(app.Handler) app.Handler
	// Tracer is told of events and calls; nil: nobody is. The caller closes it.
	Tracer *trace.Tracer
	// Doors serve the ways in that speak no Socket.IO; nil: there are none.
	Doors *Doors
	// Console is the page to try the doors by hand; nil: there is none.
	Console *ConsoleParts
	// Admin is what the page of the Admin UI connects to, which is among Handlers; nil: there is none.
	Admin *adminui.Admin
	// API is what backends call; nil: there is none.
	API *APIParts
	// ForwardKey returns the key with which servers sign what they pass on, see [forward.Options]. Needed with Cluster.
	ForwardKey func(ctx context.Context, have []byte) ([]byte, error)
	// Cluster is this server's place among others; nil: it is alone. It is the hub's Bus, and New starts it.
	Cluster *cluster.Cluster
}

// New makes a server and opens its listener, so its address is known before it runs. The error says what to do where the
// port cannot be had. The caller ends with Run, or with Close where it does not come to that.
func New(o Options) (*Server, error) {
	cfg := socketio.Config{
		Conn: connConfig(o.Config, o.Log),
		Engine: engine.Config{
			UpgradeTimeout:  o.Config.UpgradeTimeout,
			SessionCookie:   string(o.Config.SessionCookie),
			AllowEIO3:       o.Config.AllowEIO3,
			PrefixAll:       o.Config.Forwards(),
			BodyReadTimeout: o.Config.BodyReadTimeout,
			Transports:      o.Config.Transports,
		},
		ConnectTimeout:     o.Config.ConnectTimeout,
		MaxNamespaces:      o.Config.MaxNamespacesPerClient,
		MaxEventsPerSecond: o.Config.MaxEventsPerSecond,
		Hub:                o.Hub,
		Handlers:           o.Handlers,
		Others:             o.Others,
		Tracer:             o.Tracer,
		Log:                o.Log,
	}
	if o.Config.Recovery.Some() {
		cfg.Recovery = &socketio.Recovery{In: o.Config.Recovery.Has, Config: recovery.Config{
			Time:       o.Config.RecoveryTime,
			Notice:     o.Config.PingInterval + o.Config.PingTimeout,
			Bytes:      int64(o.Config.RecoveryBytes),
			PerAddress: o.Config.MaxConnectionsPerIP,
		}}
	}
	if o.Cluster != nil {
		cfg.Cluster = o.Cluster
		if cfg.Recovery != nil {
			cfg.Recovery.Nodes, cfg.Recovery.Node = o.Cluster, o.Cluster.SocketPrefix()
			// Behind HANDOVER_GRACE the others tell that who was here has left.
			cfg.Recovery.Handover = min(maxHandover, o.Config.HandoverGrace)
		}
	}
	if o.Admin != nil {
		cfg.Instrumented = true
		if o.Admin.Watches() {
			cfg.Watch = o.Admin
			o.Hub.Watch(o.Admin)
		}
	}
	if o.Config.RequireAuth {
		cfg.Guard = o.Guard
		if cfg.Guard == nil {
			return nil, errors.New("REQUIRE_AUTH=true: nothing can ask for a token; set Options.Guard")
		}
	}
	var s *Server // by the time of the first request
	cfg.Conn.CheckOrigin = func(r *http.Request) bool { return s.front.Load().checkOrigin(r) }
	door := socketio.New(cfg)
	lib, err := library.New(door, o.Log)
	if err != nil {
		shutdownNow(door)
		return nil, err
	}
	if o.Admin != nil {
		o.Admin.Start(door, door.Engine().Stats)
	}
	metrics := NewMetrics()
	describeEngine(metrics, door.Engine().Stats)
	describeSocketIO(metrics, door.Stats)
	describeRecovery(metrics, door.RecoveryStore())
	describeHub(metrics, o.Hub)
	spans := CountersOf(metrics, o.Tracer.Stats)
	spans("signalbox_trace_spans_sent_total", "Spans of traces that the collector has taken.", func(s trace.Stats) uint64 { return s.Sent })
	spans("signalbox_trace_spans_dropped_total", "Spans that it did not get: too many waited, or it was away.", func(s trace.Stats) uint64 { return s.Dropped })
	s, err = newServer(o.Config, o.Log, o.Version, metrics, door)
	if err != nil {
		shutdownNow(door)
		return nil, err
	}
	s.library, s.socketio = lib, door
	s.forward = newForwarder(o, door, metrics)
	s.console = s.newConsole(o, door)
	s.api = newAPI(o, door, s)
	s.doors = newDoors(o, door, metrics, s)
	s.OnReload(func(cfg config.Config) {
		door.Conns().SetLimits(limits(cfg))
		door.SetMaxEvents(cfg.MaxEventsPerSecond)
		s.listener.SetMaxPerAddr(listenerOptions(cfg, 0, s.log).MaxPerAddr)
	})
	if o.Cluster != nil {
		s.OnReload(func(cfg config.Config) { o.Cluster.SetMaxPayload(int(cfg.MaxPayloadBytes)) })
		o.Cluster.Start(door)
	}
	if s.debug != nil {
		s.debug.inside = &inside{door, o.Hub}
	}
	return s, nil
}

func connConfig(cfg config.Config, log *slog.Logger) conn.Config {
	c := limits(cfg)
	c.PingInterval, c.PingTimeout, c.WriteTimeout = cfg.PingInterval, cfg.PingTimeout, cfg.WriteTimeout
	c.ShutdownSpread = cfg.Spread()
	c.MaxDescriptors = clientDescriptors(filesFor(cfg))
	c.ClientIP = clientIP(proxiesOf(cfg))
	c.Log = log
	return c
}

// limits returns what of the connections may change while the server runs.
func limits(cfg config.Config) conn.Config {
	return conn.Config{
		MaxPayloadBytes:     int64(cfg.MaxPayloadBytes),
		CompressBytes:       int(cfg.CompressBytes),
		OutboxBytes:         int(cfg.MaxOutboxBytes),
		MaxConnections:      cfg.MaxConnections,
		MaxConnectionsPerIP: cfg.MaxConnectionsPerIP,
		HandshakesPerSecond: cfg.HandshakesPerSecond,
	}
}
