package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"signalbox/config"
	"signalbox/server/api"
	"signalbox/server/socketio"
)

// APIParts are what the API for backends knows of handlers. All of them are needed.
type APIParts struct {
	Publisher api.Publisher
	Presence  api.Presence
	Tickets   api.Tickets
	Lobbies   api.Lobbies
}

// apiPaths are the paths of the API as metrics tell them apart. It has a router of its own, which reads them as they were
// sent: names in them may hold slashes.
var apiPaths = []string{"publish/*channel", "emit", "rooms", "rooms/*room", "users/*user", "openapi.yaml", "hooks.schema.json"}

// apiRoutes registers the API.
func (s *Server) apiRoutes(r *gin.Engine) {
	for _, path := range apiPaths {
		r.Any(api.Path+path, s.serveAPI)
	}
}

// serveAPI serves what lies below api.Path, where there is an API.
func (s *Server) serveAPI(c *gin.Context) {
	if s.api == nil {
		c.String(http.StatusNotFound, "not found")
		return
	}
	s.api.ServeHTTP(c.Writer, c.Request)
}

// CallAPI carries out a call of the API for a program that is connected; see [api.API.Call].
func (s *Server) CallAPI(ctx context.Context, name string, argument json.RawMessage) json.RawMessage {
	return s.api.Call(ctx, name, argument)
}

// isAPI reports whether a path without a route is the API's to refuse.
func (s *Server) isAPI(path string) bool { return s.api != nil && strings.HasPrefix(path, api.Path) }

// newAPI returns the API with the key of the settings. nil: there is none.
func newAPI(o Options, door *socketio.Server, on *Server) *api.API {
	if o.API == nil {
		return nil
	}
	a := api.New(api.Config{
		Key:          string(o.Config.APIKey),
		MaxBodyBytes: int64(o.Config.MaxPayloadBytes),
		Publisher:    o.API.Publisher,
		Emitter:      door,
		Presence:     o.API.Presence,
		Tickets:      o.API.Tickets,
		Lobbies:      o.API.Lobbies,
		Log:          o.Log,
		Tracer:       o.Tracer,
	})
	on.OnReload(func(cfg config.Config) { a.Set(string(cfg.APIKey), int64(cfg.MaxPayloadBytes)) })
	return a
}
