package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"signalbox/server/hub"
)

// query is the query of a request, in which each parameter is known and there once.
type query url.Values

// queryOf reads the query of a request.
func queryOf(c *gin.Context) (query, error) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, faultf(CodeInvalidRequest, "the query cannot be read")
	}
	return query(values), nil
}

// check is strict, as bodies are read.
func (q query) check(known ...string) error {
	for name, list := range q {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return faultf(CodeUnknownField, "%q is not known; this call takes no query", clip(name))
		case !slices.Contains(known, name):
			return faultf(CodeUnknownField, "%q is not known; there are %s", clip(name), strings.Join(known, ", "))
		case len(list) > 1:
			return faultf(CodeInvalidRequest, "%s is there twice", name)
		}
	}
	return nil
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

// nameIn decodes a name in the path: UTF-8, percent-encoded where it holds what a path cannot.
func nameIn(c *gin.Context, parameter string) (string, error) {
	if parameter == "" {
		return "", nil
	}
	name, err := url.PathUnescape(strings.TrimPrefix(c.Param(parameter), "/"))
	if err != nil || name == "" || !utf8.ValidString(name) {
		what := parameter
		if what == "id" {
			what = "user"
		}
		return "", faultf(CodeInvalidRequest, "the path has no good name for a %s; write it in UTF-8, percent-encoded", what)
	}
	return name, nil
}
