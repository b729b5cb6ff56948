package conn

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
	// ErrRefused is wrapped by the errors of [Server.Reserve] and of the methods of [Place]. The request has been
	// answered.
	ErrRefused = errors.New("connection refused")
)

// Refusal is an answer to a request that cannot be served. It is an error that wraps [ErrRefused].
//
// Rule: code and message are those of the reference implementation of Engine.IO, which clients show in their connect
// error.
type Refusal struct {
	Status  int
	Code    int // or NoBody
	Message string
	Cause   string // the name under which it is counted
}

// NoBody in place of a code means that the answer is the status alone.
const NoBody = -1

var (
	refuseShutdown = &Refusal{http.StatusServiceUnavailable, 4, "Forbidden", "shutdown"}
	refuseOrigin   = &Refusal{http.StatusForbidden, 4, "Forbidden", "origin"}
	refuseLimit    = &Refusal{http.StatusForbidden, 4, "Forbidden", "limit"}
	refuseRate     = &Refusal{http.StatusForbidden, 4, "Forbidden", "rate"}
	refuseUpgrade  = &Refusal{http.StatusBadRequest, 3, "Bad request", "upgrade"}
	refuseVersion  = &Refusal{http.StatusUpgradeRequired, 3, "Bad request", "upgrade"}
)

func (r *Refusal) Error() string { return r.Message }
func (r *Refusal) Unwrap() error { return ErrRefused }

// write answers a request with the refusal.
func (r *Refusal) write(w http.ResponseWriter) {
	var body []byte
	h := w.Header()
	if r.Code != NoBody {
		body, _ = json.Marshal(struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{r.Code, r.Message}) // a number and a constant text: it cannot fail
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r == refuseVersion {
		h.Set("Sec-WebSocket-Version", "13") // RFC 6455 section 4.4
	}
	w.WriteHeader(r.Status)
	w.Write(body) // the client may be gone: nothing depends on it
}
