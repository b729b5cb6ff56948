package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	eio "github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

var errPanic = errors.New("a handler panicked")

// status is how far a client is with one namespace. It only grows.
type status uint32

const (
	asked     status = iota // CONNECT has come, the middleware runs
	attached                // the handler has it; what is sent to it waits for the CONNECT packet
	opening                 // the CONNECT packet is being queued: from here on the client may send
	connected               // messages go straight to the outbox
	left
)

// peer is one client in one namespace: a [hub.Peer] for its handler and a [hub.Sink] for the hub.
type peer struct {
	// Static after construction.
	conn *conn
	name string // of the namespace

	state atomic.Uint32

	mu sync.Mutex
	// mu guards the following.
	auth     json.RawMessage // until it is attached
	ns       *namespace
	sock     *sio.Socket
	member   *hub.Member
	session  hub.Session
	early    []*wire.Message // sent before CONNECT, in order
	handling bool            // an event is with the handler
	ending   string          // why it left
	told     bool            // the handler knows that it left, or is about to
	opened   bool            // the CONNECT packet was queued
	settled  bool            // the library has entered the socket in all its lists
	settling chan struct{}   // closed when it has; nil while nobody waits
	unwanted bool            // it is to be disconnected as soon as it has settled
}

var (
	_ hub.Peer     = (*peer)(nil)
	_ hub.Sink     = (*peer)(nil)
	_ hub.Answerer = (*peer)(nil)
)

func (p *peer) status() status { return status(p.state.Load()) }

func (p *peer) ID() string          { return string(p.sock.Id()) }
func (p *peer) Namespace() string   { return p.name }
func (p *peer) Member() *hub.Member { return p.member }
func (p *peer) Closed() bool        { return p.status() == left }

func (p *peer) socket() *sio.Socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sock
}

// attach makes the client known to its namespace and its handler, before it is told that it is connected. It runs on the
// goroutine that reads, so no event can overtake it.
func (p *peer) attach(ns *namespace, sock *sio.Socket) error {
	p.mu.Lock()
	if p.status() != asked {
		p.mu.Unlock()
		return errClosed
	}
	p.ns, p.sock = ns, sock
	p.member = hub.NewMember(string(sock.Id()), p)
	auth := p.auth
	p.auth = nil
	p.state.Store(uint32(attached))
	p.mu.Unlock()

	ns.add(p)
	session, err := ns.connect(p, auth)
	if err != nil {
		p.detach("refused")
		return err
	}
	p.mu.Lock()
	p.session = session
	missed, reason := p.told, p.ending // the connection ended while the handler looked at it
	p.mu.Unlock()
	if missed {
		p.finish(session, reason)
	}
	return nil
}

// open queues the CONNECT packet and behind it what was sent to the client before.
func (p *peer) open(connect *wire.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() == left {
		return
	}
	p.state.Store(uint32(opening))
	p.opened = true
	_ = p.conn.session.Send(connect) // an ended connection is told through Closed
	for _, m := range p.early {
		_ = p.conn.session.Send(m)
	}
	p.early = nil
	p.state.Store(uint32(connected))
}

// detach ends the client's stay. The handler is told once, after the event it has at hand; then the member leaves its
// rooms. Calling it again does nothing.
func (p *peer) detach(reason string) {
	p.leave(reason)
	p.conclude()
}

// leave is the first half of detach, for where a lock is held that a handler must not meet: nothing reaches the client
// any more. It reports whether the client was still there.
func (p *peer) leave(reason string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() == left {
		return false
	}
	p.state.Store(uint32(left))
	p.early = nil
	p.ending = reason
	return true
}

// conclude is the second half.
func (p *peer) conclude() {
	p.mu.Lock()
	if p.told || p.handling { // handle calls it again when the handler has returned
		p.mu.Unlock()
		return
	}
	p.told = true
	session, reason := p.session, p.ending
	p.mu.Unlock()
	if session != nil {
		p.finish(session, reason)
	} else {
		p.release()
	}
}

// finish tells the handler that the client has left. A panic there is the handler's, and ends nothing but this call.
func (p *peer) finish(session hub.Session, reason string) {
	defer p.release()
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
		}
	}()
	session.Close(reason)
}

// release takes the client out of the namespace and the hub.
func (p *peer) release() {
	p.mu.Lock()
	ns, member := p.ns, p.member
	p.mu.Unlock()
	if ns != nil {
		ns.remove(p)
		ns.server.hub.Remove(member)
	}
}

// handle gives one event to the handler. Its error ends the connection.
func (p *peer) handle(e *hub.Event) (err error) {
	p.mu.Lock()
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

	p.conn.server.counters.eventsIn.Add(1)
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			err = errPanic
		}
		p.conn.server.latency.observe(time.Since(start))
		p.mu.Lock()
		p.handling = false
		ended := p.status() == left
		p.mu.Unlock()
		if ended {
			p.conclude()
		}
	}()
	session.Event(e)
	return nil
}

func (p *peer) panicked(r any) {
	p.conn.server.counters.panics.Add(1)
	p.conn.server.log.Error("a handler panicked; its client is disconnected",
		"namespace", p.name, "sid", p.ID(), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// Deliver queues a hub message.
func (p *peer) Deliver(m *hub.Message) bool {
	if m.Namespace != p.name {
		return false
	}
	encoded := m.Encoded(hub.FormSocketIO, encodeMessage)
	return encoded != nil && p.deliver(encoded, m.Volatile)
}

func (p *peer) deliver(m *wire.Message, volatile bool) bool {
	switch {
	case p.status() != connected:
		return p.hold(m)
	case volatile:
		return p.conn.session.SendVolatile(m)
	default:
		return p.conn.session.Send(m) == nil
	}
}

// hold keeps a message for a client that has not been told yet that it is connected.
func (p *peer) hold(m *wire.Message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.status() {
	case connected: // it just was
		return p.conn.session.Send(m) == nil
	case left:
		return false
	}
	if len(p.early) >= maxEarly {
		return false
	}
	p.early = append(p.early, m)
	return true
}

// maxEarly bounds what waits for one client's CONNECT packet.
const maxEarly = 256

// Emit implements [hub.Peer].
func (p *peer) Emit(event string, args ...any) error {
	raw, attachments, err := marshalArgs(args)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event, err)
	}
	m := encodeMessage(&hub.Message{Namespace: p.name, Event: event, Args: raw, Attachments: attachments})
	if p.status() == connected {
		return p.conn.session.Reply(m)
	}
	if !p.hold(m) {
		return errClosed
	}
	return nil
}

// Answer implements [hub.Answerer]: it sends an ACK packet.
func (p *peer) Answer(id string, args ...any) {
	if p.status() == left {
		return
	}
	m, err := encodeAck(p.name, id, args)
	if err != nil {
		p.conn.server.log.Error("an answer cannot be written", "namespace", p.name, "sid", p.ID(), "error", err)
		return
	}
	_ = p.conn.session.Reply(m) // an ended connection is told through Closed
}

// Disconnect implements [hub.Peer].
func (p *peer) Disconnect(closeConnection bool) {
	if closeConnection {
		p.conn.disconnectAll()
		return
	}
	p.mu.Lock()
	sock, settled := p.sock, p.settled
	p.unwanted = true
	p.mu.Unlock()
	if settled {
		sock.Disconnect(false)
		return
	}
	if p.leave("server namespace disconnect") {
		_ = p.conn.session.Send(disconnectPacket(p.name)) // an ended connection is told through Closed
	}
	p.conclude()
}

// settle runs when the library has connected the socket and entered it in its lists. It does so in several steps on a
// goroutine of its own, behind the CONNECT packet: who comes in between has to wait until here.
func (p *peer) settle() {
	for told := false; ; told = true {
		p.mu.Lock()
		// A connection that ended at this very moment would leave a ghost behind.
		if told || !p.unwanted && !p.conn.closed.Load() {
			p.settled = true
			if p.settling != nil {
				close(p.settling)
			}
			p.mu.Unlock()
			return
		}
		sock := p.sock
		p.mu.Unlock()
		sock.Disconnect(false)
	}
}

// wasOpened reports whether the client was told that it is connected.
func (p *peer) wasOpened() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// awaitSettled waits until the library is through with connecting the socket. It is called by the goroutine that reads,
// never by the library's.
func (p *peer) awaitSettled() {
	p.mu.Lock()
	if p.settled || p.sock == nil {
		p.mu.Unlock()
		return
	}
	if p.settling == nil {
		p.settling = make(chan struct{})
	}
	settling := p.settling
	p.mu.Unlock()
	<-settling
}

// awaitGone waits until the library has forgotten a socket that was disconnected, by whomever: a CONNECT must find the
// namespace free. The library works on it on goroutines that nobody can wait for, for microseconds; it is given a second.
func (p *peer) awaitGone() {
	sock := p.socket()
	if sock == nil {
		return
	}
	for deadline := time.Now().Add(time.Second); sock.Connected() && time.Now().Before(deadline); {
		time.Sleep(20 * time.Microsecond)
	}
}

// acknowledge calls what the program passed to Emit or BroadcastWithAck, on the goroutine that reads. An id nobody waits
// for is ignored, as in the reference.
func (p *peer) acknowledge(pk *packet, attachments [][]byte) (err error) {
	sock := p.socket()
	id, parseErr := strconv.ParseUint(string(pk.id), 10, 64)
	if sock == nil || parseErr != nil {
		return nil
	}
	if p.ns.questions.take(id, p, pk.args, attachments) {
		return nil
	}
	callback, ok := sock.Acks().LoadAndDelete(id)
	if !ok {
		return nil
	}
	args, err := decodeArgs(pk.args, attachments, newBinary)
	if err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			err = errPanic
		}
	}()
	callback(args, nil)
	return nil
}

// newBinary is what the library's listeners get for a binary attachment.
func newBinary(data []byte) any { return eio.NewBytesBuffer(data) }

// connectError encodes a refusal that the library has no part in.
func connectError(namespace, message string) *wire.Message {
	w := wire.NewBuilder(64)
	w.Buf = appendHead(w.Buf, typeConnectError, 0, namespace, "")
	w.Buf = append(w.Buf, `{"message":`...)
	w.Buf = appendString(w.Buf, message)
	w.Buf = append(w.Buf, '}')
	return w.Message()
}

func disconnectPacket(namespace string) *wire.Message {
	w := wire.NewBuilder(32)
	w.Buf = appendHead(w.Buf, typeDisconnect, 0, namespace, "")
	return w.Message()
}

// librarySession serves a namespace without a handler of ours: events go to the listeners that the program registered on
// the library's Socket, in order and on the goroutine that reads.
type librarySession struct {
	p     *peer
	once  sync.Once
	heard chan struct{} // closed when the program's "connection" listeners have returned
}

// listenersWait is how long an event waits for a "connection" listener that does not return. It may itself wait for what
// the client sends.
const listenersWait = time.Second

// ready lets events through.
func (s *librarySession) ready() { s.once.Do(func() { close(s.heard) }) }

// await waits for ready: the library sends CONNECT before the program hears of the socket and registers its listeners.
func (s *librarySession) await() {
	select {
	case <-s.heard:
		return
	default:
	}
	timer := time.NewTimer(listenersWait)
	defer timer.Stop()
	select {
	case <-s.heard:
	case <-timer.C:
		s.ready()
	}
}

func (s *librarySession) Event(e *hub.Event) {
	s.await()
	sock := s.p.socket()
	args, err := decodeArgs(e.Args, e.Attachments, newBinary)
	if err != nil {
		s.p.conn.server.counters.badPackets.Add(1)
		s.p.conn.session.Close(engine.ReasonParseError) // a number that Go cannot hold, for one
		return
	}
	all := append([]any{e.Name}, args...)
	if e.Ack.Wanted() {
		answer := e.Ack
		var once sync.Once
		all = append(all, func(args []any, _ error) { once.Do(func() { answer.Send(args...) }) })
	}
	for _, listener := range sock.ListenersAny() {
		listener(all...)
	}
	if sock.Connected() {
		sock.EmitUntyped(e.Name, all[1:]...)
	}
}

func (*librarySession) Close(string) {}

// authObject returns the payload of a CONNECT packet, {} without one.
func authObject(payload []byte) json.RawMessage {
	if len(bytes.TrimSpace(payload)) == 0 {
		return json.RawMessage("{}")
	}
	return payload
}
