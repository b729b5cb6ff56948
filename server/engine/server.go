package engine

import (
	"context"
	"net/http"
)

// Server is an Engine.IO server. It serves the requests of one path, usually /socket.io/.
type Server struct {
	cfg  Config
	open func(*Session) Receiver
}

// New returns a server that calls open for each new session, on the goroutine of its handshake and before any packet.
// What open returns receives the session's packets.
func New(cfg Config, open func(*Session) Receiver) *Server {
	return &Server{cfg: cfg.withDefaults(), open: open}
}

// ServeHTTP serves handshakes, polls, posts and websocket upgrades.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.NotFound(w, r)
}

// Shutdown refuses new connections, ends every one with [ReasonServerShutdown] after what is queued for it, and returns
// when all goroutines of the server have ended. Once ctx is done it cuts the connections and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error { return nil }

// Stats returns the counters as they are now.
func (s *Server) Stats() Stats { return Stats{} }
