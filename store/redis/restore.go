package redis

import (
	"context"
	"time"
)

var scriptRecall = script("head", "registry", "recall")

// recallInterval is the time between two questions whether others have ended.
const recallInterval = 250 * time.Millisecond

// pending reports whether restoreLoop has anything to do.
func (n *Node) pending() bool {
	n.mu.Lock()
	returned := n.returned
	n.mu.Unlock()
	return returned || n.notices.isDirty()
}

func (n *Node) wakeRestore() {
	select {
	case n.restored <- struct{}{}:
	default: // it is about to
	}
}

// restoreLoop writes notices that are not in Redis, and tells when the node is back. Errors are left to the next beat.
func (n *Node) restoreLoop() {
	for {
		select {
		case <-n.restored:
		case <-n.ctx.Done():
			return
		}
		if n.notices.flush(n.ctx) != nil || !n.awaitOthers() {
			continue
		}
		if declaredDead, is := n.takeReturn(); is {
			n.calls.OnReturn(n.ctx, declaredDead)
		}
	}
}

// awaitOthers waits until nobody carries out what this node had left when it was declared dead, and reports whether that is so.
func (n *Node) awaitOthers() bool {
	n.mu.Lock()
	old := append([]string(nil), n.old...)
	n.mu.Unlock()
	if len(old) == 0 {
		return true
	}
	work := []any{incarnation{node: n.o.ID, run: sweptRun}.named()}
	for _, run := range old {
		work = append(work, incarnation{node: n.o.ID, run: run}.named())
	}
	again := time.NewTicker(recallInterval)
	defer again.Stop()
	for {
		at, err := runNumber(n.ctx, n.o.Link, scriptRecall, n.keys.all(), work...)
		if err != nil {
			return false
		}
		if at == 0 {
			break
		}
		select {
		case <-again.C:
		case <-n.ctx.Done():
			return false
		}
	}
	for _, run := range old {
		if n.dropNotices(n.ctx, run) != nil {
			return false
		}
	}
	n.mu.Lock()
	n.old = n.old[len(old):]
	n.mu.Unlock()
	return true
}

// dropNotices removes the notices of an incarnation.
func (n *Node) dropNotices(ctx context.Context, run string) error {
	k := noticeKeysOf(n.o.Prefix, run)
	_, err := n.o.Link.Do(ctx, "unlink", k.notices, k.left, k.taken, k.rest)
	return err
}

// takeReturn returns what OnReturn is to be told, once.
func (n *Node) takeReturn() (declaredDead, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	declaredDead, is = n.wasDead, n.returned
	n.wasDead, n.returned = false, false
	return declaredDead, is
}
