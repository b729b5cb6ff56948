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
		"nothing set":               {nil, true, true, true, "http://127.0.0.1:4000/console\nAnybody may", "ADMIN_TOKEN: "},
		"trying out, with a token":  {[]string{"ADMIN_TOKEN=" + testAdmin}, true, false, true, "with ADMIN_TOKEN: http://127.0.0.1:4000/console", "Anybody"},
		"off":                       {[]string{"CONSOLE=false"}, false, false, false, "", "console"},
		"off, with a token":         {[]string{"CONSOLE=false", "ADMIN_TOKEN=" + testAdmin}, false, false, false, "", "console"},
		"a secret":                  {[]string{"JWT_SECRET=" + testSecret}, false, false, false, "There is no /console", "http"},
		"keys of an issuer":         {[]string{"JWKS_URL=https://id.example.com/keys"}, false, false, false, "There is no /console", "http"},
		"tokens required":           {[]string{"REQUIRE_AUTH=true", "JWT_SECRET=" + testSecret}, false, false, false, "needs ADMIN_TOKEN", "http"},
		"a secret and a token":      {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin}, true, false, false, "with ADMIN_TOKEN: http", "Anybody"},
		"a secret, a token and off": {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin, "CONSOLE=false"}, false, false, false, "", "console"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := config.Load(env(tt.settings...))
			if err != nil {
				t.Fatal(err)
			}
			cfg, tryOut := withSecret(cfg)
			parts := consoleParts(cfg, tryOut)
			if (parts != nil) != tt.on {
				t.Fatalf("there is a console: %v, want %v", parts != nil, tt.on)
			}
			if parts != nil && (parts.AdminToken == "") != tt.open {
				t.Errorf("it is open: %v, want %v", parts.AdminToken == "", tt.open)
			}
			if parts != nil && (parts.MintToken != nil) != tt.makes {
				t.Errorf("it makes tokens: %v, want %v", parts.MintToken != nil, tt.makes)
			}
			text := consoleText(cfg, tryOut, local)
			if !strings.Contains(text, tt.text) || strings.Contains(text, tt.absent) || strings.Contains(text, testAdmin) {
				t.Errorf("start text %q, want %q, not %q and no token", text, tt.text, tt.absent)
			}
		})
	}
}

func TestConsoleTokens(t *testing.T) {
	cfg, tryOut := withSecret(config.Default())
	verifier, err := auth.New(auth.Config{Secret: string(cfg.JWTSecret)})
	if err != nil {
		t.Fatal(err)
	}
	defer verifier.Close()
	token, err := consoleParts(cfg, tryOut).MintToken("42", "Ada", []string{"team-*"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	id, err := verifier.Verify(token)
	if err != nil || id.UserID() != "42" || id.Name() != "Ada" || !id.CanJoin("team-a") || id.CanJoin("other") {
		t.Errorf("Verify = %v, %v, want user 42, Ada, in the rooms of the team", id, err)
	}
	if _, err := consoleParts(cfg, tryOut).MintToken("", "", nil, time.Minute); err == nil {
		t.Error("a token for nobody was made")
	}
}

// TestServeConsole asks a whole server for its page.
func TestServeConsole(t *testing.T) {
	for name, tt := range map[string]struct {
		settings []string
		status   int
	}{
		"trying out":           {nil, http.StatusOK},
		"a secret":             {[]string{"JWT_SECRET=" + testSecret}, http.StatusNotFound},
		"a secret and a token": {[]string{"JWT_SECRET=" + testSecret, "ADMIN_TOKEN=" + testAdmin}, http.StatusUnauthorized},
		"off":                  {[]string{"CONSOLE=false"}, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			stdout, in := io.Pipe()
			done := make(chan error, 1)
			go func() { // awaited below
				done <- run(ctx, nil, env(append(tt.settings, "PORT=0", "HOST=127.0.0.1")...), in, io.Discard)
				in.Close()
			}()
			url := readURL(t, stdout)
			go io.Copy(io.Discard, stdout) // ends when run has ended
			if status, _ := get(t, url+"/console"); status != tt.status {
				t.Errorf("GET /console = %d, want %d", status, tt.status)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
