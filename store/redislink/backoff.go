package redislink

import (
	"math/rand/v2"
	"time"
)

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
	// steady is how long a connection must have lived for the next attempt to come at once.
	steady = 10 * time.Second
)

// backoff is how long to wait before the next attempt: longer each time, and never the same, so that many nodes do not
// come at once. Its zero value is ready to use.
type backoff struct{ attempts int }

// next returns the next wait: between half and all of 100 ms, 200 ms, ... 5 s.
func (b *backoff) next() time.Duration {
	wait := lastWait
	if b.attempts < 6 {
		wait = min(firstWait<<b.attempts, lastWait)
		b.attempts++
	}
	return wait/2 + rand.N(wait/2)
}

// sleep waits, or until soon says that there is hope. It reports false where over was closed.
func (b *backoff) sleep(over, soon <-chan struct{}) bool {
	timer := time.NewTimer(b.next())
	defer timer.Stop()
	select {
	case <-over:
		return false
	case <-soon:
	case <-timer.C:
	}
	return true
}
