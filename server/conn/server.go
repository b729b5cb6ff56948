package conn

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/wire"
)

// Server is what all connections share: limits, flushers, clock, counters, and the list of those that are open.
type Server struct {
	// Static after construction.
	cfg       Config
	flushers  []*flusher
	clock     *clock
	admission *admission
	deflater  *wire.Deflater

	stop  chan struct{} // ends flushers and clock
	empty chan struct{} // closed when the server is closed and the last connection is gone
	done  chan struct{} // closed when every goroutine of the server has ended

	payload, outbox atomic.Int64 // Config.MaxPayloadBytes and OutboxBytes, as SetLimits has left them

	robin atomic.Uint32 // picks flushers
	tally tally
	wg    sync.WaitGroup // every goroutine of the server

	mu sync.Mutex
	// mu guards the following.
	conns      map[*Conn]struct{}
	heartbeats map[HeartbeatOptions]*Heartbeat
	reserved   int // connections that are being set up

	descriptors int // what connections and those that are being set up may take
	held        int // what else Shutdown waits for
	closed      bool
}

// tally are the parts of [Stats] that change seldom.
type tally struct {
	webSocketsOpened, streamsOpened, slowClients atomic.Uint64
	closed                                       [reasonCount]atomic.Uint64

	mu      sync.Mutex
	refused map[string]uint64 // guarded by mu
}

// New returns a server and starts what its connections share, which [Server.Shutdown] ends.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg:       cfg,
		clock:     newClock(min(cfg.PingInterval, cfg.PingTimeout)),
		admission: newAdmission(cfg.MaxConnectionsPerIP, cfg.HandshakesPerSecond),
		deflater:  wire.NewDeflater(cfg.CompressBytes),

		stop:       make(chan struct{}),
		empty:      make(chan struct{}),
		done:       make(chan struct{}),
		conns:      make(map[*Conn]struct{}),
		heartbeats: make(map[HeartbeatOptions]*Heartbeat),
	}
	s.tally.refused = make(map[string]uint64)
	s.setSizes(cfg)
	for range cfg.Flushers {
		f := newFlusher()
		s.flushers = append(s.flushers, f)
		s.Spawn(func() { f.run(s.stop) })
	}
	s.Spawn(func() { s.clock.run(s.stop) })
	return s
}

// Config returns the limits and times, with the defaults where none were given.
func (s *Server) Config() *Config { return &s.cfg }

// MaxPayloadBytes is the largest message that a client may send now.
func (s *Server) MaxPayloadBytes() int64 { return s.payload.Load() }

// OutboxBytes is how much may be queued for one client now.
func (s *Server) OutboxBytes() int { return int(s.outbox.Load()) }

// backpressureBytes is from where on a client's own answers hold up its reader.
func (s *Server) backpressureBytes() int { return s.OutboxBytes() / 4 }

func (s *Server) setSizes(cfg Config) {
	s.payload.Store(cfg.MaxPayloadBytes)
	s.outbox.Store(int64(cfg.OutboxBytes))
	s.deflater.SetMin(cfg.CompressBytes)
}

// Spawn runs f on a goroutine that Shutdown waits for.
func (s *Server) Spawn(f func()) { s.wg.Go(f) }

func (s *Server) nextFlusher() *flusher {
	return s.flushers[int(s.robin.Add(1))%len(s.flushers)]
}

// reserve takes a place for a new connection of the client at addr, which may take so many file descriptors. It must
// be given back, with cancel if the connection does not come about, else with remove.
func (s *Server) reserve(addr string, descriptors int) *Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return refuseShutdown
	case s.cfg.MaxConnections > 0 && len(s.conns)+s.reserved >= s.cfg.MaxConnections,
		s.cfg.MaxDescriptors > 0 && s.descriptors+descriptors > s.cfg.MaxDescriptors:
		return refuseLimit
	}
	if refused := s.admission.enter(addr); refused != nil {
		return refused
	}
	s.reserved++
	s.descriptors += descriptors
	return nil
}

// Compresses reports whether a message of so many bytes may be compressed.
func (s *Server) Compresses(bytes int) bool { return s.deflater.Takes(bytes) }

// SetLimits sets what cfg has of MaxConnections, MaxConnectionsPerIP, HandshakesPerSecond, MaxPayloadBytes, OutboxBytes and
// CompressBytes anew. Who is connected stays, and counts; a websocket keeps the MaxPayloadBytes that it came with, and what it
// has agreed to of compression.
func (s *Server) SetLimits(cfg Config) {
	cfg = cfg.withDefaults()
	s.setSizes(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	counted := !s.admission.off()
	s.cfg.MaxConnections, s.admission.limit, s.admission.perSecond = cfg.MaxConnections, cfg.MaxConnectionsPerIP, cfg.HandshakesPerSecond
	if counted {
		return
	}
	clear(s.admission.addrs)
	for c := range s.conns {
		s.admission.count(c.addr)
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
	s.admission.leave(addr)
	s.checkEmptyLocked()
}

// add registers a connection in the place that was reserved for it. It returns false if the server was closed
// meanwhile: the place is given back.
func (s *Server) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.cancelLocked(c.addr, int(c.descriptors))
		return false
	}
	s.reserved--
	s.conns[c] = struct{}{}
	return true
}

// remove forgets a connection that has ended and counts its end. Doing it twice is harmless.
func (s *Server) remove(c *Conn) {
	c.mu.Lock()
	reason := c.reason
	c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forgetLocked(c) {
		return
	}
	s.tally.closed[reason].Add(1)
	if reason == ReasonSlowClient || reason == ReasonWriteTimeout {
		s.tally.slowClients.Add(1)
	}
}

// forget takes a connection off the books that has never begun.
func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked(c)
}

// forgetLocked reports whether the connection was there.
func (s *Server) forgetLocked(c *Conn) bool {
	if _, ok := s.conns[c]; !ok {
		return false
	}
	delete(s.conns, c)
	s.descriptors -= int(c.descriptors)
	c.owner.Removed()
	s.admission.leave(c.addr)
	s.checkEmptyLocked()
	return true
}

func (s *Server) checkEmptyLocked() {
	if s.closed && len(s.conns)+s.reserved+s.held == 0 {
		close(s.empty)
	}
}

// Hold makes Shutdown wait until Release is called. It returns false if the server is closed.
func (s *Server) Hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.held++
	}
	return !s.closed
}

// Release ends what Hold began.
func (s *Server) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.checkEmptyLocked()
}

// ConnectionsFrom returns how many connections a client address has, where [Config.MaxConnectionsPerIP] has them
// counted.
func (s *Server) ConnectionsFrom(addr string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admission.connectionsOf(addr)
}

func (s *Server) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}

// cutWait is how long Shutdown waits for connections that it has cut: their receivers may take their time, or for
// ever.
const cutWait = 100 * time.Millisecond

// Shutdown refuses new connections, ends every one with [ReasonServerShutdown] after what is queued for it, in waves
// where [Config.ShutdownSpread] says so, and returns when all goroutines of the server have ended. Once ctx is done it
// cuts the connections and returns ctx's error, a moment later at most: receivers that have not returned by then are
// not waited for, and their goroutines end when they do. Calling it again waits as well.
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
	for _, c := range s.all() {
		c.Abort(ReasonServerShutdown)
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

// waveInterval is the mean time between two waves of a shutdown.
const waveInterval = 100 * time.Millisecond

// endAll ends every connection: at once, or in waves spread over spread, each in random order and at a time that
// varies by half an interval, so that those who come back elsewhere do not come together. It returns when the last
// wave has gone, all connections have ended, or ctx is done.
func (s *Server) endAll(ctx context.Context, spread time.Duration) {
	conns := s.all()
	waves := max(1, int(spread/waveInterval))
	if waves > 1 {
		rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	}
	for wave := range waves {
		if wave > 0 && !s.pause(ctx, waveInterval/2+rand.N(waveInterval)) {
			break
		}
		from, to := wave*len(conns)/waves, (wave+1)*len(conns)/waves
		for _, c := range conns[from:to] {
			c.owner.Close(ReasonServerShutdown)
		}
	}
	for _, c := range s.all() { // those who came while it was decided, and those whom no wave has reached
		c.owner.Close(ReasonServerShutdown)
	}
}

// pause waits, and reports whether it did to the end.
func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.empty:
		return false
	case <-ctx.Done():
		return false
	}
}

// Refuse answers a request with an error and counts it.
func (s *Server) Refuse(w http.ResponseWriter, r *Refusal) {
	s.CountRefusal(r)
	r.write(w)
}

// CountRefusal counts a refusal that was answered otherwise.
func (s *Server) CountRefusal(r *Refusal) {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	s.tally.refused[r.Cause]++
}
