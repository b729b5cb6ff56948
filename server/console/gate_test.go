package console

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/server/signin"
)

func TestGateRefuses(t *testing.T) {
	c := newTest(gated, func(cfg *Config) { cfg.Mint = func(TokenRequest) (string, error) { return "t", nil } })
	for _, tt := range []struct{ method, path string }{
		{"GET", "/console"}, {"GET", "/console/"}, {"HEAD", "/console"}, {"POST", "/console"}, {"GET", "/console/app.js"},
		{"GET", "/console/console.html"}, {"GET", "/console/stats"}, {"GET", "/console/info"}, {"POST", "/console/token"}, {"GET", "/console/nothing"},
	} {
		for name, headers := range map[string][]string{
			"nothing":            nil,
			"a wrong cookie":     {"Cookie", cookieName + "=" + strings.Repeat("A", 43)},
			"an empty cookie":    {"Cookie", cookieName + "="},
			"the token in it":    {"Cookie", cookieName + "=" + adminToken},
			"basic":              {"Authorization", "Basic " + adminToken},
			"the token, no word": {"Authorization", adminToken},
		} {
			res, body := ask(t, c, tt.method, tt.path, "", headers...)
			if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s %s with %s = %d, want 401 and WWW-Authenticate", tt.method, tt.path, name, res.StatusCode)
			}
			if strings.Contains(body, "packetsIn") || strings.Contains(body, "import ") || strings.Contains(body, "data-name") {
				t.Errorf("%s %s with %s shows %q", tt.method, tt.path, name, body)
			}
		}
	}
	if _, body := ask(t, c, "GET", "/console", ""); !strings.Contains(body, `action="/console/login"`) {
		t.Errorf("no login form: %s", body)
	}
	for _, path := range []string{"/console/console.css", "/console/theme.js", "/console/icon.svg"} {
		if res, _ := ask(t, c, "GET", path, ""); res.StatusCode != http.StatusOK {
			t.Errorf("GET %s, which the form needs, = %d, want 200", path, res.StatusCode)
		}
	}
}

func TestBearer(t *testing.T) {
	c := newTest(gated)
	for _, scheme := range []string{"Bearer ", "bearer ", "Bearer   "} {
		if res, body := ask(t, c, "GET", "/console/stats", "", "Authorization", scheme+adminToken); res.StatusCode != http.StatusOK || !strings.Contains(body, `"packetsIn":7`) {
			t.Errorf("%s = %d, want 200", scheme, res.StatusCode)
		}
	}
	for _, wrong := range []string{"", "x", adminToken + "x", adminToken[1:]} {
		if res, _ := ask(t, c, "GET", "/console/stats", "", "Authorization", "Bearer "+wrong); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("token %q = %d, want 401", wrong, res.StatusCode)
		}
	}
}

// signIn signs in by the form and returns the cookie as a request sends it.
func signIn(t *testing.T, c *Console, headers ...string) (cookie string, set *http.Cookie) {
	t.Helper()
	res, _ := ask(t, c, "POST", "/console/login", form(adminToken), headers...)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/console" {
		t.Fatalf("login = %d, Location %q, want 303 to /console", res.StatusCode, res.Header.Get("Location"))
	}
	if n := len(res.Cookies()); n != 1 {
		t.Fatalf("login set %d cookies, want 1", n)
	}
	set = res.Cookies()[0]
	return set.Name + "=" + set.Value, set
}

func TestSession(t *testing.T) {
	c := newTest(gated)
	cookie, set := signIn(t, c)
	if !set.HttpOnly || set.SameSite != http.SameSiteStrictMode || set.Path != "/console" || set.MaxAge != 8*3600 || set.Secure {
		t.Errorf("cookie %v, want HttpOnly, SameSite=Strict, Path=/console, 8 hours", set)
	}
	if strings.Contains(set.Value, adminToken) || len(set.Value) != 43 {
		t.Errorf("cookie value %q, want 32 random bytes", set.Value)
	}
	for _, path := range []string{"/console", "/console/app.js", "/console/stats", "/console/info"} {
		if res, _ := ask(t, c, "GET", path, "", "Cookie", cookie); res.StatusCode != http.StatusOK {
			t.Errorf("GET %s in a session = %d, want 200", path, res.StatusCode)
		}
	}
	other, _ := signIn(t, c)
	if other == cookie {
		t.Error("two sessions have one key")
	}
	res, _ := ask(t, c, "POST", "/console/logout", "", "Cookie", cookie)
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 || res.Cookies()[0].MaxAge != -1 {
		t.Errorf("logout = %d %v, want 303 and the cookie taken back", res.StatusCode, res.Cookies())
	}
	if res, _ := ask(t, c, "GET", "/console/stats", "", "Cookie", cookie); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after logout = %d, want 401", res.StatusCode)
	}
	if res, _ := ask(t, c, "GET", "/console/stats", "", "Cookie", other); res.StatusCode != http.StatusOK {
		t.Errorf("the other session = %d, want 200", res.StatusCode)
	}
}

// TestSetToken: another token opens the console from then on, and who signed in with the old one is out.
func TestSetToken(t *testing.T) {
	c := newTest(gated)
	cookie, _ := signIn(t, c)
	status := func(header, value string) int {
		t.Helper()
		res, _ := ask(t, c, "GET", "/console/stats", "", header, value)
		return res.StatusCode
	}
	for _, again := range []string{adminToken, ""} {
		if c.SetToken(again); status("Cookie", cookie) != http.StatusOK {
			t.Errorf("SetToken(%q) ends sessions", again)
		}
	}
	c.SetToken("another token")
	if got := [3]int{status("Cookie", cookie), status("Authorization", "Bearer "+adminToken), status("Authorization", "Bearer another token")}; got != [3]int{401, 401, 200} {
		t.Errorf("session, old and new token = %v", got)
	}
}

func TestCookieOverTLS(t *testing.T) {
	if _, set := signIn(t, newTest(gated), "X-Forwarded-Proto", "https"); !set.Secure {
		t.Error("behind a proxy that ends TLS the cookie is not Secure")
	}
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTest(gated)
		cookie, _ := signIn(t, c)
		time.Sleep(sessionLife - time.Second)
		if res, _ := ask(t, c, "GET", "/console/stats", "", "Cookie", cookie); res.StatusCode != http.StatusOK {
			t.Errorf("a second before the end = %d, want 200", res.StatusCode)
		}
		time.Sleep(time.Second)
		if res, _ := ask(t, c, "GET", "/console/stats", "", "Cookie", cookie); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("at the end = %d, want 401", res.StatusCode)
		}
	})
}

func TestLoginRefuses(t *testing.T) {
	var log bytes.Buffer
	c := newTest(gated, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	const guess = `"><script>alert(1)</script>`
	res, body := ask(t, c, "POST", "/console/login", form(guess))
	if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 || !strings.Contains(body, "That is not the admin token.") {
		t.Errorf("a wrong token = %d %v, want 401 with the form", res.StatusCode, res.Cookies())
	}
	if strings.Contains(body, "alert(") || strings.Contains(log.String(), "alert(") || !strings.Contains(log.String(), "wrong admin token") {
		t.Errorf("what was typed is repeated, or nothing is logged: %s\n%s", log.String(), body)
	}
	for name, tt := range map[string]struct{ path, body, kind string }{
		"in the query": {"/console/login?token=" + strings.ReplaceAll(adminToken, " ", "+"), "x=1", "application/x-www-form-urlencoded"},
		"as JSON":      {"/console/login", `{"token":"` + adminToken + `"}`, "application/json"},
		"as text":      {"/console/login", form(adminToken), "text/plain"},
		"empty":        {"/console/login", "token=", "application/x-www-form-urlencoded"},
		"huge":         {"/console/login", form(strings.Repeat("x", 1<<20)), "application/x-www-form-urlencoded"},
	} {
		if res, _ := ask(t, c, "POST", tt.path, tt.body, "Content-Type", tt.kind); res.StatusCode/100 != 4 || len(res.Cookies()) != 0 {
			t.Errorf("the token %s: %d %v, want a refusal", name, res.StatusCode, res.Cookies())
		}
	}
}

func TestMessageIsEscaped(t *testing.T) {
	c := newTest(gated)
	rec := newRecorder()
	c.pages.sendLogin(rec, newRequest("GET", "/console"), http.StatusOK, `<b onclick="x">`)
	if body := rec.Body.String(); strings.Contains(body, "<b ") || !strings.Contains(body, "&lt;b onclick=&#34;x&#34;&gt;") {
		t.Errorf("the message is not escaped:\n%s", body)
	}
}

// TestTooManyAttempts: wrong tokens of an address are counted, and whoever shares it with their sender signs in all the same.
func TestTooManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTest(gated, func(cfg *Config) { cfg.ClientIP = func(r *http.Request) string { return r.Header.Get("From") } })
		byForm := func(token string) *http.Response {
			res, _ := ask(t, c, "POST", "/console/login", form(token), "From", "192.0.2.1")
			return res
		}
		byHeader := func(token string) *http.Response {
			res, _ := ask(t, c, "GET", "/console/stats", "", "From", "192.0.2.1", "Authorization", "Bearer "+token)
			return res
		}
		for i := range signin.MaxFailures {
			attempt := byForm
			if i%2 == 1 {
				attempt = byHeader
			}
			if res := attempt("wrong"); res.StatusCode != http.StatusUnauthorized {
				t.Fatalf("attempt %d = %d, want 401", i+1, res.StatusCode)
			}
		}
		signIn(t, c, "From", "192.0.2.1")
		if res := byHeader(adminToken); res.StatusCode != http.StatusOK {
			t.Errorf("the right token by header after that = %d, want 200", res.StatusCode)
		}
		for name, attempt := range map[string]func(string) *http.Response{"by form": byForm, "by header": byHeader} {
			if res := attempt("wrong"); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "12" {
				t.Errorf("one more wrong one %s = %d, Retry-After %q, want 429, 12: a success forgives nobody", name, res.StatusCode, res.Header.Get("Retry-After"))
			}
		}
		time.Sleep(signin.FailureCost)
		if res := byForm("wrong"); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wrong one after a while = %d, want 401", res.StatusCode)
		}
	})
}

func TestAttemptsAtOnce(t *testing.T) {
	c := newTest(gated)
	var mu sync.Mutex
	counts := make(map[int]int)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r := newRequest("GET", "/console/stats")
			r.Header.Set("Authorization", "Bearer wrong")
			rec := newRecorder()
			c.ServeHTTP(rec, r)
			mu.Lock()
			defer mu.Unlock()
			counts[rec.Code]++
		})
	}
	wg.Wait()
	if counts[http.StatusUnauthorized] != signin.MaxFailures || counts[http.StatusTooManyRequests] != 50-signin.MaxFailures {
		t.Errorf("answers %v, want %d times 401 and 429 for the others", counts, signin.MaxFailures)
	}
}
