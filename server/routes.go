package server

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"signalbox/config"
	"signalbox/server/auth"
	"signalbox/server/console"
)

const (
	// socketPath is where Socket.IO is served, and without its slash for clients with addTrailingSlash: false.
	socketPath = config.SocketPath + "/"
	// brokerText is what GET / answers, as the broker always did.
	brokerText = "Real-Time Signal Broker"
)

// routes returns the whole HTTP side. Nothing redirects from one spelling of a path to another: clients see an answer or
// 404.
func (s *Server) routes(files *clientFiles) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.HandleMethodNotAllowed = false
	_ = r.SetTrustedProxies(nil) // addresses come from clientIP, gin's own rule is not asked

	r.Use(s.observe, noSniff, s.rescue, s.limitBody, refuseEscaped, s.refuseStray)

	read(r, "/", func(c *gin.Context) { c.String(http.StatusOK, brokerText) })
	read(r, "/time", sendTime)
	read(r, "/time/", sendTime)
	read(r, "/healthz", func(c *gin.Context) { noStore(c, http.StatusOK, "ok") })
	read(r, "/readyz", s.sendReady)
	if s.cfg.Metrics {
		read(r, "/metrics", requireBearer(func() string { return string(s.live.Load().MetricsToken) }), gin.WrapH(s.metrics.handler(s.log)))
	}

	r.Any(console.Path, s.serveConsole)
	r.Any(console.Path+"/*path", s.serveConsole)
	s.apiRoutes(r)

	s.doorRoutes(r)

	socket := func(c *gin.Context) {
		if name := strings.TrimPrefix(c.Request.URL.Path, socketPath); isClientFile(name) {
			files.serve(c.Writer, c.Request, name)
			return
		}
		if c.Request.Method == http.MethodOptions { // no preflight, but Node's server answers it as one
			c.Status(http.StatusNoContent)
			return
		}
		s.realtime.ServeHTTP(c.Writer, c.Request)
	}
	r.Any(socketPath+"*path", socket)
	r.Any(strings.TrimSuffix(socketPath, "/"), socket)
	r.NoRoute(func(c *gin.Context) {
		if strings.HasPrefix(c.Request.URL.Path, socketPath) {
			c.Status(http.StatusOK) // a method gin has no tree for: the answer is the door's, not gin's 404
			socket(c)
			return
		}
		if s.isAPI(c.Request.URL.Path) {
			s.serveAPI(c)
			return
		}
		c.String(http.StatusNotFound, "not found")
	})
	s.routed = alsoAt(s.cfg.SocketIOPaths, r)
	s.front.Store(newFront(s.cfg.Origins(), s.routed))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.forward == nil {
			s.front.Load().ServeHTTP(w, r)
			return
		}
		s.forward.Serve(w, r, s.front.Load())
	})
}

// read registers a route for GET and HEAD.
func read(r *gin.Engine, path string, handlers ...gin.HandlerFunc) {
	r.GET(path, handlers...)
	r.HEAD(path, handlers...)
}

// sendTime answers the time of this machine: milliseconds since 1970, UTC, as digits.
func sendTime(c *gin.Context) {
	noStore(c, http.StatusOK, strconv.FormatInt(time.Now().UnixMilli(), 10))
}

// sendReady says whether the process may be sent clients: not while it stops, and not while other servers are better off.
func (s *Server) sendReady(c *gin.Context) {
	if fault := s.fault(); fault != "" {
		noStore(c, http.StatusServiceUnavailable, fault)
		return
	}
	noStore(c, http.StatusOK, "ready")
}

// fault says why the process is not ready; "": it is.
func (s *Server) fault() string {
	switch {
	case s.draining.Load():
		return "draining"
	case s.degraded != nil:
		return s.degraded()
	default:
		return ""
	}
}

func noStore(c *gin.Context, status int, text string) {
	c.Header("Cache-Control", "no-store")
	c.String(status, "%s", text)
}

// requireBearer asks for a token in Authorization; an empty token asks for nothing. The time it takes says nothing about the
// token, its length included.
func requireBearer(token func() string) gin.HandlerFunc {
	return func(c *gin.Context) {
		token := token()
		if token == "" {
			return
		}
		scheme, given, _ := strings.Cut(c.GetHeader("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || !auth.KeyMatches(given, token) {
			c.Header("WWW-Authenticate", "Bearer")
			c.String(http.StatusUnauthorized, "unauthorized")
			c.Abort()
		}
	}
}

// observe counts a request and, at debug level, writes a line about it: the route and not the query, which may hold a
// token.
func (s *Server) observe(c *gin.Context) {
	start := time.Now()
	c.Next()
	route, status := routeOf(c), statusOf(c)
	s.metrics.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	if s.log.Enabled(c.Request.Context(), slog.LevelDebug) {
		s.log.LogAttrs(c.Request.Context(), slog.LevelDebug, "request",
			slog.String("method", c.Request.Method), slog.String("route", route),
			slog.Int("status", status), slog.Duration("took", time.Since(start)))
	}
}

// routeOf names the route of a request: one of those registered, or "other", so that it may label a metric.
func routeOf(c *gin.Context) string {
	if route := c.FullPath(); route != "" {
		return route
	}
	return "other"
}

// statusOf returns the answer's status. A connection that was taken over has 101: gin does not see that one leave.
func statusOf(c *gin.Context) int {
	taken := c.Writer.Size() == 0 && c.Writer.Status() == http.StatusOK && c.GetHeader("Upgrade") != ""
	if taken {
		return http.StatusSwitchingProtocols
	}
	return c.Writer.Status()
}

// rescue turns a panic into 500 and a log line with its stack, but without the request's header and query. Where the
// answer has begun it is cut off instead, so that the client does not take half of it for the whole.
func (s *Server) rescue(c *gin.Context) {
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if fault == http.ErrAbortHandler {
			panic(fault)
		}
		s.metrics.panics.Inc()
		s.log.Error("panic in a request", "route", routeOf(c), "method", c.Request.Method, "panic", panicText(fault), "stack", stack())
		if c.Writer.Written() {
			panic(http.ErrAbortHandler)
		}
		c.String(http.StatusInternalServerError, "internal error")
		c.Abort()
	}()
	c.Next()
}

// noSniff tells browsers to take every answer for what it says it is: some hold what other clients wrote.
func noSniff(c *gin.Context) {
	if c.GetHeader("Upgrade") == "" {
		c.Header("X-Content-Type-Options", "nosniff")
	}
}

// refuseEscaped answers 404 to other spellings of a route, such as /%6detrics: a proxy in front that keeps a path for itself
// may compare what was sent. What follows a fixed path, names of rooms for one, may be escaped.
func refuseEscaped(c *gin.Context) {
	raw, route := c.Request.URL.RawPath, c.FullPath()
	if fixed := strings.IndexAny(route, ":*"); fixed >= 0 {
		route = route[:fixed]
	}
	if raw != "" && !strings.HasPrefix(raw, route) {
		c.String(http.StatusNotFound, "not found")
		c.Abort()
	}
}

// limitBody gives a body BODY_READ_TIMEOUT to arrive, whoever reads it: net/http itself reads what a handler left, and
// would wait for it for ever. The deadline ends with the request.
func (s *Server) limitBody(c *gin.Context) {
	if c.Request.ContentLength != 0 {
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(s.cfg.BodyReadTimeout)) // fails in tests without a connection only
	}
}
