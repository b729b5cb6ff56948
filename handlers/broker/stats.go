package broker

import "sync/atomic"

// Reason says why an event of the broker delivered nothing. Its text goes to the client's callback, to the debug log
// and to the metrics.
type Reason uint8

const (
	// ReasonNoData is an event whose first argument is missing or null.
	ReasonNoData Reason = iota
	// ReasonNoRecipient is an event whose data names no recipientUserId.
	ReasonNoRecipient
	// ReasonNoSender is a join whose data names no senderUserId.
	ReasonNoSender
	// ReasonReservedEvent is an event named error.
	ReasonReservedEvent
	// ReasonNotOneself is a senderUserId that is not the authenticated user's own.
	ReasonNotOneself
	// ReasonIDTooLong is a join with an id of more than [MaxIDBytes].
	ReasonIDTooLong
	// ReasonTooManyRooms is a join of a socket that is in as many rooms as the hub lets it.
	ReasonTooManyRooms

	reasons
)

// String returns the reason in words.
func (r Reason) String() string {
	switch r {
	case ReasonNoData:
		return "data is missing or null"
	case ReasonNoRecipient:
		return "recipientUserId is missing"
	case ReasonNoSender:
		return "senderUserId is missing"
	case ReasonReservedEvent:
		return "this event name cannot be relayed"
	case ReasonNotOneself:
		return "senderUserId is not your own"
	case ReasonIDTooLong:
		return "senderUserId is too long"
	case ReasonTooManyRooms:
		return "this socket is in too many rooms"
	default:
		return "unknown"
	}
}

// Label returns the reason as one word for metrics: there are as many as there are reasons.
func (r Reason) Label() string {
	switch r {
	case ReasonNoData:
		return "no_data"
	case ReasonNoRecipient:
		return "no_recipient"
	case ReasonNoSender:
		return "no_sender"
	case ReasonReservedEvent:
		return "reserved_event"
	case ReasonNotOneself:
		return "not_oneself"
	case ReasonIDTooLong:
		return "id_too_long"
	case ReasonTooManyRooms:
		return "too_many_rooms"
	default:
		return "unknown"
	}
}

// Stats is what the broker has done since it was made. All are counts of events, unless they say otherwise.
type Stats struct {
	// Joins, Times and Relayed are the events that were carried out.
	Joins, Times, Relayed atomic.Uint64
	// Delivered is how many sockets the relayed events were queued for. Those on other nodes of a cluster are in it where
	// the sender asked for an answer: only then are they counted.
	Delivered atomic.Uint64
	// Undeliverable is how many events delivered nothing, by reason.
	Undeliverable [reasons]atomic.Uint64
}
