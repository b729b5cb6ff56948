package console

import (
	"math"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"signalbox/server/remote"
)

const (
	// maxFailures is how many wrong tokens one address may send at once; one more is allowed every failureCost.
	maxFailures = 5
	failureCost = 12 * time.Second
	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 4096
)

// failures bounds how many wrong tokens of one address are answered as such. The zero value is ready. For each address it keeps
// until when they weigh: each adds failureCost, and maxFailures of them may be outstanding (a leaky bucket as one instant).
type failures struct {
	mu sync.Mutex
	// mu guards the following.
	until map[netip.Prefix]time.Time
}

// take counts a wrong token. It returns how long the address has to wait for the next one to count, 0 when this one did.
func (f *failures) take(addr string, now time.Time) time.Duration {
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
	if over := until.Add(failureCost).Sub(now) - maxFailures*failureCost; over > 0 {
		return over
	}
	if !known && len(f.until) >= maxAddresses {
		dropOver(f.until, now, maxAddresses)
	}
	f.until[key] = until.Add(failureCost)
	return 0
}

// seconds writes a duration as Retry-After wants it: whole seconds, rounded up.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
