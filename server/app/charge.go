package app

// Weights of what a client sends, in events that are passed on: MAX_EVENTS_PER_SECOND counts in these.
const (
	// WeightConnect is that of a CONNECT, answered or refused, and of the opening of a plain WebSocket: it may check a token
	// and runs a handler.
	WeightConnect = 10
	// WeightCostly is what a message weighs more that costs commands of Redis, a list that a whole room is sent, or the check of
	// a token: a join, a login, a renewal.
	WeightCostly = 9
	// WeightAsked is what an event weighs more that is handed to the application's own backend, and WeightConnectAsked what
	// a CONNECT does.
	WeightAsked, WeightConnectAsked = 4, 10

	// inflatedBytes is how much longer than it came a message inflates to that weighs one more.
	inflatedBytes = 4 << 10
)

// WeightInflated is what messages weigh more that have grown by so many bytes since they came.
func WeightInflated(bytes int) float64 { return float64(bytes / inflatedBytes) }

// Charger is a [Peer] or a [TextPeer] that counts what its client's messages cost. Each counts 1 when it comes; Charge adds
// to that. It is called on the goroutine that handles the message, which goes on: the client's next message waits.
type Charger interface {
	Charge(weight float64)
}

// Charge counts a message of peer's client as so many more, where peer is a [Charger].
func Charge(peer any, weight float64) {
	if c, ok := peer.(Charger); ok {
		c.Charge(weight)
	}
}

// Cut ends the connection of a client as a network does, where sink is a Socket.IO client's: it comes back by itself, and as a new
// one.
func Cut(sink any) {
	if c, ok := sink.(interface{ Cut() }); ok {
		c.Cut()
	}
}
