// Package backoff says how long to wait before something that has failed is tried again.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Pause is the time before the next attempt: Least, then twice as long each time, up to Most.
type Pause struct {
	Least, Most time.Duration

	last time.Duration
}

// Next returns the next pause.
func (p *Pause) Next() time.Duration {
	p.last = min(max(p.Least, 2*p.last), p.Most)
	return p.last
}

// Spread returns the next pause, or as little as half of it: so that many who failed at once do not come at once.
func (p *Pause) Spread() time.Duration {
	pause := p.Next()
	return pause - rand.N(pause/2+1)
}

// Reset makes the next pause a short one again.
func (p *Pause) Reset() { p.last = 0 }
