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

// reconnect says when to connect again. Its zero value is ready to use.
type reconnect struct {
	failed backoff.Pause // after attempts that have failed, one after the other
	broken backoff.Pause // after connections that did not live for long, one after the other
}

// after returns how long to wait after a connection that has lived for so long; 0: there was none.
func (r *reconnect) after(lived time.Duration) time.Duration {
	if lived == 0 {
		return spread(&r.failed)
	}
	r.failed.Reset()
	if lived > steady {
		r.broken.Reset()
		return 0
	}
	return spread(&r.broken)
}

func spread(p *backoff.Pause) time.Duration {
	p.Least, p.Most = leastPause, mostPause
	return p.Spread()
}

// sleep waits before the writer connects again, or until somebody else has found Redis. It reports false where the link closes.
func (l *Link) sleep(pause time.Duration) bool {
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
