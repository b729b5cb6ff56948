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

// outlet is where messages to a client go: an [conn.Stream] or an [conn.WebSocket].
type outlet interface {
	Send(m *wire.Message) error
	SendVolatile(m *wire.Message) bool
}

// client is the life of one client, whichever door it came in by: the handler is asked, the connection is opened, and the
// handler is told once that the client has gone. The peers of this package embed it; init comes first.
type client struct {
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

// init makes c a client to which the hub delivers through sink.
func (c *client) init(s *Server, sink hub.Sink) {
	c.server, c.id = s, uuid.NewString()
	c.member = hub.NewMember(c.id, sink)
}

func (c *client) status() status { return status(c.state.Load()) }

func (c *client) ID() string          { return c.id }
func (c *client) Member() *hub.Member { return c.member }

func (c *client) Closed() bool { return c.status() == over }

// admit asks the handler with ask, whose error means that the client may not come in.
func (c *client) admit(ask func() error) error {
	err := c.server.guard(c.id, ask)
	if err != nil {
		c.state.Store(uint32(over))
		c.server.cfg.Hub.Remove(c.member)
	}
	return err
}

// open takes the connection, and sends what was held back for it.
func (c *client) open(out outlet) {
	c.mu.Lock()
	for _, m := range c.early {
		_ = out.Send(m) // an ended connection is told through release
	}
	c.early = nil
	c.out = out
	c.state.CompareAndSwap(uint32(asked), uint32(opened))
	parting := c.parting
	c.mu.Unlock()
	if parting != nil {
		parting()
	}
}

// deliver sends a message, or keeps it for the connection. It reports whether it did.
func (c *client) deliver(m *wire.Message, volatile bool) bool {
	switch {
	case c.status() != opened:
		return c.hold(m)
	case volatile:
		return c.out.SendVolatile(m)
	default:
		return c.out.Send(m) == nil
	}
}

// hold keeps a message for a connection that is not open yet.
func (c *client) hold(m *wire.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.status() {
	case opened: // it just was
		return c.out.Send(m) == nil
	case over:
		return false
	}
	if len(c.early) >= maxEarly {
		return false
	}
	c.early = append(c.early, m)
	return true
}

// leave ends the connection with parting, now or as soon as it is opened. Only the first call counts, and none does once
// the connection has ended.
func (c *client) leave(parting func()) {
	c.mu.Lock()
	before := status(c.state.Swap(uint32(over)))
	if before == asked {
		c.parting = parting
	}
	c.mu.Unlock()
	if before == opened {
		parting()
	}
}

// release tells the handler's session once that the client has gone.
func (c *client) release(session interface{ Close(reason string) }, reason string) {
	c.mu.Lock()
	c.state.Store(uint32(over))
	again := c.released
	c.released = true
	c.early = nil
	c.mu.Unlock()
	if again {
		return
	}
	_ = c.server.guard(c.id, func() error { session.Close(reason); return nil }) // counted there, and over anyway
	c.server.cfg.Hub.Remove(c.member)
}
