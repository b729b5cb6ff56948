package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"signalbox/config"
)

// An unconfigured server prints a token that works; a configured one prints and makes up none.
func TestTokenForTryingOut(t *testing.T) {
	const secret = "a secret that only the tests know"
	for name, tt := range map[string]struct {
		env    []string
		prints bool
	}{
		"nothing set":       {nil, true},
		"a secret":          {[]string{"JWT_SECRET=" + secret}, false},
		"a JWKS URL":        {[]string{"JWKS_URL=http://127.0.0.1:1/jwks.json"}, false},
		"tokens are needed": {[]string{"JWT_SECRET=" + secret, "REQUIRE_AUTH=true"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			stdout, in := io.Pipe()
			var log bytes.Buffer
			done := make(chan error, 1)
			go func() { // awaited below
				done <- run(ctx, nil, env(append(tt.env, "PORT=0", "HOST=127.0.0.1")...), in, &log)
				in.Close()
			}()
			var text bytes.Buffer
			url := readURL(t, io.TeeReader(stdout, &text))
			rest := make(chan string, 1)
			go func() { b, _ := io.ReadAll(stdout); rest <- string(b) }() // ends when run has ended
			if status, _ := get(t, url+"/healthz"); status != http.StatusOK {
				t.Errorf("healthz: %d", status)
			}
			if status, _ := get(t, url+"/events/user/42?token=x"); status != http.StatusUnauthorized {
				t.Errorf("a bad token: %d, want 401", status)
			}
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			all := text.String() + <-rest
			if found := regexp.MustCompile(`eyJ[\w.-]+`).FindString(all); (found != "") != tt.prints {
				t.Errorf("a token is printed: %q, want it: %v", found, tt.prints)
			}
			if strings.Contains(all+log.String(), secret) {
				t.Error("the secret is printed")
			}
		})
	}
}

func TestTokenForTryingOutIsGood(t *testing.T) {
	cfg := config.Default()
	cfg.Host, cfg.Port = "127.0.0.1", 0
	cfg, madeUp := withSecret(cfg)
	if !madeUp {
		t.Fatal("no secret was made up")
	}
	if again, madeUp := withSecret(cfg); madeUp || again.JWTSecret != cfg.JWTSecret {
		t.Error("a secret that is there was replaced")
	}
	text, err := tryOutText(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := build(cfg, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }() // awaited below
	req, err := http.NewRequest(http.MethodGet, "http://"+srv.Addr().String()+"/api/auth/token/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+regexp.MustCompile(`eyJ[\w.-]+`).FindString(text))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a ticket for the printed token: %d, want 200", res.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBadSecretsAreRefused(t *testing.T) {
	for setting, want := range map[string]string{
		"JWT_SECRET=zebra":          "at least 16",
		"JWKS_URL=ftp://x.example":  "JWKS",
		"REQUIRE_AUTH=true":         "JWT_SECRET",
		"AUTH_PING_INTERVAL=5":      "the unit is missing",
		"JWKS_URL=http://x.example": "https",
	} {
		var out, log bytes.Buffer
		err := run(t.Context(), nil, env(setting, "PORT=0", "HOST=127.0.0.1"), &out, &log)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", setting, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "zebra") {
			t.Errorf("the secret is in the error: %v", err)
		}
	}
}
