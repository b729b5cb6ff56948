package auth

import (
	"errors"
	"sync"
	"time"
)

const (
	// warnAhead is how long before the end a client is told, with less than ten times that left a tenth of it.
	warnAhead = 30 * time.Second
	// longestSleep bounds how long a timer can go astray when the machine's clock is set or the machine sleeps: timers
	// run by the monotonic clock, exp by the wall clock.
	longestSleep = 10 * time.Minute
)

var (
	// ErrOtherUser: a lease cannot be renewed with another user's token.
	ErrOtherUser = errors.New("token of another user")
	// ErrEnded: the lease has run out or was stopped.
	ErrEnded = errors.New("lease ended")
)

// Lease is the time that a token gives one connection. It is made with [Watch] and ends with Stop or with the token.
// Any goroutine may call its methods, its own callbacks included.
//
// It owns one timer and no goroutine: 227 bytes with a token that expires, 80 with one that does not (BenchmarkWatch),
// against the 2 KB of the smallest goroutine. The runtime keeps timers in a heap per processor; a heap of our own, shared
// by all leases, would save the 100 bytes of a time.Timer and cost a lock that all connections meet at.
type Lease struct {
	// Static after construction.
	soon    func(left time.Duration)
	expired func()

	mu sync.Mutex
	// mu guards the following.
	id     *Identity
	warnAt time.Time
	timer  *time.Timer // nil while no token with an end was held
	warned bool
	ended  bool
}

// Watch begins a lease on id. Shortly before id expires soon is called once with the time that is left: 30 seconds, or
// a tenth of the lease if that is less. When it expires expired is called, once and last. Both run on a goroutine of
// their own, outside any lock, and should be quick; either may be nil. An identity that never expires costs no timer. One
// that has expired already is told at once.
func Watch(id *Identity, soon func(left time.Duration), expired func()) *Lease {
	l := &Lease{soon: soon, expired: expired}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holdLocked(id, time.Now())
	return l
}

// Identity returns what the lease holds now: after a renewal the newer token's. It stays so when the lease has ended.
func (l *Lease) Identity() *Identity {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// User returns whom the token speaks for; "" for a nil lease.
func (l *Lease) User() string {
	if l == nil {
		return ""
	}
	return l.Identity().UserID()
}

// Renew goes on with a newer token of the same user. What that token allows holds from now on, so the caller must look
// again at what the connection is in. It returns [ErrOtherUser], [ErrExpired] when id is over, or [ErrEnded] when the
// lease is: then expired has been called or will be, and the renewal came too late. After nil the end of the older token
// is not told any more.
func (l *Lease) Renew(id *Identity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.ended || l.id.ExpiredAt(now):
		return ErrEnded
	case id.userID != l.id.userID:
		return ErrOtherUser
	case id.ExpiredAt(now):
		return ErrExpired
	}
	l.holdLocked(id, now)
	return nil
}

// Stop ends the lease without a word: no callback begins after it. One that has begun may still run. Stopping twice is
// harmless.
func (l *Lease) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

// holdLocked makes id the one that counts.
func (l *Lease) holdLocked(id *Identity, now time.Time) {
	l.id = id
	l.warned = false
	if id.expires.IsZero() {
		if l.timer != nil {
			l.timer.Stop()
		}
		return
	}
	l.warnAt = id.expires.Add(-min(warnAhead, id.expires.Sub(now)/10))
	l.sleepLocked(now)
}

// sleepLocked sets the timer for what comes next.
func (l *Lease) sleepLocked(now time.Time) {
	next := l.warnAt
	if l.warned {
		next = l.id.expires
	}
	d := min(next.Sub(now), longestSleep)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.wake)
		return
	}
	l.timer.Reset(d)
}

// wake runs when the timer fires. It goes by the clock and the state alone, so one that fires late, early or once too
// often does no harm.
func (l *Lease) wake() {
	if tell := l.due(); tell != nil {
		tell()
	}
}

// due returns what there is to tell now, and decides it under the lock.
func (l *Lease) due() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || l.id.expires.IsZero() {
		return nil
	}
	now := time.Now()
	if l.id.ExpiredAt(now) {
		l.ended = true
		return l.expired
	}
	var tell func()
	if !l.warned && !now.Before(l.warnAt) {
		l.warned = true
		if left := l.id.expires.Sub(now); l.soon != nil {
			tell = func() { l.soon(left) }
		}
	}
	l.sleepLocked(now)
	return tell
}
