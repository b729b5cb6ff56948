package api

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

var (
	//go:embed openapi.yaml
	description []byte
	//go:embed hooks.schema.json
	hooksSchema []byte
)

// Description returns openapi.yaml, which describes every call of the API.
func Description() []byte { return append([]byte(nil), description...) }

// sendText serves a description to anybody: it holds nothing that the documentation does not.
func sendText(contentType string, text []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", "no-cache")
		c.Data(http.StatusOK, contentType, text)
	}
}
