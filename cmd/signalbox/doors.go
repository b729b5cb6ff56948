package main

import (
	"fmt"
	"log/slog"
	"time"

	"signalbox/config"
	"signalbox/server/auth"
)

// tryOutTokenLife is how long the token that an unconfigured server prints is good.
const tryOutTokenLife = 24 * time.Hour

// newVerifier returns what verifies tokens. cfg has a way to do so.
func newVerifier(cfg config.Config, log *slog.Logger) (*auth.Verifier, error) {
	if auth.ShortSecret(string(cfg.JWTSecret)) {
		log.Warn("JWT_SECRET is short: make a longer one with `openssl rand -hex 32`", "goodBytes", auth.GoodSecretBytes)
	}
	return auth.New(auth.Config{
		Secret: string(cfg.JWTSecret), JWKSURL: cfg.JWKSURL, Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
		RequireExpiry: cfg.JWTRequireExp, Leeway: cfg.JWTLeeway, Log: log,
	})
}

// withSecret returns cfg with a secret made up for this run where nothing is configured to verify tokens with, and
// whether it was. Where tokens are required the configuration is refused before it comes to this.
func withSecret(cfg config.Config) (config.Config, bool) {
	if cfg.JWTSecret != "" || cfg.JWKSURL != "" {
		return cfg, false
	}
	cfg.JWTSecret = config.Secret(auth.NewRandomSecret())
	return cfg, true
}

// tryOutText prints a token for trying out, good for this run only.
func tryOutText(cfg config.Config) (string, error) {
	token, err := auth.Mint(string(cfg.JWTSecret), auth.Claims{
		UserID: "42", Name: "Try Out", Scope: "tap", Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
	}, tryOutTokenLife)
	if err != nil {
		return "", fmt.Errorf("token for trying out: %w", err)
	}
	return fmt.Sprintf(`
JWT_SECRET is not set: this run made one up. A token of user 42 for /chat, streams and tickets, good until the server ends:
  %s
`, token), nil
}
