package console

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const adminToken = "correct horse battery staple"

func newTest(change ...func(*Config)) *Console {
	cfg := Config{
		TryOut:   func(*http.Request) bool { return true },
		ClientIP: func(*http.Request) string { return "192.0.2.1" },
		Version:  "v1",
		Stats:    func() Stats { return Stats{PacketsIn: 7, Rooms: map[string]int{"user": 2}} },
		Log:      slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&cfg)
	}
	return New(cfg)
}

func gated(cfg *Config) { cfg.AdminToken = adminToken }

// ask sends one request, with headers in pairs, and returns the answer and its body.
func ask(t *testing.T, c http.Handler, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, r)
	res := rec.Result()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestFiles(t *testing.T) {
	c := newTest()
	for path, want := range map[string]struct {
		status    int
		kind, has string
	}{
		"/console":              {200, "text/html; charset=utf-8", "<title>signalbox console</title>"},
		"/console/":             {200, "text/html; charset=utf-8", "<title>signalbox console</title>"},
		"/console/app.js":       {200, "text/javascript; charset=utf-8", "import"},
		"/console/theme.js":     {200, "text/javascript; charset=utf-8", "signalbox-theme"},
		"/console/console.css":  {200, "text/css; charset=utf-8", ":root"},
		"/console/icon.svg":     {200, "image/svg+xml", "<svg"},
		"/console/login.html":   {404, "text/plain; charset=utf-8", "not found"},
		"/console/nothing.js":   {404, "text/plain; charset=utf-8", "not found"},
		"/console/../doc.go":    {404, "text/plain; charset=utf-8", "not found"},
		"/console/page/app.js":  {404, "text/plain; charset=utf-8", "not found"},
		"/console/app.js/x":     {404, "text/plain; charset=utf-8", "not found"},
		"/console/token":        {404, "text/plain; charset=utf-8", "not found"},
		"/console/logic":        {404, "text/plain; charset=utf-8", "not found"},
		"/console/login":        {405, "text/plain; charset=utf-8", "method not allowed"},
		"/console/stats":        {200, "application/json", `"packetsIn":7`},
		"/console/info":         {200, "application/json", `{"version":"v1","gated":false,"tokens":false,"logic":false}`},
		"/console/app.js?x=y":   {200, "text/javascript; charset=utf-8", "import"},
		"/console/console.html": {200, "text/html; charset=utf-8", "<title>signalbox console</title>"},
	} {
		res, body := ask(t, c, "GET", path, "")
		if res.StatusCode != want.status || res.Header.Get("Content-Type") != want.kind || !strings.Contains(body, want.has) {
			t.Errorf("GET %s = %d %s, want %d %s with %q", path, res.StatusCode, res.Header.Get("Content-Type"), want.status, want.kind, want.has)
		}
		if head, body := ask(t, c, "HEAD", path, ""); head.StatusCode != want.status || want.status == 200 && want.kind != "application/json" && body != "" {
			t.Errorf("HEAD %s = %d with %d bytes, want %d and none", path, head.StatusCode, len(body), want.status)
		}
	}
}

func TestFilesAreNotSentTwice(t *testing.T) {
	c := newTest()
	res, _ := ask(t, c, "GET", "/console/app.js", "")
	tag := res.Header.Get("ETag")
	if res, body := ask(t, c, "GET", "/console/app.js", "", "If-None-Match", tag); res.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("with its tag %s: %d, want 304", tag, res.StatusCode)
	}
	if res, _ := ask(t, c, "GET", "/console/theme.js", "", "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("another file with that tag: %d, want 200", res.StatusCode)
	}
}

func TestMethods(t *testing.T) {
	c := newTest(func(cfg *Config) { cfg.Mint = func(TokenRequest) (string, error) { return "t", nil } })
	for path, allow := range map[string]string{
		"/console": "GET, HEAD", "/console/stats": "GET, HEAD", "/console/info": "GET, HEAD", "/console/app.js": "GET, HEAD",
		"/console/console.css": "GET, HEAD", "/console/login": "POST", "/console/logout": "POST", "/console/token": "POST",
	} {
		res, _ := ask(t, c, "DELETE", path, "")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != allow {
			t.Errorf("DELETE %s = %d, Allow %q, want 405, %q", path, res.StatusCode, res.Header.Get("Allow"), allow)
		}
	}
}

func TestHeaders(t *testing.T) {
	for name, c := range map[string]*Console{"open": newTest(), "gated": newTest(gated)} {
		for _, path := range []string{"/console", "/console/app.js", "/console/stats", "/console/nothing"} {
			r := httptest.NewRequest("GET", path, nil)
			rec := httptest.NewRecorder()
			// What CORS has put there before.
			rec.Header().Set("Access-Control-Allow-Origin", "*")
			rec.Header().Set("Access-Control-Allow-Credentials", "true")
			c.ServeHTTP(rec, r)
			h := rec.Result().Header
			for key, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
				"Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": "",
			} {
				if got := h.Get(key); got != want {
					t.Errorf("%s %s: %s: %q, want %q", name, path, key, got, want)
				}
			}
			policy := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'self'", "script-src 'self';", "connect-src 'self' ws: wss:", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("%s %s: policy %q lacks %q", name, path, policy, want)
				}
			}
			if strings.Contains(policy, "unsafe") {
				t.Errorf("%s %s: policy %q", name, path, policy)
			}
			if cache := h.Get("Cache-Control"); cache != "no-store" && cache != "private, no-cache" {
				t.Errorf("%s %s: Cache-Control %q", name, path, cache)
			}
		}
	}
}

// TestPageKeepsItsPolicy looks for what the policy would refuse: scripts and styles within the page, and other hosts.
func TestPageKeepsItsPolicy(t *testing.T) {
	c := newTest()
	for name, f := range c.pages.files {
		text := string(f.body)
		for _, bad := range []string{" style=", " onclick=", " onload=", "javascript:", "innerHTML", "insertAdjacentHTML", "document.write", "eval(", "sessionStorage"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
		if strings.HasSuffix(name, ".html") && strings.Contains(text, "<script>") {
			t.Errorf("%s has a script within", name)
		}
		if f.contentType == "" {
			t.Errorf("%s has no content type", name)
		}
		if strings.Contains(text, "localStorage") && name != "theme.js" {
			t.Errorf("%s stores something: the page keeps nothing but its colours", name)
		}
	}
}

func TestPostsFromOtherSites(t *testing.T) {
	c := newTest(func(cfg *Config) { cfg.Mint = func(TokenRequest) (string, error) { return "t", nil } })
	for name, tt := range map[string]struct {
		headers []string
		want    int
	}{
		"a script without Origin": {nil, 200},
		"the page itself":         {[]string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 200},
		"an old browser":          {[]string{"Origin", "http://example.com"}, 200},
		"another site":            {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"a sister site":           {[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://app.example.com"}, 403},
		"an old browser, other":   {[]string{"Origin", "https://evil.example"}, 403},
		"a sandboxed frame":       {[]string{"Origin", "null"}, 403},
	} {
		for _, path := range []string{"/console/token", "/console/login", "/console/logout"} {
			res, _ := ask(t, c, "POST", path, "userId=1&token=x", tt.headers...)
			got := res.StatusCode
			if got == http.StatusSeeOther {
				got = 200
			}
			if got != tt.want {
				t.Errorf("%s: POST %s = %d, want %d", name, path, res.StatusCode, tt.want)
			}
		}
	}
}

func TestMakeToken(t *testing.T) {
	var asked TokenRequest
	c := newTest(func(cfg *Config) {
		cfg.Mint = func(r TokenRequest) (string, error) {
			asked = r
			if r.UserID == "" {
				return "", errors.New("a token needs a user")
			}
			return "a.b.c", nil
		}
	})
	for body, want := range map[string]struct {
		status int
		answer string
	}{
		"userId=42&name=Ada&rooms=a,+team-*,&ttl=10m": {200, `{"token":"a.b.c"}`},
		"name=Ada":                               {400, `{"error":"a token needs a user"}`},
		"userId=1&ttl=never":                     {400, `{"error":"ttl is a duration from 1s to 24h, such as 10m"}`},
		"userId=1&ttl=25h":                       {400, `{"error":"ttl is a duration from 1s to 24h, such as 10m"}`},
		"userId=1&ttl=1ms":                       {400, `{"error":"ttl is a duration from 1s to 24h, such as 10m"}`},
		"userId=%zz":                             {400, `{"error":"the form is larger than 8 KiB or cannot be read"}`},
		"userId=1;x=2":                           {400, `{"error":"the form is larger than 8 KiB or cannot be read"}`},
		"x=" + strings.Repeat("y", maxFormBytes): {400, `{"error":"the form is larger than 8 KiB or cannot be read"}`},
	} {
		if res, got := ask(t, c, "POST", "/console/token", body); res.StatusCode != want.status || got != want.answer {
			t.Errorf("token %.60q = %d %s, want %d %s", body, res.StatusCode, got, want.status, want.answer)
		}
	}
	ask(t, c, "POST", "/console/token", "userId=42&name=Ada&rooms=a,+team-*,&ttl=10m")
	got, _ := json.Marshal(asked)
	if want := `{"UserID":"42","Name":"Ada","Rooms":["a","team-*"],"TTL":600000000000}`; string(got) != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if res, body := ask(t, c, "POST", "/console/token", `{"userId":1}`, "Content-Type", "application/json"); res.StatusCode != 400 {
		t.Errorf("JSON = %d %s, want 400", res.StatusCode, body)
	}
	if res, _ := ask(t, c, "POST", "/console/token?userId=42", "name=Ada"); res.StatusCode != 400 {
		t.Errorf("the query was read: %d, want 400", res.StatusCode)
	}
}

func form(token string) string { return url.Values{"token": {token}}.Encode() }
