package server

import (
	"net/http"

	"signalbox/config"
)

// front is what stands before all routes, and goes by the origins.
type front struct {
	http.Handler // CORS, then the routes
	checkOrigin  func(*http.Request) bool
}

func newFront(origins config.Origins, routes http.Handler) *front {
	return &front{allowCORS(origins, routes), checkOrigin(origins)}
}

// OnReload has f called with the settings when they have changed. It must be used before Run.
func (s *Server) OnReload(f func(config.Config)) { s.reloads = append(s.reloads, f) }

// Reload takes the settings of cfg that need no restart, see [config.Setting.Live], and reads the certificate again. After
// an error nothing has changed. One call at a time.
func (s *Server) Reload(cfg config.Config) error {
	if err := s.tls.Reload(); err != nil {
		return err
	}
	s.live.Store(&cfg)
	s.front.Store(newFront(cfg.Origins(), s.routed))
	for _, f := range s.reloads {
		f(cfg)
	}
	return nil
}
