package door

import "time"

// bucket counts what a client has sent of late: it fills with each message and drains at the rate that is allowed. Its
// zero value is empty.
type bucket struct {
	level float64
	at    time.Time
}

// take counts one message and returns how long it has to wait. Two seconds' worth may come at once.
func (b *bucket) take(now time.Time, perSecond float64) time.Duration {
	b.level = max(0, b.level-now.Sub(b.at).Seconds()*perSecond) + 1
	b.at = now
	over := b.level - 2*perSecond
	if over <= 0 {
		return 0
	}
	return time.Duration(over / perSecond * float64(time.Second))
}
