package userlist

import "sync/atomic"

// Stats is what was done since the chat was made.
type Stats struct {
	// Logins and Logouts count users; who disconnects logs out.
	Logins, Logouts atomic.Uint64
	// Returns are the logins that took over, unnoticed, the place of a user whose node is leaving the cluster.
	Returns atomic.Uint64
	// Released counts users of nodes that have died, whose rooms this node has told.
	Released atomic.Uint64
	// LoginsRefused counts the logins that were answered with an error.
	LoginsRefused atomic.Uint64
	// RoomMessages are the messages sent to a chat room.
	RoomMessages atomic.Uint64
	// UserLists is how many lists of a room's users were queued for a socket.
	UserLists atomic.Uint64
	// MissingCallbacks counts clients that were disconnected because their event needs a callback.
	MissingCallbacks atomic.Uint64
	// StoreErrors counts calls of the user store that failed.
	StoreErrors atomic.Uint64
}

// Stats returns what was done so far; it goes on counting.
func (c *Chat) Stats() *Stats { return &c.stats }
