package server

import (
	"net/http"
	"net/url"
	"strings"

	"signalbox/config"
)

// alsoAt has next see requests for other paths of Socket.IO, and what is below them, as requests for its own.
func alsoAt(paths config.Paths, next http.Handler) http.Handler {
	if len(paths) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, path := range paths {
			rest, ok := strings.CutPrefix(r.URL.Path, path)
			if !ok || rest != "" && rest[0] != '/' || r.URL.RawPath != "" { // or escaped, which routes refuse
				continue
			}
			own := new(http.Request)
			*own = *r
			own.URL = new(url.URL)
			*own.URL = *r.URL
			own.URL.Path = config.SocketPath + rest
			r = own
			break
		}
		next.ServeHTTP(w, r)
	})
}
