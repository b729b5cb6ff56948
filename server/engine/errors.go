package engine

import (
	"net/http"

	"signalbox/server/conn"
)

var (
	refuseTransport = &conn.Refusal{Status: http.StatusBadRequest, Code: 0, Message: "Transport unknown", Cause: "transport"}
	refuseSession   = &conn.Refusal{Status: http.StatusBadRequest, Code: 1, Message: "Session ID unknown", Cause: "session"}
	refuseMethod    = &conn.Refusal{Status: http.StatusBadRequest, Code: 2, Message: "Bad handshake method", Cause: "method"}
	refuseRequest   = &conn.Refusal{Status: http.StatusBadRequest, Code: 3, Message: "Bad request", Cause: "request"}
	refuseProtocol  = &conn.Refusal{Status: http.StatusBadRequest, Code: 5, Message: "Unsupported protocol version", Cause: "protocol"}
	refuseSecond    = &conn.Refusal{Status: http.StatusBadRequest, Code: 3, Message: "Bad request", Cause: "upgrade"}
	refuseHeaders   = &conn.Refusal{Status: http.StatusRequestHeaderFieldsTooLarge, Code: 3, Message: "Bad request", Cause: "headers"}
	refuseTooLarge  = &conn.Refusal{Status: http.StatusRequestEntityTooLarge, Code: conn.NoBody, Message: "Payload too large", Cause: "payload"}
	refuseSlowBody  = &conn.Refusal{Status: http.StatusRequestTimeout, Code: conn.NoBody, Message: "Body came too slowly", Cause: "timeout"}
)

// What ends a session. A websocket gets a close frame without a code, as from the reference implementation.
var (
	errPacket    error = &conn.Fault{Reason: conn.ReasonParseError, Text: "invalid packet"}
	errReceiver  error = &conn.Fault{Reason: conn.ReasonForcedClose, Text: "packet was refused"}
	errWrongWay  error = &conn.Fault{Reason: conn.ReasonTransportError, Text: "ping or pong from the wrong side"}
	errClosing   error = &conn.Fault{Reason: conn.ReasonTransportClose, Text: "closed by the client"}
	errNoUpgrade error = &conn.Fault{Reason: conn.ReasonTransportError, Text: "not an upgrade"}
)
