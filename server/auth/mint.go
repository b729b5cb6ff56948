package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what [Mint] puts into a token.
type Claims struct {
	UserID   string   // sub; needed
	Name     string   // name; "": left out
	Rooms    []string // rooms: names and prefix* patterns; nil: left out, every room is open; empty: none is
	Scope    string   // scope: words with spaces between; "": left out
	Issuer   string   // iss; "": left out
	Audience string   // aud; "": left out
}

// Mint returns a token for HS256, good from now on for ttl, which is cut to whole seconds. It is for development, scripts
// and tests. The error says in words what is wrong: a secret that [CheckSecret] refuses, a ttl below one second, or
// claims that [Verifier.Verify] would refuse.
func Mint(secret string, c Claims, ttl time.Duration) (string, error) {
	if err := CheckSecret(secret); err != nil {
		return "", err
	}
	if ttl < time.Second {
		return "", fmt.Errorf("a token for %v is over before it can be used, use 1s or more", ttl)
	}
	if c.UserID == "" {
		return "", errors.New("a token needs a user")
	}
	now := time.Now()
	members := jwt.MapClaims{"sub": c.UserID, "iat": now.Unix(), "exp": now.Add(ttl).Unix()}
	for name, text := range map[string]string{"name": c.Name, "scope": c.Scope, "iss": c.Issuer, "aud": c.Audience} {
		if text != "" {
			members[name] = text
		}
	}
	if c.Rooms != nil {
		members["rooms"] = c.Rooms
	}
	payload, err := json.Marshal(members)
	if err != nil {
		return "", err
	}
	parsed, err := parseClaims(payload)
	if err == nil {
		_, err = parsed.identity()
	}
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, members).SignedString([]byte(secret))
}
