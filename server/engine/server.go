package engine

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/wire"
)

// Server is an Engine.IO server. It serves the requests of one path, usually /socket.io/.
type Server struct {
	// Static after construction.
	cfg      Config
	open     func(*Session) Receiver
	flushers []*flusher
	clock    *clock
	heart    *heart     // of sessions
	drain    *deadlines // until a closing session that polls is given up
	parting  *deadlines // the same for one that its client has closed
	peers    *admission
	requests *interner

	pressureBytes int           // from which a client's own answers hold up its reader
	stop          chan struct{} // ends flushers and clock
	empty         chan struct{} // closed when the server is closed and the last link is gone
	done          chan struct{} // closed when every goroutine of the server has ended

	robin atomic.Uint32 // picks flushers
	tally tally
	wg    sync.WaitGroup // every goroutine of the server

	mu sync.Mutex
	// mu guards the following.
	sessions map[string]*Session
	links    map[*link]struct{}
	hearts   map[beat]*heart // of plain websockets and streams
	reserved int             // connections that are being set up

	descriptors int // what links and those that are being set up may take
	held        int // what else Shutdown waits for
	closed      bool
}

// tally are the parts of [Stats] that change seldom.
type tally struct {
	sessionsOpened, webSocketsOpened, streamsOpened atomic.Uint64
	upgrades, upgradesFailed, slowClients           atomic.Uint64
	closed                                          [reasonCount]atomic.Uint64

	mu      sync.Mutex
	refused map[string]uint64 // guarded by mu
}

// New returns a server that calls open for each new session, on the goroutine of its handshake and before any packet.
// What open returns receives the session's packets.
func New(cfg Config, open func(*Session) Receiver) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg:      cfg,
		open:     open,
		clock:    newClock(min(cfg.PingInterval, cfg.PingTimeout)),
		peers:    newAdmission(cfg.MaxConnectionsPerIP, cfg.HandshakesPerSecond),
		requests: newInterner(),

		pressureBytes: cfg.OutboxBytes / 4,

		stop:     make(chan struct{}),
		empty:    make(chan struct{}),
		done:     make(chan struct{}),
		sessions: make(map[string]*Session),
		links:    make(map[*link]struct{}),
		hearts:   make(map[beat]*heart),
	}
	s.tally.refused = make(map[string]uint64)
	s.heart = &heart{
		interval: s.clock.queue(cfg.PingInterval),
		timeout:  s.clock.queue(cfg.PingTimeout),
		ping:     wire.Text([]byte{packetPing}),
		last:     closeFrame(closeNoCode, ""),
		patient:  true,
	}
	s.drain = s.clock.queue(cfg.CloseTimeout)
	s.parting = s.clock.queue(min(partingWait, cfg.CloseTimeout))
	for range cfg.Flushers {
		f := newFlusher()
		s.flushers = append(s.flushers, f)
		s.spawn(func() { f.run(s.stop) })
	}
	s.spawn(func() { s.clock.run(s.stop) })
	return s
}

// allows reports whether clients may use a transport.
func (s *Server) allows(t Transport) bool { return slices.Contains(s.cfg.Transports, t.String()) }

// spawn runs f on a goroutine that Shutdown waits for.
func (s *Server) spawn(f func()) { s.wg.Go(f) }

func (s *Server) nextFlusher() *flusher {
	return s.flushers[int(s.robin.Add(1))%len(s.flushers)]
}

// pollingDescriptors is how many file descriptors a session that polls may take at the same time: for a poll, a post, and the
// websocket of an upgrade. Everybody else takes one.
const pollingDescriptors = 3

// reserve takes a place for a new connection of the client at addr, which may take so many file descriptors. It must be
// given back, with cancel if the connection does not come about, else with remove.
func (s *Server) reserve(addr string, descriptors int) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return refuseShutdown
	case s.cfg.MaxConnections > 0 && len(s.links)+s.reserved >= s.cfg.MaxConnections,
		s.cfg.MaxDescriptors > 0 && s.descriptors+descriptors > s.cfg.MaxDescriptors:
		return refuseLimit
	}
	if refused := s.peers.enter(addr); refused != nil {
		return refused
	}
	s.reserved++
	s.descriptors += descriptors
	return nil
}

// SetLimits sets [Config.MaxConnections], [Config.MaxConnectionsPerIP] and [Config.HandshakesPerSecond] anew. Who is
// connected stays, and counts.
func (s *Server) SetLimits(connections, perIP int, handshakes float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counted := !s.peers.off()
	s.cfg.MaxConnections, s.peers.limit, s.peers.perSecond = connections, perIP, handshakes
	if counted {
		return
	}
	clear(s.peers.peers)
	for l := range s.links {
		s.peers.count(l.owner.RemoteAddr())
	}
}

func (s *Server) cancel(addr string, descriptors int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelLocked(addr, descriptors)
}

func (s *Server) cancelLocked(addr string, descriptors int) {
	s.reserved--
	s.descriptors -= descriptors
	s.peers.leave(addr)
	s.checkEmptyLocked()
}

// add registers a connection in the place that was reserved for it. It returns false if the server was closed
// meanwhile: the place is given back.
func (s *Server) add(l *link, addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.cancelLocked(addr, l.descriptors)
		return false
	}
	s.reserved--
	s.links[l] = struct{}{}
	if session, ok := l.owner.(*Session); ok {
		s.sessions[session.id] = session
	}
	return true
}

// upgraded notes that a session does not poll any more.
func (s *Server) upgraded(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.links[l]; ok {
		s.descriptors -= l.descriptors - 1
		l.descriptors = 1
	}
}

// remove forgets a connection that has ended and counts its end. Doing it twice is harmless.
func (s *Server) remove(l *link) {
	l.mu.Lock()
	reason := l.reason
	l.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forgetLocked(l) {
		return
	}
	s.tally.closed[reason].Add(1)
	if reason == ReasonSlowClient || reason == ReasonWriteTimeout {
		s.tally.slowClients.Add(1)
	}
}

// forget takes a connection off the books that has never begun.
func (s *Server) forget(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(l)
}

// forgetLocked reports whether the connection was there.
func (s *Server) forgetLocked(l *link) bool {
	if _, ok := s.links[l]; !ok {
		return false
	}
	delete(s.links, l)
	s.descriptors -= l.descriptors
	if session, ok := l.owner.(*Session); ok {
		delete(s.sessions, session.id)
	}
	s.peers.leave(l.owner.RemoteAddr())
	s.checkEmptyLocked()
	return true
}

func (s *Server) checkEmptyLocked() {
	if s.closed && len(s.links)+s.reserved+s.held == 0 {
		close(s.empty)
	}
}

// hold makes Shutdown wait until release is called. It returns false if the server is closed.
func (s *Server) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.held++
	}
	return !s.closed
}

func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.checkEmptyLocked()
}

// session returns the session with an id, nil if there is none.
func (s *Server) session(id string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// ConnectionsFrom returns how many connections a client address has, where [Config.MaxConnectionsPerIP] has them counted.
func (s *Server) ConnectionsFrom(addr string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peers.connectionsOf(addr)
}

func (s *Server) allLinks() []*link {
	s.mu.Lock()
	defer s.mu.Unlock()
	links := make([]*link, 0, len(s.links))
	for l := range s.links {
		links = append(links, l)
	}
	return links
}

// cutWait is how long Shutdown waits for connections that it has cut: their receivers may take their time, or for ever.
const cutWait = 100 * time.Millisecond

// Shutdown refuses new connections, ends every one with [ReasonServerShutdown] after what is queued for it, in waves where
// [Config.ShutdownSpread] says so, and returns when all goroutines of the server have ended. Once ctx is done it cuts the
// connections and returns ctx's error, a moment later at most: receivers that have not returned by then are not waited
// for, and their goroutines end when they do. Calling it again waits as well.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.checkEmptyLocked()
		go s.finish() // awaited below, as long as ctx allows
	}
	s.mu.Unlock()
	s.endAll(ctx, s.cfg.ShutdownSpread)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	for _, l := range s.allLinks() {
		l.abort(ReasonServerShutdown)
	}
	timeout := time.NewTimer(cutWait)
	defer timeout.Stop()
	select {
	case <-s.done:
	case <-timeout.C:
	}
	return ctx.Err()
}

// finish ends the goroutines that connections share when the last connection is gone.
func (s *Server) finish() {
	<-s.empty
	close(s.stop)
	s.wg.Wait()
	close(s.done)
}

// refuse answers a request with an error and counts it.
func (s *Server) refuse(w http.ResponseWriter, r *refusal) {
	s.countRefusal(r)
	r.write(w)
}

func (s *Server) countRefusal(r *refusal) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	s.tally.refused[r.cause]++
}
