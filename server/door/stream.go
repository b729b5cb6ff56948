package door

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// keepAlive is a comment: clients skip it, and proxies see that the connection lives.
var keepAlive = wire.Raw([]byte(": keep-alive\n\n"))

// Stream returns a door for streams of Server-Sent Events that h serves.
//
// Rule: [WHATWG HTML, server-sent events].
//
// [WHATWG HTML, server-sent events]: https://html.spec.whatwg.org/multipage/server-sent-events.html
func (s *Server) Stream(h hub.StreamHandler) http.Handler {
	options := engine.StreamOptions{
		Header: http.Header{
			"Content-Type":  {"text/event-stream"},
			"Cache-Control": {"no-cache"},
			// nginx buffers what a server behind it sends, unless told not to.
			"X-Accel-Buffering": {"no"},
		},
		KeepAlive:         keepAlive,
		KeepAliveInterval: s.cfg.KeepAlive,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := newStreamPeer(s)
		if err := p.connect(h, s.visit(r)); err != nil {
			Refuse(w, err)
			return
		}
		st, err := s.cfg.Engine.OpenStream(w, r, options, p.end)
		if err != nil { // it has been answered
			p.end(engine.ReasonTransportError)
			return
		}
		p.open(st)
	})
}

// outlet is what a peer needs of [engine.Stream].
type outlet interface {
	Send(m *wire.Message) error
	SendVolatile(m *wire.Message) bool
	Close(reason engine.Reason)
}

// streamPeer is one client of a stream: a [hub.StreamPeer] for its handler and a [hub.Sink] for the hub.
type streamPeer struct {
	// Static after construction.
	server  *Server
	id      string
	member  *hub.Member
	session hub.StreamSession // set before the stream is opened

	state atomic.Uint32

	// Set by open, before state says so.
	st outlet

	mu sync.Mutex
	// mu guards the following.
	early    []*wire.Message // sent before the stream was opened, in order
	closing  bool            // Close was called before it was
	released bool
}

var (
	_ hub.StreamPeer = (*streamPeer)(nil)
	_ hub.Sink       = (*streamPeer)(nil)
)

func newStreamPeer(s *Server) *streamPeer {
	p := &streamPeer{server: s, id: uuid.NewString()}
	p.member = hub.NewMember(p.id, p)
	return p
}

func (p *streamPeer) status() status { return status(p.state.Load()) }

func (p *streamPeer) ID() string          { return p.id }
func (p *streamPeer) Member() *hub.Member { return p.member }
func (p *streamPeer) Closed() bool        { return p.status() == over }

// connect asks the handler.
func (p *streamPeer) connect(h hub.StreamHandler, v hub.Visit) error {
	err := p.server.guard(p.id, func() (err error) {
		p.session, err = h.Connect(p, v)
		return err
	})
	if err != nil {
		p.state.Store(uint32(over))
		p.server.cfg.Hub.Remove(p.member)
	}
	return err
}

// open takes the stream, and sends what was held back for it.
func (p *streamPeer) open(st outlet) {
	p.mu.Lock()
	for _, m := range p.early {
		_ = st.Send(m) // an ended stream is told through end
	}
	p.early = nil
	p.st = st
	p.state.CompareAndSwap(uint32(asked), uint32(opened))
	closing := p.closing
	p.mu.Unlock()
	if closing {
		st.Close(engine.ReasonForcedClose)
	}
}

// Deliver implements [hub.Sink].
func (p *streamPeer) Deliver(m *hub.Message) bool {
	encoded := m.Encoded(hub.FormSSE, hub.EncodeSSE)
	switch {
	case encoded == nil:
		return false
	case p.status() != opened:
		return p.hold(encoded)
	case m.Volatile:
		return p.st.SendVolatile(encoded)
	default:
		return p.st.Send(encoded) == nil
	}
}

// Send implements [hub.StreamPeer].
func (p *streamPeer) Send(records []byte) bool {
	m := wire.Raw(append([]byte(nil), records...))
	if p.status() != opened {
		return p.hold(m)
	}
	return p.st.Send(m) == nil
}

// hold keeps a message for a stream that is not open yet.
func (p *streamPeer) hold(m *wire.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status() {
	case opened: // it just was
		return p.st.Send(m) == nil
	case over:
		return false
	}
	if len(p.early) >= maxEarly {
		return false
	}
	p.early = append(p.early, m)
	return true
}

// Close implements [hub.StreamPeer].
func (p *streamPeer) Close() {
	p.mu.Lock()
	before := status(p.state.Swap(uint32(over)))
	p.closing = p.closing || before == asked
	p.mu.Unlock()
	if before == opened {
		p.st.Close(engine.ReasonForcedClose)
	}
}

// end tells the handler once that the client has gone.
func (p *streamPeer) end(reason engine.Reason) {
	p.mu.Lock()
	p.state.Store(uint32(over))
	again := p.released
	p.released = true
	p.mu.Unlock()
	if again {
		return
	}
	_ = p.server.guard(p.id, func() error { p.session.Close(reason.String()); return nil }) // counted there, and over anyway
	p.server.cfg.Hub.Remove(p.member)
}
