package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "an HS256 secret for tests, 32 bytes and more"

// open returns a verifier that is closed with the test.
func open(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	v, err := New(cfg)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	t.Cleanup(v.Close)
	return v
}

// b64 encodes one part of a token.
func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// hmacToken signs any header and payload with HMAC-SHA256, whatever the header says.
func hmacToken(secret, header, payload string) string {
	signed := b64(header) + "." + b64(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// hs256 signs a payload as it should be done.
func hs256(payload string) string {
	return hmacToken(testSecret, `{"alg":"HS256","typ":"JWT"}`, payload)
}

// in returns the Unix seconds d from now.
func in(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
