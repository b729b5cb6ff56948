// Package tryout shows whoever tries signalbox out what goes to the application's backend, and has them answer in its place.
// It stands before a backend's transport, in try-out mode alone.
package tryout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/app"
)

const (
	// AnswerTime is for an answer by hand.
	AnswerTime = 5 * time.Minute
	// Entries that are over are shown until there are so many newer ones, or so many bytes of them.
	maxEntries     = 200
	maxEntriesSize = 4 << 20
	// againTime is for the answer to what is sent again.
	againTime = 10 * time.Second
)

// errOver is told who answers what nobody waits for.
var errOver = errors.New("nobody waits for an answer to that any more")

// Desk lists what is on its way. Make it with [New].
type Desk struct {
	mu sync.Mutex
	// mu guards the following.
	byHand  chan struct{} // closed when the backend answers again; nil: it does
	changes uint64
	last    uint64   // number of the newest entry
	entries []*entry // in order
	size    int      // of their bodies and results
	queues  []*router.Notices
}

// New returns a desk at which nobody answers by hand yet.
func New() *Desk { return new(Desk) }

// entry is something that goes, or went, to the backend: a question or a notice.
type entry struct {
	// Static after construction.
	number   uint64
	at       time.Time
	via      router.Transport
	question *router.Question // nil: it is a notice
	notice   router.Notice

	// Desk.mu guards the following.
	answers chan json.RawMessage // holds one; nil: nobody is to answer it by hand
	change  uint64               // when it changed last, counted by Desk.changes
	over    bool
	result  json.RawMessage
	fault   string
	took    time.Duration
}

func (e *entry) body() []byte {
	if e.question != nil {
		return e.question.Body
	}
	return e.notice.Body
}

// Through has what goes over a transport pass by the desk.
func (d *Desk) Through(t router.Transport) router.Transport { return &passing{t, d} }

// ShowQueue has the desk show what waits to be told.
func (d *Desk) ShowQueue(n *router.Notices) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n != nil {
		d.queues = append(d.queues, n)
	}
}

// passing is a transport with a desk before it.
type passing struct {
	router.Transport
	desk *Desk
}

// Reaches implements [router.Reacher].
func (p *passing) Reaches(n *router.Notice) bool {
	r, ok := p.Transport.(router.Reacher)
	return !ok || r.Reaches(n)
}

// Ask implements [router.Transport].
func (p *passing) Ask(ctx context.Context, q *router.Question) (json.RawMessage, error) {
	own := *q // the caller's changes
	e := p.desk.begin(&entry{via: p.Transport, question: &own})
	if answer, err, ok := p.desk.await(ctx, e); ok {
		return answer, p.desk.end(e, answer, err)
	}
	now := own
	now.Deadline = time.Now().Add(own.Deadline.Sub(e.at))
	result, err := p.Transport.Ask(ctx, &now)
	return result, p.desk.end(e, result, err)
}

// await waits for an answer by hand, where somebody is to give one. It reports false where the backend is to do that.
func (d *Desk) await(ctx context.Context, e *entry) (answer json.RawMessage, err error, ok bool) {
	d.mu.Lock()
	byHand := d.byHand
	if byHand == nil {
		d.mu.Unlock()
		return nil, nil, false
	}
	answers := make(chan json.RawMessage, 1)
	e.answers = answers
	d.changedLocked(e)
	d.mu.Unlock()
	late := time.NewTimer(AnswerTime)
	defer late.Stop()
	select {
	case answer = <-answers:
	case <-late.C:
		err = &router.Unanswered{Reason: "nobody answered by hand", Unsent: true}
	case <-ctx.Done():
		err = &router.Unanswered{Reason: "the client has left", Unsent: true}
	case <-byHand:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e.answers = nil
	d.changedLocked(e)
	return answer, err, answer != nil || err != nil
}

// Tell implements [router.Transport].
func (p *passing) Tell(ctx context.Context, batch []router.Notice) error {
	list := make([]*entry, len(batch))
	for i := range batch {
		list[i] = p.desk.begin(&entry{via: p.Transport, notice: batch[i]})
	}
	err := p.Transport.Tell(ctx, batch)
	for _, e := range list {
		_ = p.desk.end(e, nil, err)
	}
	return err
}

// begin lists e, and returns it.
func (d *Desk) begin(e *entry) *entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	e.number, e.at = d.last, time.Now()
	d.entries = append(d.entries, e)
	d.size += len(e.body())
	d.changedLocked(e)
	return e
}

// end writes down what came of e, and returns err.
func (d *Desk) end(e *entry, result json.RawMessage, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.over, e.result, e.took = true, result, time.Since(e.at)
	if err != nil {
		e.fault = err.Error()
	}
	d.size += len(result)
	d.changedLocked(e)
	for len(d.entries) > maxEntries || d.size > maxEntriesSize {
		i := slices.IndexFunc(d.entries, func(e *entry) bool { return e.over })
		if i < 0 {
			break
		}
		d.size -= len(d.entries[i].body()) + len(d.entries[i].result)
		d.entries = slices.Delete(d.entries, i, i+1)
	}
	return err
}

func (d *Desk) changedLocked(e *entry) {
	d.changes++
	e.change = d.changes
}

// answerByHand says who answers from now on. What waits for an answer by hand goes to the backend where that ends.
func (d *Desk) answerByHand(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case on && d.byHand == nil:
		d.byHand = make(chan struct{})
	case !on && d.byHand != nil:
		close(d.byHand)
		d.byHand = nil
	}
}

// answer answers an entry by hand.
func (d *Desk) answer(e *entry, result json.RawMessage) error {
	d.mu.Lock()
	answers := e.answers
	d.mu.Unlock()
	if answers == nil {
		return errOver
	}
	var err error
	if e.question.Connect {
		_, err = router.DecodeWelcome(result)
	} else {
		_, err = router.DecodeResult(result)
	}
	if refusal := (*app.ConnectError)(nil); err != nil && !errors.As(err, &refusal) {
		return err
	}
	select {
	case answers <- result:
		return nil
	default:
		return errOver
	}
}

// again sends an entry to the backend once more. What that answers is shown, and not carried out.
func (d *Desk) again(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, againTime)
	defer cancel()
	if e.question == nil {
		copied := d.begin(&entry{via: e.via, notice: e.notice})
		_ = d.end(copied, nil, e.via.Tell(ctx, []router.Notice{e.notice}))
		return
	}
	q := *e.question
	q.Deadline = time.Now().Add(againTime)
	copied := d.begin(&entry{via: e.via, question: &q})
	result, err := e.via.Ask(ctx, &q)
	_ = d.end(copied, result, err)
}

func (d *Desk) entry(number uint64) *entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.IndexFunc(d.entries, func(e *entry) bool { return e.number == number }); i >= 0 {
		return d.entries[i]
	}
	return nil
}
