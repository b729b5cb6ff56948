package engine

import (
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"signalbox/server/conn"
	"signalbox/server/engine/eio3"
	"signalbox/server/wire"
)

// Server is an Engine.IO server. It serves the requests of one path, usually /socket.io/.
type Server struct {
	// Static after construction.
	cfg       Config
	conns     *conn.Server
	open      func(*Session) conn.Receiver
	heartbeat *conn.Heartbeat
	pinged    *conn.Heartbeat // of sessions whose clients ping
	typed     eio3.Typed
	drain     *conn.Deadlines // until a closing session that polls is given up
	parting   *conn.Deadlines // the same for one that its client has closed
	requests  *interner

	opened, upgrades, upgradesFailed atomic.Uint64

	mu       sync.Mutex
	sessions map[string]*Session // guarded by mu
	hops     hops                // guarded by mu
}

// Stats is a reading of the counters, those of connections of all kinds included. Totals count from the start of the
// server.
type Stats struct {
	conn.Stats

	// Open sessions now.
	PollingSessions   int64
	WebSocketSessions int64

	SessionsOpened uint64
	Upgrades       uint64
	UpgradesFailed uint64
}

var (
	// lastFrame is what a session's websocket gets last.
	lastFrame = conn.CloseFrame(conn.CloseNoCode, "")

	pong = wire.Text([]byte{packetPong})
)

// New returns a server that calls open for each new session, on the goroutine of its handshake and before any packet.
// What open returns receives the session's messages, without their packet type; an error of it ends the session with
// [conn.ReasonForcedClose]. The connections are those of conns, which ends them.
func New(conns *conn.Server, cfg Config, open func(*Session) conn.Receiver) *Server {
	limits := conns.Config()
	return &Server{
		cfg:   cfg.withDefaults(),
		conns: conns,
		open:  open,
		heartbeat: conns.Heartbeat(conn.HeartbeatOptions{
			Interval: limits.PingInterval,
			Timeout:  limits.PingTimeout,
			Ping:     wire.Text([]byte{packetPing}),
			Last:     lastFrame,
			Patient:  true,
		}),
		pinged:   conns.Heartbeat(conn.HeartbeatOptions{Timeout: limits.PingInterval + limits.PingTimeout, Last: lastFrame}),
		drain:    conns.Deadlines(limits.CloseTimeout),
		parting:  conns.Deadlines(min(partingWait, limits.CloseTimeout)),
		requests: newInterner(),
		sessions: make(map[string]*Session),
		hops:     newHops(),
	}
}

func (s *Server) heartbeatOf(session *Session) *conn.Heartbeat {
	if session.eio3 {
		return s.pinged
	}
	return s.heartbeat
}

// Stats returns the counters as they are now.
func (s *Server) Stats() Stats {
	stats := Stats{
		Stats:          s.conns.Stats(),
		SessionsOpened: s.opened.Load(),
		Upgrades:       s.upgrades.Load(),
		UpgradesFailed: s.upgradesFailed.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		if session.Transport() == Polling {
			stats.PollingSessions++
		} else {
			stats.WebSocketSessions++
		}
	}
	return stats
}

// allows reports whether clients may use a transport.
func (s *Server) allows(t Transport) bool { return slices.Contains(s.cfg.Transports, t.String()) }

// session returns the session with an id, nil if there is none.
func (s *Server) session(id string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

func (s *Server) keep(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.id] = session
}

func (s *Server) forget(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.id)
	delete(s.hops.streams, session)
}

// ServeHTTP serves handshakes, polls, posts and websocket upgrades. Errors are answered with a JSON body of code and
// message.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	var t Transport
	switch query.Get("transport") {
	case Polling.String():
		t = Polling
	case WebSocketTransport.String():
		t = WebSocketTransport
	default:
		s.conns.Refuse(w, refuseTransport)
		return
	}
	switch {
	case !s.allows(t), s.cfg.AllowEIO3 && isVersion3(query) && query.Has("j"): // the script form of polling
		s.conns.Refuse(w, refuseTransport)
	case !validOrigin(r.Header.Get("Origin")):
		s.conns.Refuse(w, refuseRequest)
	case query.Get("sid") != "":
		s.serveSession(w, r, t, query)
	case r.Method != http.MethodGet:
		s.conns.Refuse(w, refuseMethod)
	case (t == WebSocketTransport) != conn.IsUpgrade(r), query.Has("j"): // which EIO=4 does not have
		s.conns.Refuse(w, refuseRequest)
	case isVersion3(query) && !s.cfg.AllowEIO3:
		s.conns.Refuse(w, refuseProtocol)
	case t == WebSocketTransport:
		s.handshakeWebSocket(w, r, query)
	default:
		s.handshakePolling(w, r, query)
	}
}

// serveSession serves a request for a session that exists.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, t Transport, query url.Values) {
	session := s.session(query.Get("sid"))
	switch {
	case session == nil, session.eio3 && !session.mayBeFrom(r):
		s.conns.Refuse(w, refuseSession)
	case (t == WebSocketTransport) != conn.IsUpgrade(r), isVersion3(query) != session.eio3:
		s.conns.Refuse(w, refuseRequest)
	case t == WebSocketTransport:
		s.upgradeSession(w, r, session, query.Get("b64") != "")
	case r.Method == http.MethodGet:
		session.servePoll(w, r)
	case r.Method == http.MethodPost:
		// Browsers leave out the Origin of a page that reads from its own host, as a handshake does.
		if refused := s.conns.CheckOrigin(r); refused != nil {
			s.conns.Refuse(w, refused)
			return
		}
		session.servePost(w, r)
	default:
		s.conns.Refuse(w, refuseRequest)
	}
}

// validOrigin reports whether an Origin holds only what a header may: it is compared and logged above.
func validOrigin(origin string) bool {
	for i := range len(origin) {
		if c := origin[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
