package redis

import (
	"sync"
	"time"
)

// contact knows how long this process has been in touch with Redis without a gap. It counts by the clock that nobody sets.
type contact struct {
	// Static after construction.
	gap   time.Duration // with a longer one, others may have lost their lease for the same reason
	lease time.Duration

	mu sync.Mutex
	// mu guards the following.
	since, last time.Time
	redis       int64 // what Redis' clock said at last, ms
}

// touch notes an answer, and when Redis gave it, by its own clock. again: whatever came before does not count.
func (c *contact) touch(now time.Time, redis int64, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if again || c.last.IsZero() || now.Sub(c.last) > c.gap {
		c.since = now
	}
	c.last, c.redis = now, redis
}

// steady returns until when, by Redis' clock, everybody else who lives has had the time to renew a lease; 0 where that is not
// so now. Redis may be asked now and come to it later, when it was stopped itself.
func (c *contact) steady(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.IsZero() || now.Sub(c.last) > c.gap || now.Sub(c.since) < c.lease {
		return 0
	}
	return c.redis + c.gap.Milliseconds()
}

// lost reports whether the last answer was a whole lease ago.
func (c *contact) lost(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.last) > c.lease
}
