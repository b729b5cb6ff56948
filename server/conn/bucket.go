package conn

import (
	"math"
	"sync/atomic"
	"time"
)

// Bucket measures how much a client has sent of late: each message fills it by one, and it drains at the rate that is
// allowed, so its level never has to be kept up by a timer. The zero value is empty. It has no lock: whoever owns what
// is measured calls it, from one goroutine at a time.
type Bucket struct {
	level float64
	at    time.Time // of level
}

// Fill counts a message that came at now and weighs as much as weight ordinary ones, and returns how long it has to
// wait: burst ordinary messages may come at once, and perSecond, which is above 0, in each second after them. A
// message that waits is counted like any other, so those behind it wait longer.
func (b *Bucket) Fill(now time.Time, weight, perSecond, burst float64) time.Duration {
	b.level, b.at = b.left(now, perSecond)+weight, now
	if over := b.level - burst; over > 0 {
		return time.Duration(over / perSecond * float64(time.Second))
	}
	return 0
}

// Charge counts weight more for the message that was filled in last. It is the next one that waits for it.
func (b *Bucket) Charge(weight float64) { b.level += weight }

// Take counts a message where Fill would not let it wait, and reports whether it did. What it refuses costs the sender
// nothing.
func (b *Bucket) Take(now time.Time, perSecond, burst float64) bool {
	level := b.left(now, perSecond) + 1
	if level > burst {
		return false
	}
	b.level, b.at = level, now
	return true
}

// Empty reports whether the bucket is as good as a new one.
func (b *Bucket) Empty(now time.Time, perSecond float64) bool {
	return b.left(now, perSecond) == 0
}

// left returns the level at now.
func (b *Bucket) left(now time.Time, perSecond float64) float64 {
	return max(0, b.level-now.Sub(b.at).Seconds()*perSecond)
}

// Rate is a number of something per second that may be set anew at any time.
type Rate struct{ bits atomic.Uint64 }

// Store sets the rate.
func (r *Rate) Store(perSecond float64) { r.bits.Store(math.Float64bits(perSecond)) }

// Load returns the rate.
func (r *Rate) Load() float64 { return math.Float64frombits(r.bits.Load()) }
