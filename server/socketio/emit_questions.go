package socketio

import (
	"encoding/json"
	"sync"
)

// questions are the events of one namespace whose answers are being collected, by their ack id. The zero value is
// ready.
type questions struct {
	mu sync.RWMutex
	// mu guards the following.
	open map[uint64]*question
}

// question is one event that several clients were asked to answer.
type question struct {
	done chan struct{} // closed when nobody is waited for

	mu sync.Mutex
	// mu guards the following. It is held while the question is sent, so no answer comes before that is over, and while
	// answer is called, so answers come one at a time.
	waiting map[*peer]struct{}
	answer  AnswerFunc // nil once the question is closed
}

// ask opens a question to peers. They are all waited for before the first of them can answer.
func (qs *questions) ask(id uint64, peers []*peer, answer AnswerFunc) *question {
	q := &question{done: make(chan struct{}), waiting: make(map[*peer]struct{}, len(peers)), answer: answer}
	for _, p := range peers {
		q.waiting[p] = struct{}{}
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.open == nil {
		qs.open = make(map[uint64]*question)
	}
	qs.open[id] = q
	return q
}

// send asks everybody through deliver, which reports whether a client will be asked, and tells asked how many will.
func (q *question) send(deliver func(*peer) bool, asked func(clients int)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	clients := 0
	for p := range q.waiting {
		if deliver(p) {
			clients++
		} else {
			q.forgetLocked(p)
		}
	}
	asked(clients)
}

// close ends a question: no answer is taken any more when it has returned.
func (qs *questions) close(id uint64) {
	qs.mu.Lock()
	q := qs.open[id]
	delete(qs.open, id)
	qs.mu.Unlock()
	if q != nil {
		q.mu.Lock()
		q.answer = nil
		q.mu.Unlock()
	}
}

// take gives an answer to the question with an id and reports whether there is one. A client that was not asked, or
// that has answered before, is not heard.
func (qs *questions) take(id uint64, p *peer, args []json.RawMessage, attachments [][]byte) bool {
	qs.mu.RLock()
	q := qs.open[id]
	qs.mu.RUnlock()
	if q == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.waiting[p]; ok && q.answer != nil {
		q.answer(p.ID(), args, attachments)
		q.forgetLocked(p)
	}
	return true
}

// leave tells every question that a client has gone and will not answer.
func (qs *questions) leave(p *peer) {
	qs.mu.RLock()
	defer qs.mu.RUnlock()
	for _, q := range qs.open {
		q.leave(p)
	}
}

func (q *question) leave(p *peer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.waiting[p]; ok {
		q.forgetLocked(p)
	}
}

func (q *question) forgetLocked(p *peer) {
	delete(q.waiting, p)
	if len(q.waiting) == 0 {
		close(q.done)
	}
}
