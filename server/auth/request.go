package auth

import (
	"net/http"
	"strings"
)

// FromRequest returns the token of a request: from Authorization: Bearer, else from the query's token, for browsers'
// EventSource and WebSocket, which cannot set headers. "" means that there is none, or more than one in the same place,
// where it would be anybody's guess which one counts; [Verifier.Verify] refuses it with [ErrNoToken]. An Authorization
// header of another scheme is not ours and does not count.
//
// Rules: [RFC 9110 authentication scheme] (its case does not matter), [RFC 6750 bearer token].
//
// [RFC 9110 authentication scheme]: https://www.rfc-editor.org/rfc/rfc9110#section-11.1
// [RFC 6750 bearer token]: https://www.rfc-editor.org/rfc/rfc6750#section-2
func FromRequest(r *http.Request) string {
	if headers := r.Header.Values("Authorization"); len(headers) > 1 {
		return ""
	} else if len(headers) == 1 {
		scheme, token, _ := strings.Cut(strings.TrimSpace(headers[0]), " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	if tokens := r.URL.Query()["token"]; len(tokens) == 1 {
		return tokens[0]
	}
	return ""
}
