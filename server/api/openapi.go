package api

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.yaml
var description []byte

// Description returns openapi.yaml, which describes every call of the API.
func Description() []byte { return append([]byte(nil), description...) }

// sendDescription serves the description to anybody: it holds nothing that the documentation does not.
func sendDescription(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", description)
}
