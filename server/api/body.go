package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signalbox/server/rawjson"
)

// readBody returns the body of a request, bounded by MaxBodyBytes whatever its header says.
func (a *API) readBody(c *gin.Context) ([]byte, error) {
	limit := a.limit.Load()
	size := c.Request.ContentLength
	if size > limit {
		return nil, a.tooLarge()
	}
	buf := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead))
	_, err := buf.ReadFrom(http.MaxBytesReader(c.Writer, c.Request.Body, limit))
	var over *http.MaxBytesError
	switch {
	case err == nil:
		// The deadline for the body is on the connection still: passing it would look like a caller who has gone.
		_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // fails in tests without a connection only
		return buf.Bytes(), nil
	case errors.As(err, &over):
		return nil, a.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, faultf(CodeTimeout, "the body did not arrive in time")
	default:
		return nil, faultf(CodeInvalidRequest, "the body could not be read to its end")
	}
}

func (a *API) tooLarge() error {
	return faultf(CodeTooLarge, "a body may have %d bytes", a.limit.Load())
}

// member is one member that a body may have.
type member struct {
	name string
	into any    // a pointer to what it is decoded to
	want string // what it has to be, for the caller to read
}

// decode reads body as one JSON object with no members but these, each at most once and none of them null, unless it is
// wanted as [json.RawMessage]. Names count as they are written, upper and lower case apart. An empty body is an object
// without members.
func decode(body []byte, members ...member) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	w := rawjson.Object(body)
	if w.Err() != nil {
		return faultf(CodeInvalidJSON, "the body must be a JSON object")
	}
	var seen uint64 // a bit for each member
	for {
		name, raw, ok := w.Next()
		if !ok {
			return nil
		}
		i := slices.IndexFunc(members, func(m member) bool { return m.name == string(name) })
		if i < 0 {
			return unknown(string(name), members)
		}
		if seen&(1<<i) != 0 {
			return faultf(CodeInvalidRequest, "%s is there twice", name)
		}
		seen |= 1 << i
		if err := members[i].decode(raw); err != nil {
			return err
		}
	}
}

// checkJSON reports whether body is one JSON value in UTF-8 that clients will read.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		// It would reach clients in text frames, and a client has to fail a connection on which such a thing comes.
		return faultf(CodeInvalidJSON, "the body is not UTF-8")
	}
	if err := rawjson.Check(body); err != nil {
		return invalid(body, err)
	}
	return nil
}

// decode puts a value where it belongs. A value that is wanted as it is shares the body's memory.
func (m member) decode(raw json.RawMessage) error {
	if into, ok := m.into.(*json.RawMessage); ok {
		*into = raw
		return nil
	}
	if string(raw) != "null" {
		err := json.Unmarshal(raw, m.into)
		if err == nil {
			return nil
		}
		if f := (*fault)(nil); errors.As(err, &f) {
			return faultf(f.code, "%s: %s", m.name, f.message)
		}
	}
	return faultf(CodeInvalidRequest, "%s must be %s", m.name, m.want)
}

// invalid says where a body is not JSON, or that it nests too deep.
func invalid(body []byte, err error) error {
	if errors.Is(err, rawjson.ErrDepth) {
		return faultf(CodeInvalidRequest, "the body nests deeper than %d levels", rawjson.MaxDepth)
	}
	var v json.RawMessage
	var fault *json.SyntaxError
	if errors.As(json.Unmarshal(body, &v), &fault) {
		return faultf(CodeInvalidJSON, "the body is not JSON: see byte %d", fault.Offset)
	}
	return faultf(CodeInvalidJSON, "the body is not JSON")
}

// unknown names a member that is not known, and those that are.
func unknown(name string, members []member) error {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	if len(names) == 0 {
		return faultf(CodeUnknownField, "%q is not known; this call takes no members", clip(name))
	}
	return faultf(CodeUnknownField, "%q is not known; there are %s", clip(name), strings.Join(names, ", "))
}

// clip bounds what is repeated to the caller.
func clip(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
