package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"signalbox/config"
	"signalbox/server/auth"
)

const tokenHelp = `signalbox token prints a JSON Web Token for development and scripts, signed with JWT_SECRET (HS256).

Usage: signalbox token --sub USER [--name NAME] [--rooms LIST] [--scope WORDS] [--ttl DURATION]

  --sub USER       the user the token speaks for, the claim sub; needed
  --name NAME      what others see; without it the user's id
  --rooms LIST     the rooms it opens, names and prefix* patterns with commas between; may be given more than once.
                   Without it every room is open, with '' none is. Put patterns in quotes, the shell reads * too.
  --scope WORDS    what else it allows, with spaces between; tap is for /tap and /events where a token is required
  --ttl DURATION   how long it is good, like 30m, 1h or 24h; the default is 1h

JWT_SECRET must be the secret that the server runs with. It is read from the environment or the file .env, and so are
JWT_ISSUER and JWT_AUDIENCE, which go into the token where they are set.

  JWT_SECRET=... signalbox token --sub 42 --rooms 'team-*' --ttl 1h
`

// defaultTokenLife is for --ttl.
const defaultTokenLife = time.Hour

// token mints a token and prints it, alone and on one line, so that TOKEN=$(signalbox token --sub 42) works. The secret
// comes from the environment only: who may list processes sees a command line.
func token(_ context.Context, args []string, env environment) error {
	claims, ttl, err := parseTokenFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(env.stdout, tokenHelp)
		return err
	}
	if err != nil {
		return fmt.Errorf("token: %w (signalbox token --help shows how it is written): %w", err, errUsage)
	}
	source, err := config.ReadSource(env.getenv, settingsFile)
	if err != nil {
		return err
	}
	secret := source.Get("JWT_SECRET")
	switch {
	case secret == "" && source.Get("JWKS_URL") != "":
		return errors.New("token: JWT_SECRET is not set. With JWKS_URL alone tokens come from your identity provider; only" +
			" its private key can sign them")
	case secret == "":
		return errors.New("token: JWT_SECRET is not set. Give it the secret that the server runs with:" +
			" JWT_SECRET=... signalbox token --sub 42; make one for both with `openssl rand -hex 32`")
	}
	claims.Issuer, claims.Audience = source.Get("JWT_ISSUER"), source.Get("JWT_AUDIENCE")
	text, err := auth.Mint(secret, claims, ttl)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if auth.ShortSecret(secret) {
		fmt.Fprintf(env.stderr, "signalbox: JWT_SECRET is shorter than %d bytes; make a longer one with `openssl rand -hex 32`\n",
			auth.GoodSecretBytes)
	}
	_, err = fmt.Fprintln(env.stdout, text)
	return err
}

// parseTokenFlags reads the command line. The error is flag.ErrHelp where help is asked for.
func parseTokenFlags(args []string) (auth.Claims, time.Duration, error) {
	var claims auth.Claims
	ttl := defaultTokenLife
	flags := flag.NewFlagSet("token", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&claims.UserID, "sub", "", "")
	flags.StringVar(&claims.Name, "name", "", "")
	flags.StringVar(&claims.Scope, "scope", "", "")
	flags.Func("rooms", "", func(list string) error {
		if claims.Rooms == nil {
			claims.Rooms = []string{} // given, though perhaps with nothing in it: no room, not every room
		}
		if list = strings.TrimSpace(list); list == "" {
			return nil
		}
		for room := range strings.SplitSeq(list, ",") {
			if room = strings.TrimSpace(room); room == "" {
				return errors.New("there is an empty name between the commas")
			}
			claims.Rooms = append(claims.Rooms, room)
		}
		return nil
	})
	flags.Func("ttl", "", func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second {
			return errors.New("write it like 30m, 1h or 24h, one second at least")
		}
		ttl = d
		return nil
	})
	switch err := flags.Parse(args); {
	case err != nil:
		return claims, ttl, err
	case flags.NArg() > 0:
		return claims, ttl, fmt.Errorf("%q belongs to no flag; a pattern with * needs quotes", flags.Arg(0))
	case claims.UserID == "":
		return claims, ttl, errors.New("--sub is missing: whom is the token for?")
	}
	return claims, ttl, nil
}
