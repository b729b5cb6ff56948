package redis

import (
	"context"
	"sync"
	"time"

	"signalbox/store/redislink"
)

var scriptWillClaim = script("will_head", "will_claim")

const (
	// claimsAtOnce is how many keys one script claims.
	claimsAtOnce = 500
	// claimTimeout bounds one script of claims.
	claimTimeout = time.Second
)

// claims asks for many at a time: when a full server hands its clients over, tens of thousands of them come within seconds,
// and each asks before it joins its rooms. While one script is under way the next claims gather.
type claims struct {
	mu sync.Mutex
	// mu guards the following.
	waiting []*claim
	running bool
}

// claim is one call of [Node.Claim] that waits.
type claim struct {
	key  string
	done chan bool // has room for the answer
}

// Claim implements [store.Wills].
func (n *Node) Claim(ctx context.Context, key string) bool {
	if len(*n.leaving.Load()) == 0 {
		return false
	}
	c := &claim{key: key, done: make(chan bool, 1)}
	n.claims.mu.Lock()
	n.claims.waiting = append(n.claims.waiting, c)
	start := !n.claims.running
	n.claims.running = true
	n.claims.mu.Unlock()
	if start {
		go n.claimAll() // ends when nobody waits; each script has its timeout
	}
	select {
	case claimed := <-c.done:
		return claimed
	case <-ctx.Done():
		return false
	}
}

// claimAll claims what waits until nothing does.
func (n *Node) claimAll() {
	for {
		n.claims.mu.Lock()
		batch := n.claims.waiting[:min(len(n.claims.waiting), claimsAtOnce)]
		n.claims.waiting = n.claims.waiting[len(batch):]
		if len(batch) == 0 {
			n.claims.waiting, n.claims.running = nil, false
			n.claims.mu.Unlock()
			return
		}
		n.claims.mu.Unlock()
		n.claimBatch(batch)
	}
}

// claimBatch asks each node that is leaving for what those before it did not have, and answers all.
func (n *Node) claimBatch(batch []*claim) {
	for _, other := range *n.leaving.Load() {
		if len(batch) == 0 {
			return
		}
		keys := make([]any, len(batch))
		for i, c := range batch {
			keys[i] = c.key
		}
		claimed := runClaims(n.o.Link, willKeysOf(n.o.Prefix, other.run), keys)
		var rest []*claim
		for i, c := range batch {
			if i < len(claimed) && claimed[i] == int64(1) {
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

// runClaims returns 1 or 0 for each key, nothing where Redis does not answer.
func runClaims(l *redislink.Link, k willKeys, keys []any) []any {
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	reply, err := l.Run(ctx, scriptWillClaim, []string{k.left, k.taken}, keys...)
	if err != nil {
		return nil
	}
	claimed, _ := reply.([]any)
	return claimed
}
