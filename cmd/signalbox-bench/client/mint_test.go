package client

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestMint(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	token, err := Mint(secret, "bench-1")
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	if err != nil || claims.Subject != "bench-1" || time.Until(claims.ExpiresAt.Time) < 59*time.Minute {
		t.Errorf("token of %+v, %v, want bench-1, good for an hour", claims, err)
	}
	if _, err := Mint("", "bench-1"); !errors.Is(err, errNoSecret) {
		t.Errorf("mint without a secret = %v, want %v", err, errNoSecret)
	}
}
