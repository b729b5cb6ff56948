package socketio

import (
	"errors"

	"signalbox/server/app"
	"signalbox/server/engine"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// This file is how a [peer] comes and goes.

// attach makes the client known to its handler before it is told that it is connected. It runs on the goroutine that
// reads, so no event can overtake it.
func (p *peer) attach(h app.Handler, payload []byte) {
	if !p.step(asked, attached) {
		return
	}
	p.enter(hub.SocketRoom(p.name, p.ID()))
	if p.gone == nil { // else it may take long, and who is told something meanwhile may be refused
		p.enter(hub.EverybodyRoom(p.name))
	}
	session, err := p.greet(h, payload)
	if err != nil {
		p.refuse(err)
		return
	}
	if p.gone != nil {
		p.enter(hub.EverybodyRoom(p.name))
	}
	if p.keep(session) {
		p.open()
	}
}

// keep has session hear of the client from now on. It reports false, and the session has heard of the end, where the
// client ended while the handler looked at it.
func (p *peer) keep(session app.Session) bool {
	p.mu.Lock()
	p.session = session
	missed, reason := p.told, p.ending
	p.mu.Unlock()
	if missed {
		p.finish(session, reason)
	}
	return !missed
}

// greet calls the handler.
func (p *peer) greet(h app.Handler, payload []byte) (session app.Session, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
			session, err = nil, errPanic
		}
	}()
	hs := p.conn().handshake(payload)
	hs.Gone = p.gone
	return h.Connect(p, hs)
}

// handshake returns what the client said when it came, with the payload of its CONNECT.
func (c *conn) handshake(payload []byte) app.Handshake {
	request := c.session.Request()
	return app.Handshake{
		Auth:       authObject(payload),
		Query:      func(name string) string { return request.Query().Get(name) },
		Queries:    func() map[string][]string { return request.Query() },
		Header:     request.Header.Get,
		RemoteAddr: c.session.RemoteAddr(),
		Time:       request.Time,
	}
}

// attachToLibrary asks the library to let the client in. Its answer is Accept or Refuse, at once or later.
func (p *peer) attachToLibrary(payload []byte) (err error) {
	session, err := p.greet(p.server().libraryDoor, payload)
	if err != nil {
		p.refuse(err)
		return nil
	}
	if !p.keep(session) {
		return nil
	}
	p.enter(hub.SocketRoom(p.name, p.ID())) // a middleware may join rooms
	return p.library.Connect(payload)
}

func (p *peer) enter(rooms ...hub.Room) { p.server().hub.Enter(p.member, rooms...) }

// step moves from one status to the next, and reports false where the client was not there.
func (p *peer) step(from, to status) bool { return p.state.CompareAndSwap(uint32(from), uint32(to)) }

// Accept implements [Client].
func (p *peer) Accept() {
	if p.step(asked, attached) {
		p.enter(hub.EverybodyRoom(p.name))
		p.open()
	} else if p.stay != nil {
		p.stay.readmit(p)
	}
}

// Refuse implements [Client].
func (p *peer) Refuse(message string, data any) {
	p.refuse(&app.ConnectError{Message: message, Data: data})
}

// refuse turns the client away. It may ask again as soon as it knows, so it is out before.
func (p *peer) refuse(err error) {
	p.detach("refused")
	c := p.conn()
	c.remove(p)
	if errors.Is(err, app.ErrUnavailable) {
		c.end()
		return
	}
	message, data := err.Error(), any(nil)
	if refusal := (*app.ConnectError)(nil); errors.As(err, &refusal) {
		message, data = refusal.Message, refusal.Data
	}
	_ = p.conn().sendConnectError(p.name, message, data) // an ended connection is told through Closed
}

// open lets the client in, and shows it to who watches.
func (p *peer) open() {
	p.tellConnected()
	p.server().hub.Show(p.member)
}

// tellConnected queues the CONNECT packet and behind it what was sent to the client before.
func (p *peer) tellConnected() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.step(attached, opening) {
		return
	}
	c := p.conn()
	c.inNamespace()
	_ = c.send(p.connectPacket()) // an ended connection is told through Closed
	for _, m := range p.early {
		m.volatile = false
		p.passLocked(m)
	}
	p.early = nil
	if p.stay != nil {
		p.state.Store(uint32(connected) | detour) // what it is given is logged on the way
	} else {
		p.step(opening, connected)
	}
}

// detach ends the client's stay. The handler is told once, after the event it has at hand; then the member leaves its
// rooms. Calling it again does nothing.
func (p *peer) detach(reason string) {
	p.leave(reason)
	p.Conclude()
}

// leave is the first half of detach: nothing reaches the client any more. It reports whether the client was still
// there.
func (p *peer) leave(reason string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() == left {
		return false
	}
	p.state.Store(uint32(left))
	p.early = nil
	p.dropDeferredLocked()
	p.stay.end()
	p.ending = reason
	if p.gone != nil {
		close(p.gone)
	}
	return true
}

// Conclude is the second half of detach, and implements [Client].
func (p *peer) Conclude() {
	p.mu.Lock()
	if p.told || p.handling || p.status() != left { // handle calls it again when the handler has returned
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
func (p *peer) finish(session app.Session, reason string) {
	defer p.release()
	defer func() {
		if r := recover(); r != nil {
			p.panicked(r)
		}
	}()
	session.Close(reason)
}

// release takes the client out of its rooms.
func (p *peer) release() {
	if n := p.server().namespace(p.name); n != nil {
		n.questions.leave(p)
	}
	p.server().hub.Remove(p.member)
	p.depart()
	if c := p.conn(); c.isAlone() {
		c.awaitNamespace()
	}
}

// Disconnect implements [app.Peer].
func (p *peer) Disconnect(closeConnection bool) {
	if closeConnection {
		p.conn().disconnectAll()
		return
	}
	p.Leave()
	p.Conclude()
}

// Cut ends the client's stay and its connection without a word, for [app.Cut].
func (p *peer) Cut() {
	c := p.conn()
	p.detach("forced server close")
	c.end()
}

// Leave implements [Client].
func (p *peer) Leave() {
	if p.leave("server namespace disconnect") {
		_ = p.conn().send(disconnectPacket(p.name)) // an ended connection is told through Closed
	}
}

// Queue implements [Client].
func (p *peer) Queue(m *wire.Message, volatile bool) bool { return p.deliver(m, "", volatile) }

// Fail implements [Client].
func (p *peer) Fail(err error) {
	_ = p.conn().refuse(err)
	p.conn().end()
}

// Connection implements [Client].
func (p *peer) Connection() *engine.Session { return p.conn().session }

// LibrarySession implements [Client].
func (p *peer) LibrarySession() LibrarySession { return p.library }
