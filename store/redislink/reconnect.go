package redislink

import (
	"time"

	"signalbox/internal/backoff"
)

const (
	// The pauses between attempts to connect. The longest is short beside the time in which a server is declared dead.
	leastPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second
	// steady is how long a connection must have lived for the next attempt to come at once.
	steady = time.Second
)

func newPause() backoff.Pause { return backoff.Pause{Least: leastPause, Most: mostPause} }

// sleep waits before the writer connects again, or until somebody else has found Redis. lived is how long its connection
// lived: after one that was good the first attempt comes at once. It reports false where the link closes.
func (l *Link) sleep(p *backoff.Pause, lived time.Duration) bool {
	pause := pauseAfter(p, lived)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-l.closing:
		return false
	case <-l.retry:
	case <-timer.C:
	}
	return true
}

func pauseAfter(p *backoff.Pause, lived time.Duration) time.Duration {
	if lived > steady {
		p.Reset()
		return 0
	}
	return p.Spread()
}
