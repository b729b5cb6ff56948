package api

import (
	_ "embed"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed hooks.schema.json
var hooksSchema []byte

// sendHooksSchema serves to anybody what is posted to the application's backend and may be answered.
func sendHooksSchema(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.Data(http.StatusOK, "application/schema+json", hooksSchema)
}
