package engine

// Stats is a reading of the engine's counters. Totals count from the start of the server.
type Stats struct {
	// Open connections now.
	PollingSessions   int64
	WebSocketSessions int64
	WebSockets        int64 // plain ones
	Streams           int64

	// OutboxBytes is what is queued for all clients now.
	OutboxBytes int64

	SessionsOpened   uint64
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

	Upgrades        uint64
	UpgradesFailed  uint64
	SlowClients     uint64 // connections ended by a full outbox or a stalled write
	VolatileDropped uint64
	FlushWrites     uint64 // write calls on connections
	BlockedWrites   uint64 // of those, how often the kernel took less than was offered
}
