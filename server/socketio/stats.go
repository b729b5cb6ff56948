package socketio

import (
	"sync/atomic"
	"time"

	"signalbox/server/hub"
)

type counters struct {
	conns             atomic.Int64
	eventsIn          atomic.Uint64
	badPackets        atomic.Uint64
	panics            atomic.Uint64
	throttled         atomic.Uint64
	namespacesRefused atomic.Uint64
}

// Stats are figures of the Socket.IO layer since the start.
type Stats struct {
	Connections       int64  // open now
	Sockets           int64  // clients in namespaces now
	EventsIn          uint64 // events given to handlers
	BadPackets        uint64 // packets that ended their sender's connection
	Panics            uint64 // handlers that panicked
	Throttled         uint64 // events that had to wait for MaxEventsPerSecond
	NamespacesRefused uint64 // CONNECTs over MaxNamespaces
	Latency           Latency
}

// Stats returns the figures of now.
func (s *Server) Stats() Stats {
	return Stats{
		Connections:       s.counters.conns.Load(),
		Sockets:           s.sockets(),
		EventsIn:          s.counters.eventsIn.Load(),
		BadPackets:        s.counters.badPackets.Load(),
		Panics:            s.counters.panics.Load(),
		Throttled:         s.counters.throttled.Load(),
		NamespacesRefused: s.counters.namespacesRefused.Load(),
		Latency:           s.latency.snapshot(),
	}
}

// sockets returns the number of clients in namespaces.
func (s *Server) sockets() (n int64) {
	s.namespaces.Range(func(name, _ any) bool {
		n += int64(s.hub.Count(hub.EverybodyRoom(name.(string))))
		return true
	})
	return n
}

// latencyBounds are the upper bounds of the buckets that the time in handlers is counted in.
var latencyBounds = [...]time.Duration{
	time.Microsecond, 5 * time.Microsecond, 20 * time.Microsecond, 100 * time.Microsecond, 500 * time.Microsecond,
	2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

// latency is a histogram that costs two additions.
type latency struct {
	buckets [len(latencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

func (l *latency) observe(d time.Duration) {
	i := 0
	for i < len(latencyBounds) && d > latencyBounds[i] {
		i++
	}
	l.buckets[i].Add(1)
	l.sum.Add(int64(d))
}

// Latency is how long events were with their handlers.
type Latency struct {
	Count   uint64
	Sum     time.Duration
	Buckets map[float64]uint64 // seconds to the events that took at most as long
}

func (l *latency) snapshot() Latency {
	out := Latency{Sum: time.Duration(l.sum.Load()), Buckets: make(map[float64]uint64, len(latencyBounds))}
	for i := range l.buckets {
		out.Count += l.buckets[i].Load()
		if i < len(latencyBounds) {
			out.Buckets[latencyBounds[i].Seconds()] = out.Count
		}
	}
	return out
}
