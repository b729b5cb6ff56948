package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"signalbox/server/hub"
)

// query is the query of a request, in which each parameter is known and there once.
type query url.Values

// queryOf reads the query strictly, as bodies are read.
func queryOf(c *gin.Context, known ...string) (query, error) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, faultf(CodeInvalidRequest, "the query cannot be read")
	}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return nil, faultf(CodeUnknownField, "%q is not known; this call takes no query", clip(name))
		case !slices.Contains(known, name):
			return nil, faultf(CodeUnknownField, "%q is not known; there are %s", clip(name), strings.Join(known, ", "))
		case len(list) > 1:
			return nil, faultf(CodeInvalidRequest, "%s is there twice", name)
		}
	}
	return query(values), nil
}

func (q query) get(name string) string { return url.Values(q).Get(name) }

// number returns a parameter from 1 to most, or otherwise where there is none.
func (q query) number(name string, otherwise, most int) (int, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, faultf(CodeInvalidRequest, "%s must be a number from 1 to %d", name, most)
	}
	return n, nil
}

// kinds returns the kind of room that a parameter names, or otherwise where there is none.
func (q query) kinds(name string, known []hub.Kind, otherwise ...hub.Kind) ([]hub.Kind, error) {
	text := q.get(name)
	if text == "" {
		return otherwise, nil
	}
	names := make([]string, len(known))
	for i, k := range known {
		if k.String() == text {
			return []hub.Kind{k}, nil
		}
		names[i] = k.String()
	}
	return nil, faultf(CodeInvalidRequest, "%s must be one of %s", name, strings.Join(names, ", "))
}
