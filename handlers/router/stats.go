package router

import (
	"errors"
	"sync/atomic"
	"time"
)

type counters struct {
	events, failed, unavailable, unknown atomic.Uint64
	refused, turnedAway, full, panics    atomic.Uint64
	nanoseconds                          atomic.Uint64
}

// observe counts an event that was with a backend for so long.
func (c *counters) observe(took time.Duration, err error) {
	c.events.Add(1)
	c.nanoseconds.Add(uint64(took))
	if f := (*Failure)(nil); errors.As(err, &f) {
		c.failed.Add(1)
	} else if err != nil {
		c.unavailable.Add(1)
	}
}

// Stats are figures since the start.
type Stats struct {
	Events      uint64 // handed to backends
	Unavailable uint64 // events among them that no backend answered
	Failed      uint64 // events among them that were answered with an error by a handler in Go
	Panics      uint64 // handlers in Go that panicked
	Unknown     uint64 // events that nobody owns
	Refused     uint64 // clients that a backend refused
	TurnedAway  uint64 // clients whose connection was closed, for no backend said anything about them
	Full        uint64 // times that a client had to wait for its own queue
	Time        time.Duration
}

// Stats may be called from any goroutine.
func (r *Router) Stats() Stats {
	c := &r.counters
	return Stats{
		Events: c.events.Load(), Unavailable: c.unavailable.Load(), Failed: c.failed.Load(), Panics: c.panics.Load(),
		Unknown: c.unknown.Load(), Refused: c.refused.Load(), TurnedAway: c.turnedAway.Load(), Full: c.full.Load(),
		Time: time.Duration(c.nanoseconds.Load()),
	}
}
