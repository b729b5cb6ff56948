package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// MinSecretBytes is the shortest HS256 secret that is accepted. A shorter one can be found by trying, from any one
	// token, on one's own machine.
	MinSecretBytes = 16
	// GoodSecretBytes is the length that RFC 7518 section 3.2 asks for: that of the hash. Between the two the server
	// runs, so that secrets shared with existing servers stay usable, and should warn; see [ShortSecret].
	GoodSecretBytes = 32
)

// CheckSecret reports in words what is wrong with an HS256 secret: shorter than [MinSecretBytes], one character over
// and over, or a public key, with which anybody could sign. The secret is not in the error.
func CheckSecret(secret string) error {
	switch {
	case len(secret) < MinSecretBytes:
		return fmt.Errorf("the JWT secret has %d bytes, at least %d are needed and %d are good: make one with"+
			" `openssl rand -hex 32`", len(secret), MinSecretBytes, GoodSecretBytes)
	case strings.Contains(secret, "-----BEGIN"):
		return fmt.Errorf("the JWT secret is a PEM key or certificate: HS256 needs a secret nobody else knows;" +
			" for tokens signed with a private key set the JWKS URL instead")
	case strings.Count(secret, secret[:1]) == len(secret):
		return fmt.Errorf("the JWT secret is one character over and over: make one with `openssl rand -hex 32`")
	}
	return nil
}

// ShortSecret reports whether secret is accepted but shorter than [GoodSecretBytes], which the server should say at
// start.
func ShortSecret(secret string) bool {
	return len(secret) >= MinSecretBytes && len(secret) < GoodSecretBytes
}

// NewRandomSecret makes up an HS256 secret for one run of an unconfigured server: 32 random bytes as 64 hex digits.
func NewRandomSecret() string {
	var b [GoodSecretBytes]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}

// KeyMatches reports whether given is the configured key, an API key or an admin token. With no key configured nothing
// matches. Both are hashed first, so neither where they differ nor how long the key is shows in the time it takes.
func KeyMatches(given, configured string) bool {
	if configured == "" {
		return false
	}
	g, c := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(configured))
	return subtle.ConstantTimeCompare(g[:], c[:]) == 1
}
