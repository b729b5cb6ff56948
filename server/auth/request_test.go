package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestFromRequest(t *testing.T) {
	for name, c := range map[string]struct {
		target  string
		headers []string
		want    string
	}{
		"none":                    {"/", nil, ""},
		"header":                  {"/", []string{"Bearer a.b.c"}, "a.b.c"},
		"header in lower case":    {"/", []string{"bearer a.b.c"}, "a.b.c"},
		"header in upper case":    {"/", []string{"BEARER a.b.c"}, "a.b.c"},
		"header with spaces":      {"/", []string{"  Bearer   a.b.c "}, "a.b.c"},
		"query":                   {"/?token=a.b.c", nil, "a.b.c"},
		"query, escaped":          {"/?x=1&token=a%2Eb.c", nil, "a.b.c"},
		"header before query":     {"/?token=d.e.f", []string{"Bearer a.b.c"}, "a.b.c"},
		"empty bearer, query":     {"/?token=d.e.f", []string{"Bearer "}, ""},
		"another scheme":          {"/", []string{"Basic dXNlcjpwYXNz"}, ""},
		"another scheme, query":   {"/?token=d.e.f", []string{"Basic dXNlcjpwYXNz"}, "d.e.f"},
		"scheme alone":            {"/", []string{"Bearer"}, ""},
		"no scheme":               {"/", []string{"a.b.c"}, ""},
		"scheme runs on":          {"/", []string{"Bearera.b.c"}, ""},
		"two headers":             {"/?token=d.e.f", []string{"Bearer a.b.c", "Bearer d.e.f"}, ""},
		"two in the query":        {"/?token=a.b.c&token=d.e.f", nil, ""},
		"query in another case":   {"/?Token=a.b.c", nil, ""},
		"query broken, token not": {"/?%zz=1&token=a.b.c", nil, "a.b.c"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, c.target, nil)
			r.Header["Authorization"] = c.headers
			if got := FromRequest(r); got != c.want {
				t.Errorf("FromRequest = %q, want %q", got, c.want)
			}
		})
	}
}
