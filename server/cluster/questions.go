package cluster

import (
	"sync"
	"time"
)

const (
	// answerTimeout is how long other nodes have for an answer.
	answerTimeout = time.Second
	// hurriedTimeout is the same while a node is silent: as long as nobody knows that it is dead, nothing else is to
	// wait for it each time.
	hurriedTimeout = 100 * time.Millisecond
)

// questions are what this node has asked others, or sent them to be counted, and the answers to it.
type questions struct {
	mu sync.Mutex
	// mu guards the following.
	last uint64
	open map[uint64]*question
}

// question waits for one answer of each node that it reaches, this one among them.
type question struct {
	answered func(body []byte)   // called for each answer, with questions.mu held
	done     func(complete bool) // called once, without it, when all is there or time is over

	// questions.mu guards the following.
	want    int // answers that come; -1: that is not known yet
	got     int
	lacking bool // the answers are not all there would have to be
	timer   *time.Timer
}

// ask makes a question. [questions.expect] says how many answers come.
func (qs *questions) ask(timeout time.Duration, answered func(body []byte), done func(complete bool)) (id uint64) {
	q := &question{answered: answered, done: done, want: -1}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.last++
	id = qs.last
	qs.open[id] = q
	q.timer = time.AfterFunc(timeout, func() { qs.fail(id) })
	return id
}

// expect says how many answers come, and whether these are all there are.
func (qs *questions) expect(id uint64, want int, all bool) {
	qs.settle(id, func(q *question) { q.want, q.lacking = want, q.lacking || !all })
}

// answer takes a node's answer.
func (qs *questions) answer(id uint64, body []byte) {
	qs.settle(id, func(q *question) { q.got++; q.answered(body) })
}

// refuse is called for an answer that says nothing. complete: there is nothing to be said either.
func (qs *questions) refuse(id uint64, complete bool) {
	qs.settle(id, func(q *question) { q.got++; q.lacking = q.lacking || !complete })
}

// fail ends a question with what there is.
func (qs *questions) fail(id uint64) {
	qs.settle(id, func(q *question) { q.want, q.lacking = 0, true })
}

// settle changes a question, and ends it where no more answers come.
func (qs *questions) settle(id uint64, change func(*question)) {
	qs.mu.Lock()
	q := qs.open[id]
	if q == nil {
		qs.mu.Unlock()
		return
	}
	change(q)
	if q.want < 0 || q.got < q.want {
		qs.mu.Unlock()
		return
	}
	delete(qs.open, id)
	complete := !q.lacking
	qs.mu.Unlock()
	q.timer.Stop()
	q.done(complete)
}

// none reports whether nothing is asked.
func (qs *questions) none() bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return len(qs.open) == 0
}

// abandon ends all questions: Redis has gone.
func (qs *questions) abandon() {
	qs.mu.Lock()
	ids := make([]uint64, 0, len(qs.open))
	for id := range qs.open {
		ids = append(ids, id)
	}
	qs.mu.Unlock()
	for _, id := range ids {
		qs.fail(id)
	}
}
