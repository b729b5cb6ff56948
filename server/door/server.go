package door

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/auth"
	"signalbox/server/conn"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/recovery/move"
)

// Config is what doors stand on. Conns, Hub and Log are needed.
type Config struct {
	Conns *conn.Server
	Hub   *hub.Hub
	// MaxMessagesPerSecond bounds the messages of one plain WebSocket; twice as many may come at once. One that sends
	// more is read from more slowly, and loses nothing. 0: no limit.
	MaxMessagesPerSecond float64
	// Recovery is what [Server.Returning] keeps clients in that were cut; nil: none come back.
	Recovery *recovery.Store
	// Mover takes such clients from node to node; nil: there are no others.
	Mover *move.Mover
	// KeepAlive is the time between two comments on a stream, so that proxies keep it open. 0 means 30 s.
	KeepAlive time.Duration
	Log       *slog.Logger
}

// Server makes doors. All methods may be called from any goroutine.
type Server struct {
	cfg Config

	stats  Stats
	absent absent

	maxMessages conn.Rate
}

// SetMaxMessages sets [Config.MaxMessagesPerSecond] anew.
func (s *Server) SetMaxMessages(perSecond float64) { s.maxMessages.Store(perSecond) }

// Stats are figures of the doors since the start. What connections did is in [conn.Stats].
type Stats struct {
	TextsIn   atomic.Uint64 // messages of plain WebSockets that were given to handlers
	Throttled atomic.Uint64 // of these, how many had to wait for MaxMessagesPerSecond
	Panics    atomic.Uint64 // handlers that panicked; each ended its client's connection
}

// New returns a server of doors.
func New(cfg Config) *Server {
	if cfg.KeepAlive == 0 {
		cfg.KeepAlive = 30 * time.Second
	}
	s := &Server{cfg: cfg}
	s.maxMessages.Store(cfg.MaxMessagesPerSecond)
	return s
}

// Stats returns what was done so far; it goes on counting.
func (s *Server) Stats() *Stats { return &s.stats }

// visit returns what a request of a client at addr says. Path parameters are those of [http.Request.PathValue].
func (s *Server) visit(r *http.Request, addr string) app.Visit {
	query := r.URL.Query()
	return app.Visit{
		Handshake: app.Handshake{
			Auth:  json.RawMessage("{}"),
			Query: query.Get,
			Header: func(name string) string {
				if http.CanonicalHeaderKey(name) == "Host" {
					return r.Host
				}
				return r.Header.Get(name)
			},
			RemoteAddr: addr,
			Time:       time.Now(),
		},
		Param: r.PathValue,
		Token: auth.FromRequest(r),
	}
}

// errPanic stands for a handler's panic.
var errPanic = errors.New("a handler panicked")

// guard calls f, and turns a panic in it into errPanic.
func (s *Server) guard(id string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.stats.Panics.Add(1)
			s.cfg.Log.Error("a handler panicked; its client is disconnected",
				"client", id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	return f()
}
