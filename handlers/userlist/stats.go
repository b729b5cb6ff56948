package userlist

import "sync/atomic"

// Stats is what was done since the chat was made.
type Stats struct {
	// Logins and Logouts count users; who disconnects logs out.
	Logins, Logouts uint64
	// Returns are the logins that took over, unnoticed, the place of a user whose node is leaving the cluster.
	Returns uint64
	// Released counts users of nodes that have died, whose rooms this node has told.
	Released uint64
	// LoginsRefused counts the logins that were answered with an error.
	LoginsRefused uint64
	// RoomMessages are the messages sent to a chat room.
	RoomMessages uint64
	// UserLists is how many lists of a room's users were queued for a socket.
	UserLists uint64
	// MissingCallbacks counts clients that were disconnected because their event needs a callback.
	MissingCallbacks uint64
	// StoreErrors counts calls of the user store that failed.
	StoreErrors uint64
}

// counters is Stats while it grows.
type counters struct {
	logins, logouts, loginsRefused            atomic.Uint64
	returns, released                         atomic.Uint64
	roomMessages, userLists, missingCallbacks atomic.Uint64
	storeErrors                               atomic.Uint64
}

// Stats returns what was done so far. It may be called from any goroutine.
func (c *Chat) Stats() Stats {
	n := &c.counters
	return Stats{
		Logins:           n.logins.Load(),
		Logouts:          n.logouts.Load(),
		Returns:          n.returns.Load(),
		Released:         n.released.Load(),
		LoginsRefused:    n.loginsRefused.Load(),
		RoomMessages:     n.roomMessages.Load(),
		UserLists:        n.userLists.Load(),
		MissingCallbacks: n.missingCallbacks.Load(),
		StoreErrors:      n.storeErrors.Load(),
	}
}
