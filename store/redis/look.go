package redis

import (
	"slices"
	"time"
)

var scriptLook = script("head", "registry", "look")

// sweepInterval is the time between two looks for users of nodes that are no more.
const sweepInterval = 10 * time.Second

// sweptRun stands for the incarnation of a node that was found by its users alone, see lua/look.lua.
const sweptRun = "0000000000000000"

// watch is what lookLoop remembers from one look to the next.
type watch struct {
	version string                   // of who is leaving
	swept   time.Time                // when it last looked for users of nodes that are no more
	told    map[incarnation]struct{} // of those that are leaving, those OnLeaving was told of
}

// lookLoop looks after the others until the node ends or leaves.
func (n *Node) lookLoop() {
	w := watch{version: "0", told: make(map[incarnation]struct{})}
	timer := time.NewTimer(n.look)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-n.arrived:
		case <-n.ctx.Done():
			return
		}
		for n.lookOnce(&w) {
		}
		timer.Reset(n.look)
	}
}

// lookOnce looks after the others once and reports whether there is a reason to do it again at once.
func (n *Node) lookOnce(w *watch) bool {
	me := n.me()
	if me.run == "" || n.ctx.Err() != nil {
		return false
	}
	now := time.Now()
	steady := n.contact.steady(now)
	sweep := steady > 0 && now.Sub(w.swept) >= sweepInterval
	reply, err := runTexts(n.ctx, n.o.Link, scriptLook, n.keys.all(),
		me.node, me.run, n.o.Lease.Milliseconds(), w.version, steady, flag(sweep), flag(n.idle()))
	if err != nil || len(reply) < 2 {
		return false // a beat says why
	}
	if sweep {
		w.swept = now
	}
	version, work, list := reply[0], reply[1], reply[2:]
	if work != "" {
		n.setWork(work, nil)
		n.work <- work // has room: this node was idle
	}
	if version == w.version {
		n.acquaint.Do(func() { close(n.known) })
		return false
	}
	if !n.sawLeaving(w, list) {
		return false
	}
	w.version = version
	return true // says that it was seen
}

// sawLeaving notes who is leaving, tells of those who are not any more, and reports whether it could tell of those who are new.
func (n *Node) sawLeaving(w *watch, list []string) bool {
	leaving := make([]incarnation, 0, len(list)/2)
	for i := 1; i < len(list); i += 2 {
		leaving = append(leaving, incarnation{node: list[i-1], run: list[i]})
	}
	n.leaving.Store(&leaving)
	for other := range w.told {
		if !slices.Contains(leaving, other) {
			n.calls.OnLeft(other.node)
			delete(w.told, other)
		}
	}
	for _, other := range leaving {
		if _, is := w.told[other]; !is {
			notices, err := readNotices(n.ctx, n.o.Link, noticeKeysOf(n.o.Prefix, other.run).left)
			if err != nil {
				return false
			}
			n.calls.OnLeaving(other.node, notices)
			w.told[other] = struct{}{}
		}
	}
	return true
}
