package socketio

import (
	"slices"
	"time"

	"signalbox/server/app"
	netconn "signalbox/server/conn"
)

// This file is how a [peer]'s deliveries wait: what the hub delivers waits while the handler reads what came before it.

const (
	// deferredBytes is what a message that waits counts for beside its own bytes, so that many small ones are bounded as
	// well.
	deferredBytes = 64
	// maxLate bounds the releases of one client that are remembered for [app.DeferGrace]: each has the ids of a history.
	maxLate = 8
)

// detour is set in a peer's state while messages do not go straight to the outbox. It is a bit of the word that is read
// for each message anyway, so who holds nothing back pays nothing for it.
const detour = 1 << 31

// deferral is what waits for one client. [peer.mu] guards it.
type deferral struct {
	depth    int // calls of DeferDelivery without a ResumeDelivery
	messages []outgoing
	bytes    int
	full     bool // there was more than is kept, and the client is being disconnected
	late     []lateSkip
	timer    *time.Timer // ends the first of late
}

// lateSkip knows the messages that a client has got in a history, and may be about to get again.
type lateSkip struct {
	skip  func(id string) bool
	until time.Time
}

// DeferDelivery implements [app.Peer]. What is kept back counts against the limit of the outbox: a client over it is
// disconnected, as one that reads too slowly. Volatile messages are kept back like others. Before the client is
// connected and after it has left it does nothing.
func (p *peer) DeferDelivery() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status() != connected {
		return
	}
	if p.deferred == nil {
		p.deferred = new(deferral)
		p.state.Or(detour)
	}
	p.deferred.depth++
}

// ResumeDelivery implements [app.Peer]. A lock is held while skip is called.
func (p *peer) ResumeDelivery(skip func(id string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.deferred
	if d == nil || d.depth == 0 {
		return
	}
	if skip != nil {
		p.skipLocked(skip)
	}
	if d.depth--; d.depth > 0 {
		return
	}
	for _, m := range d.messages {
		m.volatile = false
		p.passLocked(m) // an ended connection is told through Closed
	}
	d.messages, d.bytes = nil, 0
	p.straightenLocked()
}

// skipLocked drops what skip knows, now and for a while.
func (p *peer) skipLocked(skip func(id string) bool) {
	d := p.deferred
	d.messages = slices.DeleteFunc(d.messages, func(m outgoing) bool {
		known := m.id != "" && skip(m.id)
		if known {
			d.bytes -= m.message.Size() + deferredBytes
		}
		return known
	})
	if len(d.late) == maxLate {
		d.late = slices.Delete(d.late, 0, 1)
	}
	d.late = append(d.late, lateSkip{skip, time.Now().Add(app.DeferGrace)})
	if d.timer == nil {
		d.timer = time.AfterFunc(app.DeferGrace, p.forgetLate)
	}
}

// forgetLate drops what need not be remembered any longer.
func (p *peer) forgetLate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, now := p.deferred, time.Now()
	if d == nil {
		return // the client has left
	}
	d.late = slices.DeleteFunc(d.late, func(l lateSkip) bool { return !now.Before(l.until) })
	if len(d.late) > 0 {
		d.timer.Reset(d.late[0].until.Sub(now))
		return
	}
	d.late, d.timer = nil, nil
	p.straightenLocked()
}

// straightenLocked lets messages go straight to the outbox again, where nothing speaks against it.
func (p *peer) straightenLocked() {
	if p.deferred.depth == 0 && len(p.deferred.late) == 0 {
		p.deferred = nil
		if p.stay == nil {
			p.state.And(^uint32(detour))
		}
	}
}

// dropDeferredLocked forgets everything, for a client that has left.
func (p *peer) dropDeferredLocked() {
	if p.deferred != nil && p.deferred.timer != nil {
		p.deferred.timer.Stop()
	}
	p.deferred = nil
}

// takeLocked takes a message on the detour, for a client that is connected.
func (p *peer) takeLocked(o outgoing) fate {
	d := p.deferred
	switch {
	case d == nil: // the detour has just ended, or leads nowhere
		return p.passLocked(o)
	case o.id != "" && slices.ContainsFunc(d.late, func(l lateSkip) bool { return l.skip(o.id) }):
		return sent // it has it
	case d.depth == 0:
		return p.passLocked(o)
	case d.full:
		return lost
	}
	size := o.message.Size() + deferredBytes
	if d.bytes > 0 && d.bytes+size > p.server().conns.OutboxBytes() {
		d.messages, d.bytes, d.full = nil, 0, true
		p.conn().session.Close(netconn.ReasonSlowClient)
		return lost
	}
	d.messages = append(d.messages, o)
	d.bytes += size
	return sent
}
