package server

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"signalbox/config"
)

// preflightSeconds is how long a browser may remember the answer to a preflight.
const preflightSeconds = 600

// allowCORS puts the CORS headers on every answer of next and answers preflights itself, with 204. Cookies and other
// credentials are allowed to a list of origins, never to all of them.
//
// Rule: https://fetch.spec.whatwg.org/#http-cors-protocol
func allowCORS(origins config.Origins, next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins:   origins,
		AllowCredentials: !origins.Any(),
		AllowedMethods:   []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders:   []string{"*"},
		MaxAge:           preflightSeconds,
	}).Handler(next)
}

// checkOrigin returns what decides whether a request may open a realtime connection. CORS does not protect websockets: a
// browser opens them to any host and leaves the decision to the server (cross-site websocket hijacking). Allowed are
// requests without an Origin, which no browser sends; pages of this very host, since a browser asks nobody about those;
// and the configured origins.
//
// Rule: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
func checkOrigin(origins config.Origins) func(*http.Request) bool {
	return func(r *http.Request) bool {
		sent := r.Header.Values("Origin")
		switch len(sent) {
		case 0:
			return true
		case 1:
			return origins.Contains(sent[0]) || sameHost(sent[0], r.Host)
		default:
			return origins.Any() // a browser sends one
		}
	}
}

// sameHost reports whether an origin names the host the request was sent to. The scheme does not count: behind a proxy
// that ends TLS, the server does not know it.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, host)
}
