package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// redacted stands where a secret was.
const redacted = "REDACTED"

// secretParams are the query parameters whose values are not for logs, in lower case without - and _.
var secretParams = map[string]struct{}{
	"token": {}, "accesstoken": {}, "idtoken": {}, "refreshtoken": {}, "authtoken": {}, "jwt": {}, "ticket": {},
	"key": {}, "apikey": {}, "xapikey": {}, "auth": {}, "authorization": {}, "bearer": {}, "secret": {}, "clientsecret": {},
	"password": {}, "passwd": {}, "admintoken": {}, "signature": {}, "sig": {}, "code": {},
}

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

// RedactURL returns u for a log: the values of parameters that hold tokens, tickets and keys, and any value that looks
// like a JWT, are replaced, and so is a password before the host. The rest stays as it was sent, in the same order, also
// where the query is malformed; a value that cannot be read, or whose name cannot, is replaced. The fragment, which no
// request has, is left out.
func RedactURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	clean := *u
	clean.RawQuery = redactQuery(u.RawQuery)
	clean.Fragment, clean.RawFragment = "", ""
	return clean.Redacted()
}

// redactQuery works on the text, since what url.ParseQuery refuses must not slip through: a pair with a semicolon, which
// some servers take for a second separator, loses all of its value.
func redactQuery(query string) string {
	if query == "" {
		return ""
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case !ok && (likeJWT(pair) || strings.Contains(pair, ";")):
			pairs[i] = redacted
		case ok && strings.HasPrefix(name, "eyJ"):
			pairs[i] = redacted + "="
		case value != "" && (secretParam(name) || likeJWT(value) || strings.Contains(value, ";")):
			pairs[i] = name + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}

// secretParam reports whether a parameter's value is not for logs.
func secretParam(name string) bool {
	name, err := url.QueryUnescape(name)
	if err != nil || strings.Contains(name, ";") {
		return true
	}
	name = strings.ToLower(strings.NewReplacer("-", "", "_", "", "[", "", "]", "").Replace(strings.TrimSpace(name)))
	_, ok := secretParams[name]
	return ok
}

// likeJWT reports whether text begins as the base64url of {" does, or cannot be read.
func likeJWT(text string) bool {
	text, err := url.QueryUnescape(text)
	return err != nil || strings.HasPrefix(strings.TrimSpace(text), "eyJ")
}
