package cluster

import "sync"

// questions are those put to other nodes by [Cluster.Ask].
type questions struct {
	mu sync.Mutex
	// mu guards the following.
	last uint64
	asks map[uint64]*question
}

// question waits for the answers of some nodes. Others may answer as well.
type question struct {
	id   uint64
	done chan struct{} // closed when nobody is waited for

	// Guarded by questions.mu.
	owner   *questions
	waiting map[string]struct{}
	answers [][]byte
	lacks   bool // somebody will not answer
}

// open makes a question to nodes. Without any it is done at the time-out of whoever asks.
func (qs *questions) open(nodes []string) *question {
	q := &question{owner: qs, done: make(chan struct{}), waiting: make(map[string]struct{}, len(nodes))}
	for _, node := range nodes {
		q.waiting[node] = struct{}{}
	}
	qs.mu.Lock()
	defer qs.mu.Unlock()
	qs.last++
	q.id = qs.last
	qs.asks[q.id] = q
	return q
}

func (qs *questions) close(id uint64) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	delete(qs.asks, id)
}

func (qs *questions) answer(id uint64, node string, body []byte) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.asks[id]; q != nil {
		q.answers = append(q.answers, body)
		q.strikeLocked(node)
	}
}

// refuse is called when a node will not answer.
func (qs *questions) refuse(id uint64, node string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if q := qs.asks[id]; q != nil {
		q.lacks = true
		q.strikeLocked(node)
	}
}

// gone is called when a node is not waited for any more. What it should have answered is missing.
func (qs *questions) gone(node string) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for _, q := range qs.asks {
		if _, ok := q.waiting[node]; ok {
			q.lacks = true
			q.strikeLocked(node)
		}
	}
}

// abandon ends all questions: Redis has gone.
func (qs *questions) abandon() {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for _, q := range qs.asks {
		for node := range q.waiting {
			q.lacks = true
			q.strikeLocked(node)
		}
	}
}

func (q *question) strikeLocked(node string) {
	if _, ok := q.waiting[node]; !ok {
		return
	}
	delete(q.waiting, node)
	if len(q.waiting) == 0 {
		close(q.done)
	}
}

// result returns what was answered, whether that is all, and who is still waited for.
func (q *question) result() (answers [][]byte, complete bool, late []string) {
	q.owner.mu.Lock()
	defer q.owner.mu.Unlock()
	for node := range q.waiting {
		late = append(late, node)
	}
	return q.answers, !q.lacks && len(late) == 0, late
}
