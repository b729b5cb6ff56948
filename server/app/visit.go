package app

import (
	"fmt"
	"net/http"
)

// Visit is what a client of a plain WebSocket or of a stream said in its request. It is valid until Connect returns; what
// is wanted later has to be taken out of it.
type Visit struct {
	// Handshake holds query, headers, address and time. Its Auth is {}.
	Handshake
	// Param returns a parameter of the route's path, decoded; "" without one.
	Param func(name string) string
	// Token is the bearer token or ticket of the request: from Authorization: Bearer, else from the query's token. It
	// is "" without one, and where several make it unclear which one counts.
	Token string
}

// Refusal turns a client away before its request became a connection. Another error from Connect does so with 500.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	// Message is told to the client: it must not hold what the client should not know. "" is the text of the status.
	Message string
}

// Error returns status and message.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s", r.Status, r.Text()) }

// Text returns what the client is told.
func (r *Refusal) Text() string {
	if r.Message == "" {
		return http.StatusText(r.Status)
	}
	return r.Message
}
