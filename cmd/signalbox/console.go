package main

import (
	"fmt"
	"net"
	"time"

	"signalbox/config"
	"signalbox/server"
	"signalbox/server/auth"
)

// consoleParts returns what the console is to do; nil: there is none. tryOut tells that nothing is configured to verify
// tokens with. Everywhere else the console needs ADMIN_TOKEN, and makes no tokens.
func consoleParts(cfg config.Config, tryOut bool) *server.ConsoleParts {
	if !cfg.Console || !tryOut && cfg.AdminToken == "" {
		return nil
	}
	parts := &server.ConsoleParts{AdminToken: string(cfg.AdminToken)}
	if tryOut {
		parts.MintToken = func(userID, name string, rooms []string, ttl time.Duration) (string, error) {
			return auth.Mint(string(cfg.JWTSecret), auth.Claims{
				UserID: userID, Name: name, Rooms: rooms, Scope: "tap", Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience,
			}, ttl)
		}
	}
	return parts
}

// consoleText tells whoever started the server where the console is and who may open it.
func consoleText(cfg config.Config, tryOut bool, addr net.Addr) string {
	url := localURL(addr) + "/console"
	switch {
	case !cfg.Console:
		return ""
	case cfg.AdminToken != "":
		return fmt.Sprintf("\nTry every door by hand, with ADMIN_TOKEN: %s\n", url)
	case tryOut:
		return fmt.Sprintf("\nTry every door by hand: %s\nAnybody may: ADMIN_TOKEN=<secret> asks for a sign-in, CONSOLE=false takes the page away.\n", url)
	default:
		return "\nThere is no /console: with JWT_SECRET, JWKS_URL or REQUIRE_AUTH set it needs ADMIN_TOKEN.\n"
	}
}
