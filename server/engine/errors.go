package engine

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

var (
	// ErrClosed is returned for a connection that has ended or is about to.
	ErrClosed = errors.New("connection is closed")
	// ErrSlowClient is returned by the Send that found the outbox full. It ended the connection.
	ErrSlowClient = errors.New("client reads too slowly")
	// ErrRefused is wrapped by the errors of [Server.Reserve], [Place.WebSocket] and [Place.Stream]. The request has been
	// answered.
	ErrRefused = errors.New("connection refused")
)

// refusal is an answer to a request that cannot be served.
//
// Rule: code and message are those of the reference implementation, which clients show in their connect error.
type refusal struct {
	status  int
	code    int
	message string
	cause   string // the name under which it is counted
}

// noBody in place of a code means that the reference implementation answers with the status alone.
const noBody = -1

var (
	refuseTransport = &refusal{http.StatusBadRequest, 0, "Transport unknown", "transport"}
	refuseSession   = &refusal{http.StatusBadRequest, 1, "Session ID unknown", "session"}
	refuseMethod    = &refusal{http.StatusBadRequest, 2, "Bad handshake method", "method"}
	refuseRequest   = &refusal{http.StatusBadRequest, 3, "Bad request", "request"}
	refuseOrigin    = &refusal{http.StatusForbidden, 4, "Forbidden", "origin"}
	refuseLimit     = &refusal{http.StatusForbidden, 4, "Forbidden", "limit"}
	refuseRate      = &refusal{http.StatusForbidden, 4, "Forbidden", "rate"}
	refuseShutdown  = &refusal{http.StatusServiceUnavailable, 4, "Forbidden", "shutdown"}
	refuseProtocol  = &refusal{http.StatusBadRequest, 5, "Unsupported protocol version", "protocol"}
	refuseUpgrade   = &refusal{http.StatusBadRequest, 3, "Bad request", "upgrade"}
	refuseSecond    = &refusal{http.StatusBadRequest, 3, "Bad request", "upgrade"}
	refuseVersion   = &refusal{http.StatusUpgradeRequired, 3, "Bad request", "upgrade"}
	refuseHeaders   = &refusal{http.StatusRequestHeaderFieldsTooLarge, 3, "Bad request", "headers"}
	refuseTooLarge  = &refusal{http.StatusRequestEntityTooLarge, noBody, "Payload too large", "payload"}
	refuseSlowBody  = &refusal{http.StatusRequestTimeout, noBody, "Body came too slowly", "timeout"}
)

func (r *refusal) Error() string { return r.message }
func (r *refusal) Unwrap() error { return ErrRefused }

// write answers a request with the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	var body []byte
	h := w.Header()
	if r.code != noBody {
		body, _ = json.Marshal(struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{r.code, r.message}) // a number and a constant text: it cannot fail
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r == refuseVersion {
		h.Set("Sec-WebSocket-Version", "13") // RFC 6455 section 4.4
	}
	w.WriteHeader(r.status)
	w.Write(body) // the client may be gone: nothing depends on it
}
