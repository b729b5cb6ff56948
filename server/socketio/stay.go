package socketio

import (
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/wire"
)

// This file is how a [peer] comes and goes: beside the library, which connects and forgets its sockets on goroutines of
// its own.

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
	p.dropHoldLocked()
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
func (p *peer) finish(session app.Session, reason string) {
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
	ns := p.ns
	p.mu.Unlock()
	if ns != nil {
		ns.remove(p)
	}
}

// Disconnect implements [app.Peer].
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
