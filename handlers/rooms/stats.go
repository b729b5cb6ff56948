package rooms

import "sync/atomic"

// Stats is what was done since the rooms were made.
type Stats struct {
	// Messages are those that clients sent to rooms, by either door.
	Messages atomic.Uint64
	// Refused are events of /chat and messages of /ws that were answered with an error.
	Refused atomic.Uint64
	// Ignored are messages of /ws that were no JSON object or of no known type.
	Ignored atomic.Uint64
	// HistoryErrors are calls of the history that failed.
	HistoryErrors atomic.Uint64
	// NotKept are messages that were delivered and not kept: their sender's share of the history was used up.
	NotKept atomic.Uint64
}

// Stats returns what was done so far; it goes on counting.
func (r *Rooms) Stats() *Stats { return &r.stats }
