package engine

import (
	"net/http"
	"net/url"
	"time"
)

// Request is what is kept of the request that opened a session. It is shared by sessions and must not be changed.
type Request struct {
	// Header holds the request's headers, Host included, without those of the websocket handshake.
	Header http.Header
	// Query is the parsed query.
	Query url.Values
	// URL is path and query as they were sent.
	URL string
	// Secure tells whether the request came over TLS.
	Secure bool
	// Time is when it came.
	Time time.Time
}
