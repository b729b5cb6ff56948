package handlers

import "sync/atomic"

// DoorStats is what the handlers of the doors have done since they were made.
type DoorStats struct {
	// RoomMessages are messages that clients sent to rooms, by either door.
	RoomMessages uint64
	// RoomsRefused are events of /chat and messages of /ws that were answered with an error.
	RoomsRefused uint64
	// TextIgnored are messages on plain WebSockets that were no JSON object or of no known type.
	TextIgnored uint64
	// TapMessages and TapDropped are frames of /tap that went on to the streams and those that did not: bad JSON, or no
	// connectionId.
	TapMessages, TapDropped uint64
	// HistoryErrors are calls of the history that failed.
	HistoryErrors uint64
	// Unauthorized are clients that were turned away, or cut, for a missing or bad token or ticket.
	Unauthorized uint64
	// Expired are connections that ended with their token, and Renewed those that got a newer one.
	Expired, Renewed uint64
}

// doorCounters is DoorStats while it grows.
type doorCounters struct {
	roomMessages, roomsRefused, textIgnored atomic.Uint64
	tapMessages, tapDropped                 atomic.Uint64
	historyErrors                           atomic.Uint64
	unauthorized, expired, renewed          atomic.Uint64
}

func (c *doorCounters) stats() DoorStats {
	return DoorStats{
		RoomMessages:  c.roomMessages.Load(),
		RoomsRefused:  c.roomsRefused.Load(),
		TextIgnored:   c.textIgnored.Load(),
		TapMessages:   c.tapMessages.Load(),
		TapDropped:    c.tapDropped.Load(),
		HistoryErrors: c.historyErrors.Load(),
		Unauthorized:  c.unauthorized.Load(),
		Expired:       c.expired.Load(),
		Renewed:       c.renewed.Load(),
	}
}
