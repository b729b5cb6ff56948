package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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

func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"/events/user/42":                              "/events/user/42",
		"/socket.io/?EIO=4&transport=polling&t=x":      "/socket.io/?EIO=4&transport=polling&t=x",
		"/events/user/42?token=a.b.c":                  "/events/user/42?token=REDACTED",
		"/?a=1&token=a.b.c&b=2":                        "/?a=1&token=REDACTED&b=2",
		"/?TOKEN=x&Api_Key=x&api-key=x&apikey=x&key=x": "/?TOKEN=REDACTED&Api_Key=REDACTED&api-key=REDACTED&apikey=REDACTED&key=REDACTED",
		"/?access_token=x&ticket=x&jwt=x&password=x":   "/?access_token=REDACTED&ticket=REDACTED&jwt=REDACTED&password=REDACTED",
		"/?to%6ben=x":                                  "/?to%6ben=REDACTED",
		"/?token[]=x&auth[token]=y&keyboard=z":         "/?token[]=REDACTED&auth[token]=REDACTED&keyboard=z",
		"/?token=&token":                               "/?token=&token",
		"/?token=a=b=c":                                "/?token=REDACTED",
		"/?%zz=x&a=%zz":                                "/?%zz=REDACTED&a=REDACTED",
		"/?token=x;y&a=1;token=x":                      "/?token=REDACTED&a=REDACTED",
		"/?a;token=x&a;eyJ":                            "/?a;token=REDACTED&REDACTED",
		"/?a=eyJhbGciOiJub25lIn0.e30.":                 "/?a=REDACTED",
		"/?eyJhbGciOiJub25lIn0.e30.&eyJh=1":            "/?REDACTED&REDACTED=",
		"/?a=%65yJhbGciOiJub25lIn0.e30.":               "/?a=REDACTED",
		"https://user:pass@host/x?token=y#token=z":     "https://user:xxxxx@host/x?token=REDACTED",
		"/?&&=&=x&a=+":                                 "/?&&=&=x&a=+",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		before := *u
		if got := RedactURL(u); got != want {
			t.Errorf("RedactURL(%q) = %q, want %q", in, got, want)
		}
		if *u != before {
			t.Errorf("RedactURL(%q) changed what it was given", in)
		}
	}
	if got := RedactURL(nil); got != "" {
		t.Errorf("RedactURL(nil) = %q", got)
	}
}

// FuzzRedactURL: whatever a server would take for the token is not in the log.
func FuzzRedactURL(f *testing.F) {
	f.Add("token=SECRETSECRET")
	f.Add("a=1&t%6Fken=SECRETSECRET")
	f.Add("a;token=SECRETSECRET;b")
	f.Add("token=SECRETSECRET%zz")
	f.Fuzz(func(t *testing.T, query string) {
		const secret = "SECRETSECRET"
		u := &url.URL{Path: "/", RawQuery: query}
		if !strings.Contains(u.Query().Get("token"), secret) || strings.Count(query, secret) != 1 {
			return
		}
		if got := RedactURL(u); strings.Contains(got, secret) {
			t.Errorf("RedactURL(%q) = %q", query, got)
		}
	})
}
