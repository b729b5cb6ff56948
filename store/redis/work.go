package redis

import (
	"context"
	"strings"
	"time"

	"signalbox/store"
)

var (
	scriptDone = script("head", "registry", "done")
	scriptSeal = script("notice_rename")
)

// workTimeout is how long OnDead may take.
const workTimeout = time.Minute

// workLoop carries out what this node is given.
func (n *Node) workLoop() {
	for {
		select {
		case work := <-n.work:
			n.carryOut(n.me(), work)
			n.setWork("", nil)
		case <-n.ctx.Done():
			return
		}
	}
}

// carryOut has what a dead node has left carried out.
func (n *Node) carryOut(me incarnation, work string) {
	run, node, _ := strings.Cut(work, " ")
	ctx, cancel := context.WithTimeout(n.ctx, workTimeout)
	defer cancel()
	n.setWork(work, cancel)
	notices, err := n.takeNotices(ctx, run)
	if err == nil {
		n.log.Info("node is dead", "dead", node, "notices", len(notices))
		n.calls.OnDead(ctx, node, notices)
	}
	// A ctx that is over means that it may be another's by now, or that OnDead may have ended early.
	ended := err == nil && ctx.Err() == nil
	if ended {
		_ = n.dropNotices(n.ctx, run) // they go by themselves
	}
	if _, err := runNumber(context.WithoutCancel(ctx), n.o.Link, scriptDone, n.keys.all(), work, me.named(), flag(ended)); err != nil {
		n.log.Warn("what a dead node left may be carried out twice", "dead", node, "error", err)
	}
}

// takeNotices returns the notices of an incarnation that is dead. Nobody can take them over any more.
func (n *Node) takeNotices(ctx context.Context, of string) ([]store.LeaveNotice, error) {
	k := noticeKeysOf(n.o.Prefix, of)
	if _, err := n.o.Link.Run(ctx, scriptSeal, []string{k.left, k.rest}); err != nil {
		return nil, err
	}
	return readNotices(ctx, n.o.Link, k.rest, k.notices)
}

// idle reports whether this node has no work.
func (n *Node) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at == ""
}

// setWork notes what this node is at, and what ends that.
func (n *Node) setWork(work string, lose context.CancelFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at, n.loseWork = work, lose
}

// dropWork has OnDead end: another node may be given what this one was at.
func (n *Node) dropWork() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.loseWork != nil {
		n.loseWork()
	}
}
