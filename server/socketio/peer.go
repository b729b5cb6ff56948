package socketio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"signalbox/server/app"
	"signalbox/server/engine/eio3"
	"signalbox/server/hub"
	"signalbox/server/recovery"
	"signalbox/server/trace"
	"signalbox/server/wire"
)

var errPanic = errors.New("a handler panicked")

// status is how far a client is with one namespace. It only grows.
type status uint32

const (
	asked     status = iota // CONNECT has come, and the library has not answered
	attached                // the handler has it; what is sent to it waits for the CONNECT packet
	opening                 // the CONNECT packet is being queued: from here on the client may send
	connected               // messages go straight to the outbox
	left
)

// peer is one client in one namespace: a [app.Peer] for its handler and a [hub.Sink] for the hub.
type peer struct {
	// Static after construction.
	name   string // of the namespace
	member *hub.Member
	gone   chan struct{} // closed when it has left; nil where its handler is no [app.Patient]
	stay   *stay         // nil where clients that are cut do not come back

	// Set before anybody else knows the peer; nil in a namespace with a handler.
	library LibrarySession

	state atomic.Uint32
	link  atomic.Pointer[conn] // changes only where stay is there

	mu sync.Mutex
	// mu guards the following.
	handling bool // an event is with the handler
	told     bool // the handler knows that it left, or is about to
	visiting bool // its namespace is there as long as it has clients
	session  app.Session
	early    []outgoing // sent before CONNECT, in order
	deferred *deferral  // what waits for ResumeDelivery; nil while nothing does
	ending   string     // why it left
}

// outgoing is a message on its way to one client.
type outgoing struct {
	message  *wire.Message
	id       string          // of the hub's message, "" without one
	volatile bool            // it may be missed
	entry    *recovery.Entry // where it is logged; nil: nowhere
	tail     uint64          // stands for the text at its end where it has no offset, see [stay]
}

// fate is what becomes of a message to one client.
type fate uint8

const (
	lost fate = iota
	sent      // it is queued
	held      // the client is away, and gets it if it comes back
)

// newPeer returns a peer with an id that nobody can guess and nobody else has. A server of a cluster has a prefix for
// all ids of its own, by which what is for one of them finds it.
func newPeer(c *conn, namespace string) *peer {
	p := &peer{name: namespace}
	p.link.Store(c)
	var b [hub.SocketIDLength * 3 / 4]byte
	rand.Read(b[:]) // never fails
	id := (c.server.cluster.SocketPrefix() + base64.RawURLEncoding.EncodeToString(b[:]))[:hub.SocketIDLength]
	if c.eio3 {
		id = eio3.SocketID(namespace, c.session.ID())
	}
	p.member = hub.NewMember(id, p)
	return p
}

var (
	_ app.Peer     = (*peer)(nil)
	_ app.Charger  = (*peer)(nil)
	_ app.Asker    = (*peer)(nil)
	_ hub.Sink     = (*peer)(nil)
	_ app.Answerer = (*peer)(nil)
)

// conn returns the client's connection, or the last one it had.
func (p *peer) conn() *conn { return p.link.Load() }

func (p *peer) server() *Server { return p.conn().server }

func (p *peer) status() status { return status(p.state.Load() &^ detour) }

func (p *peer) ID() string          { return p.member.ID() }
func (p *peer) Namespace() string   { return p.name }
func (p *peer) Member() *hub.Member { return p.member }
func (p *peer) Closed() bool        { return p.status() == left }

// Charge implements [app.Charger].
func (p *peer) Charge(weight float64) {
	c := p.conn()
	if p.stay != nil {
		c = p.stay.reader
	}
	c.bucket.Charge(weight)
}

// handle gives one event that came on c to the handler. Its error ends the connection.
func (p *peer) handle(c *conn, e *app.Event) (err error) {
	if p.stay != nil {
		p.stay.handling.Lock()
		defer p.stay.handling.Unlock()
		if p.conn() != c {
			return nil // the client has come back on another connection
		}
		p.stay.reader = c
	}
	p.mu.Lock()
	if p.stay != nil && p.stay.away { // another node has asked for it
		p.mu.Unlock()
		return nil
	}
	switch p.status() {
	case opening, connected:
	case left: // the server has ended the namespace, and the client did not know yet
		p.mu.Unlock()
		return nil
	default:
		p.mu.Unlock()
		return errState
	}
	p.handling = true
	session := p.session
	p.mu.Unlock()

	p.server().counters.eventsIn.Add(1)
	if w := p.server().cfg.Watch; w != nil {
		w.Received(p, e)
	}
	if t := p.server().cfg.Tracer; t != nil {
		e.Span = t.Start(trace.Server, "event", p.name)
		e.Span.SetText("signalbox.event", e.Name)
	}
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			e.Span.Fail("panic")
			err = errPanic
		}
		e.Span.End()
		took := time.Since(start)
		p.server().latency.observe(took)
		if w := p.server().handled.Load(); w != nil {
			w.note(p.name, e.Name, took)
		}
		p.mu.Lock()
		p.handling = false
		ended := p.status() == left
		p.mu.Unlock()
		if ended {
			p.Conclude()
		}
	}()
	session.Event(e)
	return nil
}

func (p *peer) panicked(r any) { p.server().Panicked(p.name, p.ID(), r) }

// acknowledge gives the client's answer to who waits for it. An id that nobody waits for is ignored, as in the
// reference.
func (p *peer) acknowledge(pk *packet, attachments [][]byte) (err error) {
	id, parseErr := strconv.ParseUint(string(pk.id), 10, 64)
	if parseErr != nil {
		return nil
	}
	if n := p.server().namespace(p.name); n != nil && n.questions.take(id, p, pk.args, attachments) {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			err = errPanic
		}
	}()
	p.mu.Lock()
	listener, listens := p.session.(app.AnswerListener)
	p.mu.Unlock()
	if listens {
		listener.Answered(id, pk.args, attachments)
		return nil
	}
	s := p.LibrarySession()
	if s == nil {
		return nil
	}
	return s.Ack(id, pk.args, attachments)
}

// Deliver queues a hub message.
func (p *peer) Deliver(m *hub.Message) bool {
	if m.Namespace != p.name {
		return false
	}
	p.tellSent(m)
	if p.stay != nil {
		return p.stay.deliver(p, m)
	}
	encoded := m.Encoded(hub.FormSocketIO, encodeMessage)
	return encoded != nil && p.deliver(encoded, m.ID, m.Volatile)
}

// deliver queues a message with the id that the hub knows it by. It is logged nowhere.
func (p *peer) deliver(m *wire.Message, id string, volatile bool) bool {
	if p.state.Load() != uint32(connected) {
		return p.wait(outgoing{message: m, id: id, volatile: volatile}) == sent
	}
	return p.send(m, volatile)
}

func (p *peer) send(m *wire.Message, volatile bool) bool {
	if volatile {
		return p.conn().sendVolatile(m)
	}
	return p.conn().send(m) == nil
}

// wait takes a message for a client that has not been told yet that it is connected, or whose messages do not go straight to
// the outbox.
func (p *peer) wait(o outgoing) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status() {
	case connected:
		return p.takeLocked(o)
	case asked, left:
		return lost
	}
	if p.stay.arriving() {
		return p.stay.keepLocked(p, o)
	}
	if len(p.early) >= maxEarly {
		return lost
	}
	p.early = append(p.early, o)
	return sent
}

// passLocked queues a message for a client that is connected.
func (p *peer) passLocked(o outgoing) fate {
	if p.stay != nil {
		return p.stay.passLocked(p, o)
	}
	if p.send(o.message, o.volatile) {
		return sent
	}
	return lost
}

// maxEarly bounds what waits for one client's CONNECT packet.
const maxEarly = 256

// Emit implements [app.Peer].
func (p *peer) Emit(event string, args ...any) error {
	raw, attachments, err := MarshalArgs(args)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	msg := &hub.Message{Namespace: p.name, Event: event, Args: raw, Attachments: attachments}
	p.tellSent(msg)
	if p.stay != nil {
		return p.stay.emit(p, msg)
	}
	m := encodeMessage(msg)
	if p.status() == connected {
		return p.conn().reply(m)
	}
	if p.wait(outgoing{message: m}) == lost {
		return errClosed
	}
	return nil
}

// Ask implements [app.Asker].
func (p *peer) Ask(id uint64, msg *hub.Message) bool {
	encoded := EncodeEvent(msg, strconv.FormatUint(id, 10))
	return encoded != nil && p.deliver(encoded, "", false)
}

// Trust implements [app.Asker].
func (p *peer) Trust() { p.conn().trusted = true }

// Answer implements [app.Answerer]: it sends an ACK packet.
func (p *peer) Answer(id string, args ...any) { p.answer(p.conn(), id, args) }

func (p *peer) answer(c *conn, id string, args []any) {
	if p.status() == left {
		return
	}
	m, err := EncodeAck(p.name, id, args)
	if err != nil {
		c.server.log.Error("an answer cannot be written", "namespace", p.name, "sid", p.ID(), "error", err)
		return
	}
	_ = c.reply(m) // an ended connection is told through Closed
}
