package api

import (
	"strings"

	"github.com/gin-gonic/gin"

	"signalbox/server/auth"
)

// MinKeyBytes is the length below which a key is called short: one that can be tried out over the network.
const MinKeyBytes = 16

// NewKey makes up a key for one run of a server that nobody has configured: 64 hex digits.
func NewKey() string { return auth.NewRandomSecret() }

// guard lets through who sends the key, as X-API-Key or as Authorization: Bearer. The comparison takes the same time
// for every wrong key.
func (a *API) guard(c *gin.Context) {
	if c.Request.Context().Value(connected{}) != nil {
		return
	}
	key := *a.key.Load()
	if key == "" {
		a.refuse(c, faultf(CodeDisabled, "the API is off: start the server with API_KEY set"))
		return
	}
	if !auth.KeyMatches(keyOf(c), key) {
		c.Header("WWW-Authenticate", `Bearer realm="signalbox API"`)
		a.refuse(c, faultf(CodeUnauthorized, "send the API key as Authorization: Bearer <key> or X-API-Key: <key>"))
	}
}

// keyOf returns the key that a request brings, "" without one.
func keyOf(c *gin.Context) string {
	if keys := c.Request.Header["X-Api-Key"]; len(keys) > 0 {
		return keys[0]
	}
	scheme, key, _ := strings.Cut(c.Request.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}
