package door

import (
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"signalbox/server/hub"
	"signalbox/server/wire"
)

// maxEarly bounds what waits for one client's connection to be opened.
const maxEarly = 256

// status is how far a connection is. It only grows.
type status uint32

const (
	asked  status = iota // the handler looks at it; what is sent to it waits
	opened               // messages go straight to the outbox
	over                 // it has ended or is about to
)

// outlet is where messages to a guest go: an [conn.Stream] or an [conn.WebSocket].
type outlet interface {
	Send(m *wire.Message) error
	SendVolatile(m *wire.Message) bool
}

// guest is the life of one client, whichever door it came in by: the handler is asked, the connection is opened, and the
// handler is told once that the client has gone. The peers of this package embed it; init comes first.
type guest struct {
	// Static after init.
	server *Server
	id     string
	member *hub.Member

	state atomic.Uint32

	// Set by open, before state says so.
	out outlet

	mu sync.Mutex
	// mu guards the following.
	early    []*wire.Message // sent before the connection was opened, in order
	parting  func()          // ends the connection, asked for before it was opened; nil: it was not
	released bool
}

// init makes g a client to which the hub delivers through sink.
func (g *guest) init(s *Server, sink hub.Sink) {
	g.server, g.id = s, uuid.NewString()
	g.member = hub.NewMember(g.id, sink)
}

func (g *guest) status() status { return status(g.state.Load()) }

func (g *guest) ID() string          { return g.id }
func (g *guest) Member() *hub.Member { return g.member }

// Names implements [conn.Named].
func (g *guest) Names() (id, user string) { return g.id, g.member.User() }
func (g *guest) Closed() bool             { return g.status() == over }

// admit asks the handler with ask, whose error means that the client may not come in.
func (g *guest) admit(ask func() error) error {
	err := g.server.guard(g.id, ask)
	if err != nil {
		g.state.Store(uint32(over))
		g.server.cfg.Hub.Remove(g.member)
	}
	return err
}

// open takes the connection, and sends what was held back for it.
func (g *guest) open(out outlet) {
	g.mu.Lock()
	for _, m := range g.early {
		_ = out.Send(m) // an ended connection is told through release
	}
	g.early = nil
	g.out = out
	g.state.CompareAndSwap(uint32(asked), uint32(opened))
	parting := g.parting
	g.mu.Unlock()
	if parting != nil {
		parting()
	}
}

// deliver sends a message, or keeps it for the connection. It reports whether it did.
func (g *guest) deliver(m *wire.Message, volatile bool) bool {
	switch {
	case g.status() != opened:
		return g.hold(m)
	case volatile:
		return g.out.SendVolatile(m)
	default:
		return g.out.Send(m) == nil
	}
}

// hold keeps a message for a connection that is not open yet.
func (g *guest) hold(m *wire.Message) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.status() {
	case opened: // it just was
		return g.out.Send(m) == nil
	case over:
		return false
	}
	if len(g.early) >= maxEarly {
		return false
	}
	g.early = append(g.early, m)
	return true
}

// leave ends the connection with parting, now or as soon as it is opened. Only the first call counts, and none does once
// the connection has ended.
func (g *guest) leave(parting func()) {
	g.mu.Lock()
	before := status(g.state.Swap(uint32(over)))
	if before == asked {
		g.parting = parting
	}
	g.mu.Unlock()
	if before == opened {
		parting()
	}
}

// release tells the handler's session once that the client has gone.
func (g *guest) release(session interface{ Close(reason string) }, reason string) {
	g.mu.Lock()
	g.state.Store(uint32(over))
	again := g.released
	g.released = true
	g.early = nil
	g.mu.Unlock()
	if again {
		return
	}
	_ = g.server.guard(g.id, func() error { session.Close(reason); return nil }) // counted there, and over anyway
	g.server.cfg.Hub.Remove(g.member)
}
