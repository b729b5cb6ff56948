package workers

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"signalbox/handlers/router"
	"signalbox/server/rawjson"
)

// What nodes tell each other about workers.
const (
	topicList   = "workers"        // those of a node, all of them
	topicAsk    = "workers.ask"    // to the node of a worker: a task
	topicAnswer = "workers.answer" // what came of it
)

// beatTime is how often a node says who its workers are. Of one that has said nothing for beatLife times that there are
// none any more.
const (
	beatTime = 2 * time.Second
	beatLife = 3
)

// beat keeps nodes up to date about each other's workers.
type beat struct {
	all  *Workers
	wake chan struct{} // holds one
	stop chan struct{}
	done sync.WaitGroup
}

func startBeat(w *Workers) *beat {
	b := &beat{all: w, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	w.o.Nodes.OnTell(topicList, w.hearList)
	w.o.Nodes.OnTell(topicAsk, w.hearAsk)
	w.o.Nodes.OnTell(topicAnswer, w.hearAnswer)
	b.done.Go(b.run) // awaited by close
	return b
}

// now tells the others at once.
func (b *beat) now() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *beat) run() {
	t := time.NewTicker(b.all.o.Beat)
	defer t.Stop()
	for told := false; ; {
		changed := false
		select {
		case <-b.wake:
			changed = true
		case <-t.C:
			b.all.forgetSilentNodes()
		case <-b.stop:
			return
		}
		list := b.all.of("")
		if len(list) > 0 || told || changed {
			b.all.tellList(list)
		}
		told = len(list) > 0
	}
}

func (b *beat) close() {
	close(b.stop)
	b.done.Wait()
	b.all.tellList(nil)
}

// nodeList is who the workers of a node are.
type nodeList struct {
	Node    string       `json:"node"`
	Workers []nodeWorker `json:"workers"`
}

type nodeWorker struct {
	ID     string   `json:"id"`
	Events []string `json:"events"`
}

func (w *Workers) tellList(list []*worker) {
	told := nodeList{Node: w.o.Nodes.ID()}
	w.mu.RLock()
	for _, o := range list {
		n := nodeWorker{ID: o.id}
		for _, c := range o.claims {
			n.Events = append(n.Events, c.String())
		}
		told.Workers = append(told.Workers, n)
	}
	w.mu.RUnlock()
	body, _ := rawjson.Marshal(told) // of texts: it cannot fail
	w.o.Nodes.Tell(topicList, body)
}

// hearList takes the workers of another node. What it may not claim here it does not.
func (w *Workers) hearList(body []byte) {
	var told nodeList
	if json.Unmarshal(body, &told) != nil || told.Node == "" {
		return
	}
	known := w.of(told.Node)
	for _, n := range told.Workers {
		claims, err := w.claims(n.Events)
		if err != nil {
			w.o.Log.Debug("a worker of another server claims what it may not here", "worker", n.ID, "error", err)
			continue
		}
		i := slices.IndexFunc(known, func(o *worker) bool { return o.id == n.ID })
		o := (*worker)(nil)
		if i >= 0 {
			o = known[i]
			known = slices.Delete(known, i, i+1)
		} else {
			o = w.newWorker(n.ID, told.Node, nil)
		}
		w.mu.Lock()
		o.heard = time.Now()
		same := i >= 0 && slices.Equal(o.claims, claims)
		w.mu.Unlock()
		if !same {
			w.set(o, claims)
		}
	}
	for _, o := range known { // what they were asked before they answer still
		w.set(o, nil)
	}
}

func (w *Workers) forgetSilentNodes() {
	var over []*worker
	w.mu.RLock()
	for _, o := range w.list {
		if o.node != "" && time.Since(o.heard) > beatLife*w.o.Beat {
			over = append(over, o)
		}
	}
	w.mu.RUnlock()
	for _, o := range over {
		o.leave()
	}
}

// errand is the head of what nodes tell each other about one task; a line end and the task or its result are behind it.
type errand struct {
	Node   string `json:"node,omitempty"` // that asks
	Worker string `json:"worker,omitempty"`
	ID     uint64 `json:"id"`
	Millis int64  `json:"ms,omitempty"` // that are left
	Events int    `json:"events,omitempty"`
	Notice bool   `json:"notice,omitempty"`
	Reason string `json:"reason,omitempty"` // there is no result
	Again  bool   `json:"again,omitempty"`
	Unsent bool   `json:"unsent,omitempty"`
}

func (w *Workers) tell(node, topic string, e errand, rest []byte) {
	head, _ := rawjson.Marshal(e) // of texts and numbers: it cannot fail
	w.o.Nodes.TellNode(node, topic, append(append(head, '\n'), rest...))
}

func readErrand(body []byte) (e errand, rest []byte, ok bool) {
	head, rest, ok := bytes.Cut(body, []byte("\n"))
	return e, rest, ok && json.Unmarshal(head, &e) == nil
}

// tellAsk takes a task to the node of its worker.
func (w *Workers) tellAsk(o *worker, t *task) {
	w.abroad.Store(t.id, o)
	w.tell(o.node, topicAsk, errand{
		Node: w.o.Nodes.ID(), Worker: o.id, ID: t.id, Millis: time.Until(t.deadline).Milliseconds(), Events: t.events, Notice: t.notice,
	}, t.body)
}

// hearAsk has a worker of this node do what another node asks.
func (w *Workers) hearAsk(body []byte) {
	e, rest, ok := readErrand(body)
	if !ok || e.Node == "" {
		return
	}
	answer := func(o outcome) {
		a := errand{ID: e.ID}
		if u := (*router.Unanswered)(nil); o.err != nil {
			if u, ok = o.err.(*router.Unanswered); ok {
				a.Reason, a.Again, a.Unsent = u.Reason, u.Again, u.Unsent
			}
		}
		w.tell(e.Node, topicAnswer, a, o.result)
	}
	list := w.of("")
	i := slices.IndexFunc(list, func(o *worker) bool { return o.id == e.Worker })
	if i < 0 {
		answer(outcome{err: &router.Unanswered{Reason: "the worker has left", Again: true, Unsent: true}})
		return
	}
	list[i].give(&task{id: w.lastID.Add(1), body: rest, events: max(e.Events, 1), notice: e.Notice,
		deadline: time.Now().Add(time.Duration(e.Millis) * time.Millisecond), done: answer})
}

// hearAnswer takes what came of a task at another node.
func (w *Workers) hearAnswer(body []byte) {
	e, rest, ok := readErrand(body)
	if !ok {
		return
	}
	at, ok := w.abroad.Load(e.ID)
	if !ok {
		return
	}
	o := at.(*worker)
	if e.Reason != "" {
		if e.Unsent && e.Again { // it has left, and its node has not told yet
			w.set(o, nil)
		}
		o.end(e.ID, outcome{err: &router.Unanswered{Reason: e.Reason, Again: e.Again, Unsent: e.Unsent}})
		return
	}
	o.silent.Store(false)
	o.end(e.ID, outcome{result: rest})
}
