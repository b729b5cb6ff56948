package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"signalbox/server/trace"
)

// Path is what every path of the API begins with.
const Path = "/api/"

// Config is what an API is made of. All but Key are needed.
type Config struct {
	// Key is what callers must send. Empty: every call is refused with [CodeDisabled].
	Key string
	// MaxBodyBytes bounds the body of a request.
	MaxBodyBytes int64

	Publisher Publisher
	Emitter   Emitter
	Presence  Presence
	Tickets   Tickets
	Lobbies   Lobbies
	Log       *slog.Logger
	// Tracer is told of calls by who has the key; nil: nobody is.
	Tracer *trace.Tracer
}

// API serves the paths below [Path]. Make it with [New].
type API struct {
	cfg    Config
	key    atomic.Pointer[string] // Config.Key, as Set has left it
	limit  atomic.Int64           // Config.MaxBodyBytes, likewise
	done   remembered
	router *gin.Engine
}

// Set sets [Config.Key] and [Config.MaxBodyBytes] anew.
func (a *API) Set(key string, maxBodyBytes int64) {
	a.key.Store(&key)
	a.limit.Store(maxBodyBytes)
}

// New returns the API of cfg.
func New(cfg Config) *API {
	a := &API{cfg: cfg}
	a.Set(cfg.Key, cfg.MaxBodyBytes)
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = true
	// Names of rooms and users may hold slashes: parameters are cut out of the path as it was sent, and decoded by
	// param. gin would decode them as a query, with + for a space.
	r.UseEscapedPath = true
	r.UnescapePathValues = false
	_ = r.SetTrustedProxies(nil) // nobody asks gin for addresses

	r.Use(a.identify)
	r.GET("/api/openapi.yaml", sendText("application/yaml; charset=utf-8", description))
	r.GET("/api/hooks.schema.json", sendText("application/schema+json", hooksSchema)) // what is posted to the application's backend
	r.Use(a.guard)
	if cfg.Tracer != nil {
		r.Use(a.trace)
	}
	r.POST("/api/publish/*channel", a.post("channel", a.publish))
	r.POST("/api/emit", a.post("", func(ctx context.Context, _ string, body []byte) (any, error) { return a.emit(ctx, body) }))
	r.GET("/api/rooms", a.get("", func(ctx context.Context, _ string, q query) (any, error) { return a.listRooms(ctx, q) }))
	r.GET("/api/rooms/:room/users", a.get("room", a.roomUsers))
	r.GET("/api/users/:id", a.get("id", a.user))
	r.POST("/api/users/:id/disconnect", a.post("id", a.disconnect))
	r.NoRoute(a.answer(func(*gin.Context) (any, error) {
		return nil, faultf(CodeNotFound, "there is no such path; /api/openapi.yaml describes those there are")
	}))
	r.NoMethod(a.answer(func(c *gin.Context) (any, error) {
		return nil, faultf(CodeMethodNotAllowed, "this path takes %s", c.Writer.Header().Get("Allow"))
	}))
	a.router = r
	return a
}

// trace tells of a call, as a part of its caller's trace where it has one.
func (a *API) trace(c *gin.Context) {
	span := a.cfg.Tracer.Continue(trace.Server, strings.TrimSpace(c.Request.Method+" "+c.FullPath()), c.Request.Header)
	defer span.End()
	span.SetText("http.request.method", c.Request.Method)
	span.SetText("http.route", c.FullPath())
	c.Next()
	span.SetStatus(c.Writer.Status(), 500)
}

// post serves a path with a body. The name in it is that of parameter, "" where there is none.
func (a *API) post(parameter string, f func(ctx context.Context, name string, body []byte) (any, error)) gin.HandlerFunc {
	return a.answer(func(c *gin.Context) (any, error) {
		name, err := nameIn(c, parameter)
		if err != nil {
			return nil, err
		}
		body, err := a.readBody(c)
		if err != nil {
			return nil, err
		}
		keys := c.Request.Header[idempotencyHeader]
		if len(keys) == 0 {
			return f(c.Request.Context(), name, body)
		}
		return a.once(c.Request.Context(), keys[0], c.FullPath()+" "+name, body, func(ctx context.Context) (any, error) { return f(ctx, name, body) })
	})
}

// get serves a path with a query.
func (a *API) get(parameter string, f func(ctx context.Context, name string, q query) (any, error)) gin.HandlerFunc {
	return a.answer(func(c *gin.Context) (any, error) {
		name, err := nameIn(c, parameter)
		if err != nil {
			return nil, err
		}
		q, err := queryOf(c)
		if err != nil {
			return nil, err
		}
		return f(c.Request.Context(), name, q)
	})
}

// ServeHTTP serves one request. CORS headers, limits on time and recovery from panics are the caller's.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Route is one path of the API.
type Route struct {
	Method string
	// Path has parameters as gin writes them: :name, and *name for the rest of the path.
	Path string
}

// Routes returns every path of the API, so that a router around it can count them apart.
func (a *API) Routes() []Route {
	var routes []Route
	for _, r := range a.router.Routes() {
		routes = append(routes, Route{r.Method, r.Path})
	}
	return routes
}
