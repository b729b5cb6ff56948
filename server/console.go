package server

import (
	"net/http"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/gin-gonic/gin"

	"signalbox/config"
	"signalbox/server/console"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

// ConsoleParts are what the console is to do.
type ConsoleParts struct {
	// AdminToken is what whoever opens it has to know; empty: it is open to those whom TryOut lets in.
	AdminToken string
	// TryOut reports whether a request comes from somebody who tries this server out on its own machine.
	TryOut func(*http.Request) bool
	// MintToken makes tokens for those whom TryOut lets in; nil: the console offers none.
	MintToken func(userID, name string, rooms []string, ttl time.Duration) (string, error)
	// Logic shows those whom TryOut lets in what goes to the application's backend; nil: there is nothing to show.
	Logic http.Handler
}

// serveConsole serves the console and what lies below it, where it is on.
func (s *Server) serveConsole(c *gin.Context) {
	if s.console == nil {
		c.String(http.StatusNotFound, "not found")
		return
	}
	s.console.ServeHTTP(c.Writer, c.Request)
}

// newConsole returns the console. nil: there is none.
func (s *Server) newConsole(o Options, door *socketio.Server) http.Handler {
	if o.Console == nil {
		return nil
	}
	c := console.Config{
		AdminToken: o.Console.AdminToken,
		TryOut:     o.Console.TryOut,
		Version:    o.Version,
		Stats:      readStats(door, o.Hub),
		ClientIP:   clientIP(proxiesOf(o.Config)),
		Logic:      o.Console.Logic,
		Inside:     &inside{door, o.Hub},
		Log:        o.Log,
	}
	if mint := o.Console.MintToken; mint != nil {
		c.Mint = func(r console.TokenRequest) (string, error) { return mint(r.UserID, r.Name, r.Rooms, r.TTL) }
	}
	made := console.New(c)
	s.OnReload(func(cfg config.Config) { made.SetToken(string(cfg.AdminToken)) })
	return made
}

// readStats returns what reads the counters for the console.
func readStats(door *socketio.Server, h *hub.Hub) func() console.Stats {
	began := time.Now()
	return func() console.Stats {
		e, s := door.Engine().Stats(), door.Stats()
		stats := console.Stats{
			UptimeSeconds: time.Since(began).Seconds(),
			Polling:       e.PollingSessions,
			WebSocket:     e.WebSocketSessions,
			Plain:         e.WebSockets,
			Streams:       e.Streams,
			Sockets:       s.Sockets,
			Outbox:        e.OutboxBytes,
			Goroutines:    int64(runtime.NumGoroutine()),
			Heap:          heapBytes(),
			Rooms:         make(map[string]int),
			EventsIn:      s.EventsIn,
			PacketsIn:     e.PacketsIn,
			PacketsOut:    e.PacketsOut,
			BytesIn:       e.BytesIn,
			BytesOut:      e.BytesOut,
			Opened:        e.SessionsOpened + e.WebSocketsOpened + e.StreamsOpened,
			Slow:          e.SlowClients,
			Panics:        s.Panics,
		}
		if store := door.RecoveryStore(); store != nil {
			r := store.Stats()
			stats.Recovery = &console.Recovery{Away: r.Away, Messages: r.Messages, Bytes: r.Bytes, Recovered: r.Recovered, Failed: r.Failed}
		}
		for _, n := range e.Refused {
			stats.Refused += n
		}
		for kind, n := range h.Counts() {
			stats.Rooms[kind.String()] = n
		}
		return stats
	}
}

// heapBytes is the memory that live and not yet collected objects take. Unlike runtime.ReadMemStats it stops nobody.
func heapBytes() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}
