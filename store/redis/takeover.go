package redis

import (
	"context"
	"sync"
	"time"

	"signalbox/store/redislink"
)

var scriptTakeOver = script("notice_head", "notice_take_over")

const (
	// takeoversAtOnce is how many keys one script takes over.
	takeoversAtOnce = 500
	// takeoverTimeout bounds one script of takeovers.
	takeoverTimeout = time.Second
)

// takeovers asks for many at a time: when a full server hands its clients over, tens of thousands of them come within seconds,
// and each asks before it joins its rooms. While one script is under way the next ones gather.
type takeovers struct {
	mu sync.Mutex
	// mu guards the following.
	waiting []*takeover
	running bool
}

// takeover is one call of [Node.TakeOver] that waits.
type takeover struct {
	key  string
	done chan bool // has room for the answer
}

// TakeOver implements [store.LeaveNotices].
func (n *Node) TakeOver(ctx context.Context, key string) bool {
	if len(*n.leaving.Load()) == 0 {
		return false
	}
	c := &takeover{key: key, done: make(chan bool, 1)}
	n.takeovers.mu.Lock()
	n.takeovers.waiting = append(n.takeovers.waiting, c)
	start := !n.takeovers.running
	n.takeovers.running = true
	n.takeovers.mu.Unlock()
	if start {
		go n.takeOverAll() // ends when nobody waits; each script has its timeout
	}
	select {
	case taken := <-c.done:
		return taken
	case <-ctx.Done():
		return false
	}
}

// takeOverAll takes over what waits until nothing does.
func (n *Node) takeOverAll() {
	for {
		n.takeovers.mu.Lock()
		batch := n.takeovers.waiting[:min(len(n.takeovers.waiting), takeoversAtOnce)]
		n.takeovers.waiting = n.takeovers.waiting[len(batch):]
		if len(batch) == 0 {
			n.takeovers.waiting, n.takeovers.running = nil, false
			n.takeovers.mu.Unlock()
			return
		}
		n.takeovers.mu.Unlock()
		n.takeOverBatch(batch)
	}
}

// takeOverBatch asks each node that is leaving for what those before it did not have, and answers all.
func (n *Node) takeOverBatch(batch []*takeover) {
	for _, other := range *n.leaving.Load() {
		if len(batch) == 0 {
			return
		}
		keys := make([]any, len(batch))
		for i, c := range batch {
			keys[i] = c.key
		}
		taken := runTakeOver(n.o.Link, noticeKeysOf(n.o.Prefix, other.run), keys)
		var rest []*takeover
		for i, c := range batch {
			if i < len(taken) && taken[i] == int64(1) {
				c.done <- true
			} else {
				rest = append(rest, c)
			}
		}
		batch = rest
	}
	for _, c := range batch {
		c.done <- false
	}
}

// runTakeOver returns 1 or 0 for each key, nothing where Redis does not answer.
func runTakeOver(l *redislink.Link, k noticeKeys, keys []any) []any {
	ctx, cancel := context.WithTimeout(context.Background(), takeoverTimeout)
	defer cancel()
	reply, err := l.Run(ctx, scriptTakeOver, []string{k.left, k.taken}, keys...)
	if err != nil {
		return nil
	}
	taken, _ := reply.([]any)
	return taken
}
