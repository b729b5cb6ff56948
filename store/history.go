package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Errors of a [History].
var (
	// ErrHistoryClosed is returned by every method once Close was called.
	ErrHistoryClosed = errors.New("history is closed")
	// ErrMessageTooLarge is returned for a message that alone is over the bound on a room.
	ErrMessageTooLarge = errors.New("message is larger than a room's history may be")
	// ErrUnknownMessage is returned for a cursor whose message is not, or no longer, in the room's history.
	ErrUnknownMessage = errors.New("no such message in the history of the room")
)

// Message is one message of a room as the history keeps it.
//
// The fields are strings because they are shared: the same bytes are held by the history and by everybody who read
// them, and nobody can change them.
type Message struct {
	// ID is what the message is found by. It may be a piece of JSON, then it costs nothing beside it.
	ID string
	// JSON is the message as clients get it, ready-made. It is kept and returned byte for byte and is not checked.
	JSON string
	// Time is when the message was sent. It is kept to the millisecond and returned in UTC.
	Time time.Time
}

// History keeps the last messages of rooms. All methods may be called from any goroutine.
//
// The messages of a room are in the order in which they were appended, and a message is seen by every call that starts
// after its Append has returned. What is kept is bounded by [HistoryLimits]; only appending counts as use of a room.
//
// An error from Last or Before that is none of this package's means that older messages could not be read: the messages
// returned beside it are the newest ones of the page, without a gap, as far as they could be had.
type History interface {
	// Append adds the newest message of a room. It never waits for a disk or a network. It returns ErrMessageTooLarge
	// or ErrHistoryClosed; that a message could not be made durable is no error, it is counted (see HistoryStats.Lost).
	Append(room string, m Message) error
	// Last returns the last n messages of a room, oldest first. The slice is the caller's own. A room nobody wrote to
	// has none.
	Last(ctx context.Context, room string, n int) ([]Message, error)
	// Before returns the limit messages of a room just before the cursor, oldest first; fewer means there are no older
	// ones. It returns ErrUnknownMessage for a cursor that fits nothing.
	Before(ctx context.Context, room string, before Cursor, limit int) ([]Message, error)
	// Stats returns counts for metrics.
	Stats() HistoryStats
	// Close makes durable what is not yet, where the history is durable at all, and ends it. It returns an error where
	// it had to give up because ctx ended. Closing again waits for the same end and returns the same.
	Close(ctx context.Context) error
}

// Cursor is a place in a room's history, from which older messages are read.
type Cursor struct {
	// ID is a message's id: older means before that message. Where several have it, the newest counts.
	ID string
	// Time counts where ID is empty or not in the room's history: older means up to the newest message that was sent
	// before Time. The zero Time fits nothing.
	Time time.Time
}

// ParseCursor reads what a client says it wants the messages before: a timestamp as messages carry it (RFC 3339), a
// time in milliseconds since 1970 (up to 18 digits), or else a message's id.
func ParseCursor(text string) Cursor {
	if n := len(text); n > 0 && n <= 18 {
		if milli, err := strconv.ParseUint(text, 10, 63); err == nil {
			return Cursor{Time: time.UnixMilli(int64(milli)).UTC()}
		}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return Cursor{Time: t}
	}
	return Cursor{ID: text}
}

// HistoryLimits bound a history. A zero field stands for its default.
type HistoryLimits struct {
	// RoomMessages and RoomBytes bound one room; its oldest messages go first. A message counts with its JSON, its ID
	// and an overhead of less than 100 bytes. Defaults: 1,000 messages and 4 MiB.
	RoomMessages int
	RoomBytes    int64
	// Messages and Bytes bound all rooms; the rooms that waited longest for a new message go first (on disk that is
	// known to the minute), as a whole, and the room that was written to last stays. Defaults in memory: 200,000
	// messages and 64 MiB.
	Messages int
	Bytes    int64
}

// DefaultHistoryLimits returns the limits of a history in memory.
func DefaultHistoryLimits() HistoryLimits {
	return HistoryLimits{RoomMessages: 1000, RoomBytes: 4 << 20, Messages: 200_000, Bytes: 64 << 20}
}

// Resolve returns the limits with the zero fields taken from defaults. A bound on one room that is a default is lowered
// to the bound on all rooms. It returns an error naming each field that is negative, or above the bound on all rooms.
func (l HistoryLimits) Resolve(defaults HistoryLimits) (HistoryLimits, error) {
	set := l
	if l.Messages == 0 {
		l.Messages = defaults.Messages
	}
	if l.Bytes == 0 {
		l.Bytes = defaults.Bytes
	}
	if l.RoomMessages == 0 {
		l.RoomMessages = min(defaults.RoomMessages, l.Messages)
	}
	if l.RoomBytes == 0 {
		l.RoomBytes = min(defaults.RoomBytes, l.Bytes)
	}
	var errs []error
	check := func(name string, value, all int64) {
		if value < 0 {
			errs = append(errs, fmt.Errorf("history limits: %s is %d, must not be negative", name, value))
		} else if value > all {
			errs = append(errs, fmt.Errorf("history limits: %s is %d, above the %d for all rooms", name, value, all))
		}
	}
	check("Messages", int64(set.Messages), int64(l.Messages))
	check("Bytes", set.Bytes, l.Bytes)
	check("RoomMessages", int64(l.RoomMessages), int64(max(l.Messages, 0)))
	check("RoomBytes", l.RoomBytes, max(l.Bytes, 0))
	if err := errors.Join(errs...); err != nil {
		return HistoryLimits{}, err
	}
	return l, nil
}

// HistoryStats are counts of a [History]. The ones about durability stay zero where everything is in memory.
type HistoryStats struct {
	Rooms    int    // rooms held in memory
	Messages int    // messages held in memory
	Bytes    int64  // what rooms and messages in memory count for against the limits
	Evicted  uint64 // rooms that left the memory because of the bounds on all rooms

	Pending      int    // messages that are not yet written
	Written      uint64 // messages written
	Lost         uint64 // messages that were never written because too many were waiting
	Failures     uint64 // writes that failed; their messages go on waiting
	Damaged      uint64 // records that could not be read back
	DiskMessages int64  // messages on disk
	DiskBytes    int64  // bytes in use on disk, the log of the last writes not counted
}

// AppendMessages appends messages to dst as a JSON array.
func AppendMessages(dst []byte, messages []Message) []byte {
	dst = append(dst, '[')
	for i := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, messages[i].JSON...)
	}
	return append(dst, ']')
}
