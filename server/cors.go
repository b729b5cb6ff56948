package server

import (
	"net/http"
	"net/url"
	"slices"
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
// requests without an Origin, which programs send, and browsers that read from the page's own host; the configured origins;
// and the server's own pages.
//
// Rule: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
func checkOrigin(origins config.Origins) func(*http.Request) bool {
	return func(r *http.Request) bool {
		sent := r.Header.Values("Origin")
		switch len(sent) {
		case 0:
			return true
		case 1:
			return origins.Contains(sent[0]) || ownPage(origins, sent[0], r.Host)
		default:
			return origins.Any() // a browser sends one
		}
	}
}

// ownPage reports whether an origin is a page of this server: it names the host that the request was sent to, and that is
// the server's own. Any host would do in the header: somebody who owns evil.example can let that name point to this server
// after a browser has loaded a page from it (DNS rebinding). So a name counts that such a browser could not have used:
// with https, since the server behind that name has shown a certificate for it; localhost or an address; and the host of a
// configured origin. TLS may have ended at a proxy, hence the scheme is that of the origin.
func ownPage(origins config.Origins, origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !strings.EqualFold(u.Host, host) {
		return false
	}
	return u.Scheme == "https" || config.LoopbackHost(host) || config.AddressHost(host) || slices.ContainsFunc(origins, func(o string) bool {
		known, err := url.Parse(o)
		return err == nil && strings.EqualFold(known.Hostname(), u.Hostname())
	})
}
