package conn

import "maps"

// Stats is a reading of the counters. Totals count from the start of the server.
type Stats struct {
	// Open connections now.
	WebSockets int64 // plain ones
	Streams    int64

	// OutboxBytes is what is queued for all clients now.
	OutboxBytes int64

	WebSocketsOpened uint64
	StreamsOpened    uint64
	// Closed counts ended connections of every kind by their reason.
	Closed map[Reason]uint64
	// Refused counts refused requests by cause: origin, authorization, limit, rate, protocol, ...
	Refused map[string]uint64

	PacketsIn  uint64
	PacketsOut uint64
	BytesIn    uint64
	BytesOut   uint64

	// Compressed counts compressions, each for any number of clients.
	Compressed uint64

	SlowClients     uint64 // connections ended by a full outbox or a stalled write
	VolatileDropped uint64
	FlushWrites     uint64 // write calls on connections
	BlockedWrites   uint64 // of those, how often the kernel took less than was offered
}

// Stats returns the counters as they are now.
func (s *Server) Stats() Stats {
	t := &s.tally
	stats := Stats{
		WebSocketsOpened: t.webSocketsOpened.Load(),
		StreamsOpened:    t.streamsOpened.Load(),
		Closed:           make(map[Reason]uint64),
		SlowClients:      t.slowClients.Load(),
		Compressed:       s.deflater.Count(),
	}
	t.mu.Lock()
	stats.Refused = maps.Clone(t.refused)
	t.mu.Unlock()
	for reason := ReasonNone + 1; reason < reasonCount; reason++ {
		stats.Closed[reason] = t.closed[reason].Load()
	}
	for _, f := range s.flushers {
		c := &f.counters
		stats.PacketsIn += c.packetsIn.Load()
		stats.BytesIn += c.bytesIn.Load()
		stats.PacketsOut += c.packetsOut.Load()
		stats.BytesOut += c.bytesOut.Load()
		stats.FlushWrites += c.flushWrites.Load()
		stats.BlockedWrites += c.blockedWrites.Load()
		stats.VolatileDropped += c.volatileDropped.Load()
	}
	for _, c := range s.all() {
		c.mu.Lock()
		stats.OutboxBytes += int64(c.bytes)
		c.mu.Unlock()
		switch c.owner.(type) {
		case *webSocketOwner:
			stats.WebSockets++
		case *streamOwner:
			stats.Streams++
		}
	}
	return stats
}
