package conn

// Reason says why a connection ended.
type Reason uint8

const (
	// ReasonNone is the zero value: the connection has not ended.
	ReasonNone Reason = iota
	// ReasonTransportClose: the client closed the connection, or it was cut.
	ReasonTransportClose
	// ReasonTransportError: the client broke the rules of the transport (a ping from a client, two polls at once, an
	// invalid websocket frame), or a read or write failed.
	ReasonTransportError
	// ReasonPingTimeout: no pong came within the ping timeout.
	ReasonPingTimeout
	// ReasonParseError: a packet was invalid, or the [Receiver] of a [WebSocket] refused it.
	ReasonParseError
	// ReasonForcedClose: the program above closed the connection, or the [Receiver] of a [Session] refused a packet.
	ReasonForcedClose
	// ReasonServerShutdown: the server ends, see [Server.Shutdown].
	ReasonServerShutdown
	// ReasonSlowClient: more was queued for the client than [Config.OutboxBytes].
	ReasonSlowClient
	// ReasonWriteTimeout: a write made no progress for [Config.WriteTimeout].
	ReasonWriteTimeout
	// ReasonPayloadTooLarge: the client sent a message over [Config.MaxPayloadBytes].
	ReasonPayloadTooLarge
	// ReasonInternalError: the [Receiver] panicked.
	ReasonInternalError

	reasonCount
)

var reasonTexts = [reasonCount]string{
	ReasonNone:            "open",
	ReasonTransportClose:  "transport close",
	ReasonTransportError:  "transport error",
	ReasonPingTimeout:     "ping timeout",
	ReasonParseError:      "parse error",
	ReasonForcedClose:     "forced close",
	ReasonServerShutdown:  "server shutting down",
	ReasonSlowClient:      "slow client",
	ReasonWriteTimeout:    "write timeout",
	ReasonPayloadTooLarge: "payload too large",
	ReasonInternalError:   "internal error",
}

// String returns the text of the reason: for those that the reference server has too, the text it uses.
func (r Reason) String() string {
	if r >= reasonCount {
		return "unknown"
	}
	return reasonTexts[r]
}

// cut reports whether the server ended the connection for what its client did, or did not do.
func (r Reason) cut() bool {
	switch r {
	case ReasonNone, ReasonTransportClose, ReasonForcedClose, ReasonServerShutdown:
		return false
	default:
		return true
	}
}

// orderly reports whether what is queued should still reach the client, and a close frame after it.
func (r Reason) orderly() bool {
	switch r {
	case ReasonSlowClient, ReasonWriteTimeout:
		return false
	default:
		return true
	}
}
