package socketio

import (
	"slices"
	"time"

	"signalbox/server/app"
	"signalbox/server/engine"
	"signalbox/server/wire"
)

// This file is how a [peer]'s deliveries wait: what the hub delivers waits while the handler reads what came before it.

const (
	// heldBytes is what a message that is held back counts for beside its own bytes, so that many small ones are bounded
	// as well.
	heldBytes = 64
	// maxLate bounds the releases of one client that are remembered for [app.HoldGrace]: each has the ids of a history.
	maxLate = 8
)

// detour is set in a peer's state while messages do not go straight to the outbox. It is a bit of the word that is read
// for each message anyway, so who holds nothing back pays nothing for it.
const detour = 1 << 31

// hold is what a peer keeps back. [peer.mu] guards it.
type hold struct {
	depth    int // calls of Hold without a Release
	messages []heldMessage
	bytes    int
	full     bool // there was more than is kept, and the client is being disconnected
	late     []lateHold
	timer    *time.Timer // ends the first of late
}

type heldMessage struct {
	message *wire.Message
	id      string // of the hub's message, "" without one
}

// lateHold knows the messages that a client has got in a history, and may be about to get again.
type lateHold struct {
	skip  func(id string) bool
	until time.Time
}

// Hold implements [app.Peer]. What is kept back counts against the limit of the outbox: a client over it is
// disconnected, as one that reads too slowly. Volatile messages are kept back like others. Before the client is connected
// and after it has left it does nothing.
func (p *peer) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() == connected {
		p.held.depth++
		p.state.Or(detour)
	}
}

// Release implements [app.Peer]. A lock is held while skip is called.
func (p *peer) Release(skip func(id string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held.depth == 0 {
		return
	}
	if skip != nil {
		p.skipLocked(skip)
	}
	if p.held.depth--; p.held.depth > 0 {
		return
	}
	for _, m := range p.held.messages {
		_ = p.conn.session.Send(m.message) // an ended connection is told through Closed
	}
	p.held.messages, p.held.bytes = nil, 0
	p.straightenLocked()
}

// skipLocked drops what skip knows, now and for a while.
func (p *peer) skipLocked(skip func(id string) bool) {
	h := &p.held
	h.messages = slices.DeleteFunc(h.messages, func(m heldMessage) bool {
		known := m.id != "" && skip(m.id)
		if known {
			h.bytes -= m.message.Size() + heldBytes
		}
		return known
	})
	if len(h.late) == maxLate {
		h.late = slices.Delete(h.late, 0, 1)
	}
	h.late = append(h.late, lateHold{skip, time.Now().Add(app.HoldGrace)})
	if h.timer == nil {
		h.timer = time.AfterFunc(app.HoldGrace, p.forgetLate)
	}
}

// forgetLate drops what need not be remembered any longer.
func (p *peer) forgetLate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, now := &p.held, time.Now()
	h.late = slices.DeleteFunc(h.late, func(l lateHold) bool { return !now.Before(l.until) })
	if len(h.late) > 0 {
		h.timer.Reset(h.late[0].until.Sub(now))
		return
	}
	h.late, h.timer = nil, nil
	p.straightenLocked()
}

// straightenLocked lets messages go straight to the outbox again, where nothing speaks against it.
func (p *peer) straightenLocked() {
	if p.held.depth == 0 && len(p.held.late) == 0 {
		p.state.And(^uint32(detour))
	}
}

// dropHoldLocked forgets everything, for a client that has left.
func (p *peer) dropHoldLocked() {
	if p.held.timer != nil {
		p.held.timer.Stop()
	}
	p.held = hold{}
}

// takeLocked takes a message on the detour, for a client that is connected, and reports whether the client gets it.
func (p *peer) takeLocked(m *wire.Message, id string, volatile bool) bool {
	h := &p.held
	switch {
	case id != "" && slices.ContainsFunc(h.late, func(l lateHold) bool { return l.skip(id) }):
		return true // it has it
	case h.depth == 0:
		return p.send(m, volatile)
	case h.full:
		return false
	}
	size := m.Size() + heldBytes
	if h.bytes > 0 && h.bytes+size > p.conn.server.outboxBytes {
		h.messages, h.bytes, h.full = nil, 0, true
		p.conn.session.Close(engine.ReasonSlowClient)
		return false
	}
	h.messages = append(h.messages, heldMessage{m, id})
	h.bytes += size
	return true
}
