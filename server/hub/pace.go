package hub

import (
	"context"
	"time"
)

const (
	// burst messages go out at once, and the next after a breath. That makes about 60,000 in a second.
	burst  = 256
	breath = 4 * time.Millisecond
)

// Pace keeps a goroutine that tells much from telling it all at once: the queue to other nodes is bounded, and what
// clients send is to find room in it too. The zero value is ready.
type Pace struct{ told int }

// Step is called before each message, and waits where it is time to. It returns the error of ctx once that is over.
func (p *Pace) Step(ctx context.Context) error {
	if p.told++; p.told%burst != 1 || p.told == 1 {
		return ctx.Err()
	}
	pause := time.NewTimer(breath)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}
