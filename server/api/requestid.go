package api

import (
	"fmt"
	"math/rand/v2"

	"github.com/gin-gonic/gin"
)

const (
	requestIDHeader = "X-Request-Id"
	// maxRequestIDBytes bounds an id from outside: it goes into logs.
	maxRequestIDBytes = 128
)

// identify gives the request an id, that of the caller or of a proxy where it is fit for logs, and tells it in the
// answer.
func (a *API) identify(c *gin.Context) {
	given := c.Request.Header[requestIDHeader]
	if len(given) == 1 && isRequestID(given[0]) {
		c.Writer.Header()[requestIDHeader] = given
		return
	}
	c.Writer.Header()[requestIDHeader] = []string{newRequestID()}
}

func requestID(c *gin.Context) string { return c.Writer.Header().Get(requestIDHeader) }

// isRequestID reports whether an id is 1 to 128 letters, digits and characters of common kinds of ids.
func isRequestID(s string) bool {
	if s == "" || len(s) > maxRequestIDBytes {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// newRequestID returns 32 hex digits. They tell requests apart and keep no secret.
func newRequestID() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }
