package broker

import (
	"encoding/json"
	"sync"

	"signalbox/server/app"
)

// answers sends one client its answers in the order of its events, although some have to wait for other nodes. The zero value
// is ready. Its methods may be called from any goroutine.
type answers struct {
	mu sync.Mutex
	// mu guards the following, and is held while answers are handed over, which does not block.
	waiting []*pendingAnswer // from the oldest event; the first one is not known yet
}

// pendingAnswer is the answer to one event.
type pendingAnswer struct {
	ack  app.Acker
	text json.RawMessage // nil: not known yet
}

// expect keeps the place of an answer that comes later.
func (a *answers) expect(ack app.Acker) *pendingAnswer {
	p := &pendingAnswer{ack: ack}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, p)
	return p
}

// settle is called once for each answer that is expected.
func (a *answers) settle(p *pendingAnswer, text json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p.text = text
	n := 0
	for n < len(a.waiting) && a.waiting[n].text != nil {
		a.waiting[n].ack.Send(a.waiting[n].text)
		a.waiting[n] = nil
		n++
	}
	if a.waiting = a.waiting[n:]; len(a.waiting) == 0 {
		a.waiting = nil
	}
}

// send sends an answer behind those that are expected. Without a callback it does nothing.
func (a *answers) send(ack app.Acker, text json.RawMessage) {
	if !ack.Wanted() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		ack.Send(text)
		return
	}
	a.waiting = append(a.waiting, &pendingAnswer{ack: ack, text: text})
}
