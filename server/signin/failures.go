package signin

import (
	"net/netip"
	"sync"
	"time"

	"signalbox/server/remote"
)

const (
	// MaxFailures is how many wrong passwords one address may send at once; one more is allowed every FailureCost.
	MaxFailures = 5
	FailureCost = 12 * time.Second
	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 4096
)

// Failures bounds how many wrong passwords of one address are answered as such. The zero value is ready. For each address it
// keeps until when they weigh: each adds FailureCost, and MaxFailures of them may be outstanding (a leaky bucket as one instant).
type Failures struct {
	mu sync.Mutex
	// mu guards the following.
	until map[netip.Prefix]time.Time
}

// Take counts a wrong password. It returns how long the address has to wait for the next one to count, 0 when this one did.
func (f *Failures) Take(addr string, now time.Time) time.Duration {
	key := remote.Network(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.until == nil {
		f.until = make(map[netip.Prefix]time.Time)
	}
	until, known := f.until[key]
	if until.Before(now) {
		until = now
	}
	if over := until.Add(FailureCost).Sub(now) - MaxFailures*FailureCost; over > 0 {
		return over
	}
	if !known && len(f.until) >= maxAddresses {
		dropOver(f.until, now, maxAddresses)
	}
	f.until[key] = until.Add(FailureCost)
	return 0
}

// Forgive takes one Take back: the password was right.
func (f *Failures) Forgive(addr string) {
	key := remote.Network(addr)
	f.mu.Lock()
	defer f.mu.Unlock()
	if until, known := f.until[key]; known {
		f.until[key] = until.Add(-FailureCost)
	}
}
