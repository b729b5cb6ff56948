package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"signalbox/config"
	"signalbox/server"
	"signalbox/server/auth"
)

// consoleParts returns what the console is to do; nil: there is none. given are the settings without what was made up for
// the run: they decide who gets in without ADMIN_TOKEN, and for whom the console makes tokens and shows what goes to a backend.
func consoleParts(cfg, given config.Config, logic *appLogic) *server.ConsoleParts {
	tryOut := given.TryOut(nil)
	if !cfg.Console || !tryOut && cfg.AdminToken == "" {
		return nil
	}
	parts := &server.ConsoleParts{AdminToken: string(cfg.AdminToken), TryOut: given.TryOut}
	if logic != nil && logic.desk != nil {
		parts.Logic = logic.desk
	}
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
func consoleText(cfg, given config.Config, addr net.Addr) string {
	url := localURL(cfg, addr) + "/console"
	switch {
	case !cfg.Console:
		return ""
	case cfg.AdminToken != "":
		return fmt.Sprintf("\nTry every door by hand, with ADMIN_TOKEN: %s\n", url)
	case given.TryOut(nil):
		return fmt.Sprintf("\nTry every door by hand: %s\nFrom this machine alone: ADMIN_TOKEN=<secret> opens it to others, with a sign-in, CONSOLE=false takes the page away.\n", url)
	default:
		return fmt.Sprintf("\nThere is no /console: with %s set it needs ADMIN_TOKEN.\n", strings.Join(given.ForOthers(), ", "))
	}
}
