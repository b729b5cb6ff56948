package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"signalbox/config"
	"signalbox/server/auth"
)

const (
	testSecret = "a secret of the tests, 32 bytes or more"
	testAdmin  = "what only operators know"
)

// TestConsole holds who gets a console, and of which kind, against the settings.
func TestConsole(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000}
	for name, tt := range map[string]struct {
		settings     []string
		on, open     bool
		makes        bool
		text, absent string
	}{
		"nothing set":               {nil, true, true, true, "http://127.0.0.1:4000/console\nFrom this machine alone", "ADMIN_TOKEN: "},
		"trying out, with a token":  {[]string{"ADMIN_TOKEN=" + testAdmin}, true, false, true, "with ADMIN_TOKEN: http://127.0.0.1:4000/console", "this machine alone"},
		"off":                       {[]string{"CONSOLE=false"}, false, false, false, "", "console"},
		"off, with a token":         {[]string{"CONSOLE=false", "ADMIN_TOKEN=" + testAdmin}, false, false, false, "", "console"},
		"a secret":                  {[]string{"JWT_SECRET=" + testSecret}, false, false, false, "There is no /console", "http"},
		"keys of an issuer":         {[]string{"JWKS_URL=https://id.example.com/keys"}, false, false, false, "There is no /console", "http"},
		"tokens required":           {[]string{"REQUIRE_AUTH=true", "JWT_SECRET=" + testSecret}, false, false, false, "needs ADMIN_TOKEN", "http"},
		"a secret and a token":      {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin}, true, false, false, "with ADMIN_TOKEN: http", "this machine alone"},
		"a list of origins":         {[]string{"ALLOWED_ORIGINS=https://app.example.com"}, false, false, false, "with ALLOWED_ORIGINS set it needs ADMIN_TOKEN", "http"},
		"a key and a proxy":         {[]string{"API_KEY=" + testSecret, "TRUSTED_PROXIES=heroku"}, false, false, false, "with API_KEY, TRUSTED_PROXIES set", "http"},
		"a token and a proxy":       {[]string{"ADMIN_TOKEN=" + testAdmin, "TRUSTED_PROXIES=heroku"}, true, false, false, "with ADMIN_TOKEN: http", "this machine alone"},
		"a secret, a token and off": {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin, "CONSOLE=false"}, false, false, false, "", "console"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Load(env(tt.settings...))
			if err != nil {
				t.Fatal(err)
			}
			given := cfg
			cfg, _ = withSecret(cfg)
			parts := consoleParts(cfg, given, nil)
			if (parts != nil) != tt.on {
				t.Fatalf("there is a console: %v, want %v", parts != nil, tt.on)
			}
			if parts != nil && (parts.AdminToken == "") != tt.open {
				t.Errorf("it is open: %v, want %v", parts.AdminToken == "", tt.open)
			}
			if parts != nil && (parts.MintToken != nil) != tt.makes {
				t.Errorf("it makes tokens: %v, want %v", parts.MintToken != nil, tt.makes)
			}
			text := consoleText(cfg, given, local)
			if !strings.Contains(text, tt.text) || strings.Contains(text, tt.absent) || strings.Contains(text, testAdmin) {
				t.Errorf("start text %q, want %q, not %q and no token", text, tt.text, tt.absent)
			}
		})
	}
}

func TestConsoleTokens(t *testing.T) {
	given := config.Default()
	cfg, _ := withSecret(given)
	verifier, err := auth.New(auth.Config{Secret: string(cfg.JWTSecret)})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	token, err := consoleParts(cfg, given, nil).MintToken("42", "Ada", []string{"team-*"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	id, err := verifier.Verify(token)
	if err != nil || id.UserID() != "42" || id.Name() != "Ada" || !id.CanJoin("team-a") || id.CanJoin("other") {
		t.Errorf("Verify = %v, %v, want user 42, Ada, in the rooms of the team", id, err)
	}
	if _, err := consoleParts(cfg, given, nil).MintToken("", "", nil, time.Minute); err == nil {
		t.Error("a token for nobody was made")
	}
}

// TestServeConsole asks a whole server for its page.
func TestServeConsole(t *testing.T) {
	for name, tt := range map[string]struct {
		settings []string
		headers  []string
		status   int // of the page
		token    int // of a token that is asked for, and of what goes to the backend
	}{
		"trying out":              {nil, nil, http.StatusOK, http.StatusOK},
		"through a proxy":         {nil, []string{"X-Forwarded-For", "192.0.2.1"}, http.StatusForbidden, http.StatusForbidden},
		"a name that was rebound": {nil, []string{"Host", "evil.example"}, http.StatusForbidden, http.StatusForbidden},
		"as the recipe for a dyno": {[]string{"ALLOWED_ORIGINS=https://app.example.com", "TRUSTED_PROXIES=heroku", "METRICS_TOKEN=" + testSecret}, nil,
			http.StatusNotFound, http.StatusNotFound},
		"a secret":             {[]string{"JWT_SECRET=" + testSecret}, nil, http.StatusNotFound, http.StatusNotFound},
		"a secret and a token": {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin}, nil, http.StatusUnauthorized, http.StatusUnauthorized},
		"signed in, trying out": {[]string{"ADMIN_TOKEN=" + testAdmin}, []string{"Authorization", "Bearer " + testAdmin},
			http.StatusOK, http.StatusOK},
		"signed in from elsewhere": {[]string{"ADMIN_TOKEN=" + testAdmin}, []string{"Authorization", "Bearer " + testAdmin, "Via", "1.1 proxy"},
			http.StatusOK, http.StatusNotFound},
		"signed in, for others": {[]string{"ADMIN_TOKEN=" + testAdmin, "JWT_SECRET=" + testSecret}, []string{"Authorization", "Bearer " + testAdmin},
			http.StatusOK, http.StatusNotFound},
		"off": {[]string{"CONSOLE=false"}, nil, http.StatusNotFound, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			stdout, in := io.Pipe()
			done := make(chan error, 1)
			go func() { // awaited below
				done <- run(ctx, nil, env(append(tt.settings, "PORT=0", "HOST=127.0.0.1", "HOOKS_URL=http://127.0.0.1:1/", "HOOKS_EVENTS=/game:*")...), in, io.Discard)
				in.Close()
			}()
			url := readURL(t, stdout)
			go io.Copy(io.Discard, stdout) // ends when run has ended
			if status := ask(t, http.MethodGet, url+"/console", "", tt.headers); status != tt.status {
				t.Errorf("GET /console = %d, want %d", status, tt.status)
			}
			if status := ask(t, http.MethodPost, url+"/console/token", "userId=42", tt.headers); status != tt.token {
				t.Errorf("POST /console/token = %d, want %d", status, tt.token)
			}
			if status := ask(t, http.MethodGet, url+"/console/logic", "", tt.headers); status != tt.token {
				t.Errorf("GET /console/logic = %d, want %d", status, tt.token)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// ask sends a form, with headers in pairs, and returns the status of the answer.
func ask(t *testing.T, method, url, form string, headers []string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}
