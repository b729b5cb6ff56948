package engine

// Transport is how a session's packets travel now.
type Transport uint8

const (
	// Polling is HTTP long-polling.
	Polling Transport = iota
	// WebSocketTransport is a websocket, from the beginning or after an upgrade.
	WebSocketTransport
)

// String returns the name that the transport has in the query of a request.
func (t Transport) String() string {
	if t == Polling {
		return "polling"
	}
	return "websocket"
}
