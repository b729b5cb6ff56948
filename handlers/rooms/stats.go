package rooms

// Stats is what was done since the rooms were made.
type Stats struct {
	// Messages are those that clients sent to rooms, by either door.
	Messages uint64
	// Refused are events of /chat and messages of /ws that were answered with an error.
	Refused uint64
	// Ignored are messages of /ws that were no JSON object or of no known type.
	Ignored uint64
	// HistoryErrors are calls of the history that failed.
	HistoryErrors uint64
	// NotKept are messages that were delivered and not kept: their sender's share of the history was used up.
	NotKept uint64
}

// Stats may be called from any goroutine.
func (r *Rooms) Stats() Stats {
	return Stats{
		Messages: r.messages.Load(), Refused: r.refused.Load(), Ignored: r.ignored.Load(), HistoryErrors: r.historyErrors.Load(),
		NotKept: r.notKept.Load(),
	}
}
