package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"signalbox/server/rawjson"
)

// call handles one request: it returns what to answer, JSON already where it is a [json.RawMessage], or a [fault], or
// another error, which the caller is not told.
type call func(c *gin.Context) (any, error)

func (a *API) answer(f call) gin.HandlerFunc {
	return func(c *gin.Context) {
		v, err := f(c)
		if err != nil {
			a.refuse(c, err)
			return
		}
		body, ok := v.(json.RawMessage)
		if !ok {
			if body, err = rawjson.Marshal(v); err != nil {
				a.refuse(c, err)
				return
			}
		}
		send(c, http.StatusOK, body)
	}
}

// refuse answers a fault as {"error":{"code":...,"message":...},"requestId":...} and ends the request.
func (a *API) refuse(c *gin.Context, err error) {
	var f *fault
	if !errors.As(err, &f) {
		a.cfg.Log.Error("an API call failed", "route", c.FullPath(), "requestId", requestID(c), "error", err)
		f = faultf(CodeInternal, "the server failed; its log has this request id")
	}
	type detail struct {
		Code    Code   `json:"code"`
		Message string `json:"message"`
	}
	body, _ := rawjson.Marshal(struct { // of texts: it cannot fail
		Error     detail `json:"error"`
		RequestID string `json:"requestId"`
	}{detail{f.code, f.message}, requestID(c)})
	c.Abort()
	send(c, statuses[f.code], body)
}

func send(c *gin.Context, status int, body []byte) {
	h := c.Writer.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	c.Writer.WriteHeader(status)
	_, _ = c.Writer.Write(body) // who has gone does not read it
}

// Header values that every answer shares.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
)
