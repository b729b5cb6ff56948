package workers

import (
	"sync/atomic"

	"signalbox/handlers/router"
)

type counters struct {
	here                                   atomic.Int64
	sent, late, died, full, refused, calls atomic.Uint64
}

// Stats are figures since the start, of this node's workers and of what its clients asked of others.
type Stats struct {
	Here, Elsewhere int    // workers, now; those elsewhere have claimed something
	Out, Waiting    int    // events, now
	Sent            uint64 // events
	Late            uint64 // tasks that were not answered in time
	Died            uint64 // events that were out at a worker that left
	Full            uint64 // events for which there was no place
	Refused         uint64 // connections
	Calls           uint64 // of the API
	router.OutsideStats
}

// Stats may be called from any goroutine.
func (w *Workers) Stats() Stats {
	c := &w.counters
	s := Stats{
		Here: int(c.here.Load()), Sent: c.sent.Load(), Late: c.late.Load(), Died: c.died.Load(), Full: c.full.Load(),
		Refused: c.refused.Load(), Calls: c.calls.Load(),
		OutsideStats: w.OutsideStats(),
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, o := range w.list {
		if o.node != "" {
			s.Elsewhere++
		}
		o.mu.Lock()
		s.Out += o.out
		s.Waiting += len(o.waiting)
		o.mu.Unlock()
	}
	return s
}
