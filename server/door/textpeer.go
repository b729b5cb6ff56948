package door

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"signalbox/server/engine"
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

// socket is what a peer needs of [engine.WebSocket].
type socket interface {
	Send(m *wire.Message) error
	Reply(m *wire.Message) error
	Flush()
	SendVolatile(m *wire.Message) bool
	CloseWith(reason engine.Reason, code uint16, text string)
}

// textPeer is one client on a plain WebSocket: a [hub.TextPeer] for its handler and a [hub.Sink] for the hub.
type textPeer struct {
	// Static after construction.
	server *Server
	id     string
	member *hub.Member

	state atomic.Uint32

	// Set by open, before state says so.
	ws socket

	mu sync.Mutex
	// mu guards the following.
	early     []*wire.Message // sent before the connection was opened, in order
	closeCode hub.CloseCode   // asked for before it was; 0: it was not
	closeText string
	released  bool

	// Owned by the goroutine that reads.
	session hub.TextSession
	bucket  bucket
}

var (
	_ hub.TextPeer = (*textPeer)(nil)
	_ hub.Sink     = (*textPeer)(nil)
)

func newTextPeer(s *Server) *textPeer {
	p := &textPeer{server: s, id: uuid.NewString()}
	p.member = hub.NewMember(p.id, p)
	return p
}

func (p *textPeer) status() status { return status(p.state.Load()) }

func (p *textPeer) ID() string          { return p.id }
func (p *textPeer) Member() *hub.Member { return p.member }
func (p *textPeer) Closed() bool        { return p.status() == over }

// connect asks the handler.
func (p *textPeer) connect(h hub.TextHandler, v hub.Visit) error {
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

// open takes the connection, and sends what was held back for it.
func (p *textPeer) open(ws socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.early {
		_ = ws.Send(m) // an ended connection is told through Closed
	}
	p.early = nil
	if p.closeCode != 0 {
		ws.CloseWith(engine.ReasonForcedClose, uint16(p.closeCode), p.closeText)
		return
	}
	p.ws = ws
	p.state.CompareAndSwap(uint32(asked), uint32(opened))
}

// Deliver implements [hub.Sink].
func (p *textPeer) Deliver(m *hub.Message) bool {
	encoded := m.Encoded(hub.FormText, hub.EncodeText)
	switch {
	case encoded == nil:
		return false
	case p.status() != opened:
		return p.hold(encoded)
	case m.Volatile:
		return p.ws.SendVolatile(encoded)
	default:
		return p.ws.Send(encoded) == nil
	}
}

// Send implements [hub.TextPeer].
func (p *textPeer) Send(text []byte) bool {
	m := wire.Text(text)
	if p.status() != opened {
		return p.hold(m)
	}
	return p.ws.Reply(m) == nil
}

// hold keeps a message for a connection that is not open yet.
func (p *textPeer) hold(m *wire.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status() {
	case opened: // it just was
		return p.ws.Send(m) == nil
	case over:
		return false
	}
	if len(p.early) >= maxEarly {
		return false
	}
	p.early = append(p.early, m)
	return true
}

// Close implements [hub.TextPeer].
func (p *textPeer) Close(code hub.CloseCode, reason string) {
	p.mu.Lock()
	before := status(p.state.Swap(uint32(over)))
	if before == asked {
		p.closeCode, p.closeText = code, reason
	}
	p.mu.Unlock()
	if before == opened {
		p.ws.CloseWith(engine.ReasonForcedClose, uint16(code), reason)
	}
}

// receive gives one message to the handler.
func (p *textPeer) receive(data []byte) {
	if p.status() != opened {
		return
	}
	p.throttle()
	p.server.textsIn.Add(1)
	if p.server.guard(p.id, func() error { p.session.Text(data); return nil }) != nil {
		p.Close(hub.CloseInternal, "internal error")
	}
}

// end tells the handler once that the client has gone.
func (p *textPeer) end(reason engine.Reason) {
	p.mu.Lock()
	p.state.Store(uint32(over))
	again := p.released
	p.released = true
	p.early = nil
	p.mu.Unlock()
	if again {
		return
	}
	_ = p.server.guard(p.id, func() error { p.session.Close(reason.String()); return nil }) // counted there, and over anyway
	p.server.cfg.Hub.Remove(p.member)
}

// throttle makes a client that sends more than it may wait, and with it TCP: it loses nothing and costs only itself.
func (p *textPeer) throttle() {
	limit := p.server.cfg.MaxMessagesPerSecond
	if limit <= 0 {
		return
	}
	if wait := p.bucket.take(time.Now(), limit); wait > 0 {
		p.server.throttled.Add(1)
		p.ws.Flush() // the answers to what came before need not wait too
		time.Sleep(wait)
	}
}

// textReceiver is a peer as its connection sees it.
type textReceiver struct{ peer *textPeer }

var _ engine.Receiver = textReceiver{}

// Text implements [engine.Receiver].
func (r textReceiver) Text(data []byte) error {
	r.peer.receive(data)
	return nil
}

// Binary implements [engine.Receiver]: the programs that clients were written for took bytes for text, as Node's
// Buffer.toString does.
func (r textReceiver) Binary(data []byte) error {
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte("\uFFFD"))
	}
	r.peer.receive(data)
	return nil
}

// Closed implements [engine.Receiver].
func (r textReceiver) Closed(reason engine.Reason) { r.peer.end(reason) }
