package cluster

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// answerTimeout is how long other nodes have for an answer.
	answerTimeout = time.Second
	// hurriedTimeout is the same while a node is silent: as long as nobody knows that it is dead, nothing else is to
	// wait for it each time.
	hurriedTimeout = 100 * time.Millisecond
)

// questions are what this node has asked others and waits for, by the ids of the questions.
type questions[ID comparable, Answer any] struct {
	mu sync.Mutex
	// mu guards the following.
	open map[ID]*question[Answer]
}

// question waits for answers of other nodes.
type question[Answer any] struct {
	// answered is called for each answer, with questions.mu held, on the goroutine that receives, which it must not
	// keep. It reports whether the answer counts.
	answered func(Answer) bool
	done     func(complete bool) // called once, without it, when all is there or nothing more comes

	// questions.mu guards the following.
	want    int // answers that come; -1: that is not known yet
	got     int
	lacking bool        // the answers are not all there would have to be
	timer   *time.Timer // nil: whoever has asked ends it
}

// add opens a question. [questions.expect] says how many answers come. timeout 0: it ends by [questions.fail] at the latest.
func (qs *questions[ID, Answer]) add(id ID, timeout time.Duration, answered func(Answer) bool, done func(complete bool)) {
	q := &question[Answer]{answered: answered, done: done, want: -1}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.open[id] = q
	if timeout > 0 {
		q.timer = time.AfterFunc(timeout, func() { qs.fail(id) })
	}
}

// counts are the questions that signalbox nodes answer, and the messages that they count, each node once.
type counts struct {
	questions[uint64, []byte]
	last atomic.Uint64
}

// ask opens a question.
func (c *counts) ask(timeout time.Duration, answered func(body []byte), done func(complete bool)) (id uint64) {
	id = c.last.Add(1)
	c.add(id, timeout, func(body []byte) bool { answered(body); return true }, done)
	return id
}

// expect says how many answers come, and whether these are all there are.
func (qs *questions[ID, Answer]) expect(id ID, want int, all bool) {
	qs.settle(id, func(q *question[Answer]) { q.want, q.lacking = want, q.lacking || !all })
}

// answer takes a node's answer.
func (qs *questions[ID, Answer]) answer(id ID, answer Answer) {
	qs.settle(id, func(q *question[Answer]) {
		if q.answered(answer) {
			q.got++
		}
	})
}

// refuse is called for an answer that says nothing. complete: there is nothing to be said either.
func (qs *questions[ID, Answer]) refuse(id ID, complete bool) {
	qs.settle(id, func(q *question[Answer]) { q.got++; q.lacking = q.lacking || !complete })
}

// fail ends a question with what there is.
func (qs *questions[ID, Answer]) fail(id ID) {
	qs.settle(id, func(q *question[Answer]) { q.want, q.lacking = 0, true })
}

// settle changes a question, and ends it where no more answers come.
func (qs *questions[ID, Answer]) settle(id ID, change func(*question[Answer])) {
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
	if q.timer != nil {
		q.timer.Stop()
	}
	q.done(complete)
}

// none reports whether nothing is asked.
func (qs *questions[ID, Answer]) none() bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return len(qs.open) == 0
}

// abandon ends all questions: Redis has gone.
func (qs *questions[ID, Answer]) abandon() {
	qs.mu.Lock()
	ids := slices.Collect(maps.Keys(qs.open))
	qs.mu.Unlock()
	for _, id := range ids {
		qs.fail(id)
	}
}
