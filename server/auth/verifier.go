package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// MaxTokenBytes is the longest token that is looked at. It leaves room for some hundred rooms in a token and keeps
	// what a stranger can make us decode small.
	MaxTokenBytes = 16 << 10

	// DefaultLeeway is how far nbf and iat may lie ahead of our clock.
	DefaultLeeway = 5 * time.Second
	// MaxLeeway is the most that may be configured.
	MaxLeeway = time.Minute
)

// Config says which tokens are good. One of Secret and JWKSURL is needed; with both, HS256 goes by the secret and RS256
// and ES256 by the keys of the URL. Printed or logged it shows no secret.
type Config struct {
	Secret  string // JWT_SECRET: verifies HS256; see [CheckSecret]
	JWKSURL string // JWKS_URL: where the keys for RS256 and ES256 are; https, or http on a loopback address

	Issuer   string // JWT_ISSUER: what iss must be; "": any
	Audience string // JWT_AUDIENCE: what aud must name; "": any

	// RequireExpiry refuses tokens without exp. Such a token is otherwise good for ever, as in other JWT servers.
	RequireExpiry bool
	// Leeway is how far nbf and iat may lie in the future, at most [MaxLeeway]. Zero means [DefaultLeeway].
	Leeway time.Duration
	// RefreshEvery is how often the JWKS URL is read again. Zero means [DefaultRefresh].
	RefreshEvery time.Duration

	// Log hears of trouble with the JWKS URL. nil: nobody does.
	Log *slog.Logger

	transport http.RoundTripper // for tests; nil: one of our own
}

// LogValue leaves out the secret and what the URL's query may hold.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("secret", c.Secret != ""), slog.Bool("jwks", c.JWKSURL != ""),
		slog.String("issuer", c.Issuer), slog.String("audience", c.Audience), slog.Bool("require_expiry", c.RequireExpiry))
}

func (c Config) String() string { return c.LogValue().String() }

// GoString is for %#v.
func (c Config) GoString() string { return c.String() }

// Verifier verifies tokens. It is made with [New], safe for use by many goroutines, and ends with Close.
type Verifier struct {
	secret atomic.Pointer[[]byte] // nil without a secret

	// Static after construction.
	keys          *keySet // nil without a JWKS URL
	issuer        string
	audience      string
	requireExpiry bool
	leeway        time.Duration
	methods       []string
	parser        *jwt.Parser
}

// New checks cfg, with every fault in one error, and returns a verifier. With a JWKS URL it starts reading it in the
// background and does not wait: a server must start while its identity provider is away. The caller must Close it.
func New(cfg Config) (*Verifier, error) {
	v := &Verifier{
		issuer:        cfg.Issuer,
		audience:      cfg.Audience,
		requireExpiry: cfg.RequireExpiry,
		leeway:        cfg.Leeway,
	}
	var faults []error
	if cfg.Secret == "" && cfg.JWKSURL == "" {
		faults = append(faults, errors.New("tokens need a JWT secret or a JWKS URL to be verified with, and neither is set"))
	}
	if cfg.Secret != "" {
		faults = append(faults, CheckSecret(cfg.Secret))
		secret := []byte(cfg.Secret)
		v.secret.Store(&secret)
		v.methods = append(v.methods, jwt.SigningMethodHS256.Alg())
	}
	if cfg.JWKSURL != "" {
		faults = append(faults, CheckJWKSURL(cfg.JWKSURL))
		v.methods = append(v.methods, jwt.SigningMethodRS256.Alg(), jwt.SigningMethodES256.Alg())
	}
	if cfg.Leeway < 0 || cfg.Leeway > MaxLeeway {
		faults = append(faults, fmt.Errorf("the leeway of tokens is %v, use 0s to %v", cfg.Leeway, MaxLeeway))
	}
	if cfg.RefreshEvery != 0 && cfg.RefreshEvery < MinRefresh {
		faults = append(faults, fmt.Errorf("the JWKS URL is to be read every %v, use %v or more", cfg.RefreshEvery, MinRefresh))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if v.leeway == 0 {
		v.leeway = DefaultLeeway
	}
	// The claims are ours to check, see [Verifier.Verify]; the parser does form, algorithm and signature.
	v.parser = jwt.NewParser(jwt.WithValidMethods(v.methods), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	if cfg.JWKSURL != "" {
		v.keys = newKeySet(cfg)
	}
	return v, nil
}

// SetSecret puts another secret in the place of the one that there is: tokens of the old one are refused from now on. Who is
// connected stays.
func (v *Verifier) SetSecret(text string) {
	secret := []byte(text)
	v.secret.Store(&secret)
}

// Close stops reading the JWKS URL and waits until that has stopped. Verify goes on with the keys that are there.
func (v *Verifier) Close() {
	if v.keys != nil {
		v.keys.close()
	}
}

// Ready reports whether tokens can be verified: false only with nothing but a JWKS URL that has not answered yet.
func (v *Verifier) Ready() bool { return v.secret.Load() != nil || v.keys.ready() }

// Verify returns whom a token speaks for, or an error wrapping one of this package's that says why it is refused and
// holds nothing of the token. Any goroutine may call it. With a kid that the known keys do not have it waits for the
// JWKS URL to be read again, 5 seconds at most, and not at all when that was done too often; else it never blocks.
//
// The payload is not decoded before the signature is found good.
//
// Rules: [RFC 7519 validating], [RFC 8725] (algorithms, key confusion, issuer and audience).
//
// [RFC 7519 validating]: https://www.rfc-editor.org/rfc/rfc7519#section-7.2
// [RFC 8725]: https://www.rfc-editor.org/rfc/rfc8725#section-3
func (v *Verifier) Verify(token string) (*Identity, error) {
	switch {
	case token == "":
		return nil, ErrNoToken
	case len(token) > MaxTokenBytes:
		return nil, ErrTooLarge
	case !plain(token):
		return nil, ErrMalformed
	}
	var p payload
	parsed, err := v.parser.ParseWithClaims(token, &p, v.key)
	if err != nil {
		return nil, v.reason(parsed, err)
	}
	c, err := parseClaims(p.json)
	if err != nil {
		return nil, err
	}
	if err := c.checkIssuer(v.issuer); err != nil {
		return nil, err
	}
	if err := c.checkAudience(v.audience); err != nil {
		return nil, err
	}
	id, err := c.identity()
	if err != nil {
		return nil, err
	}
	if err := c.checkTimes(id, time.Now(), v.leeway, v.requireExpiry); err != nil {
		return nil, err
	}
	return id, nil
}

// key returns what the signature is checked with. The algorithm decides on the kind of key, so that a public key is
// never used as an HS256 secret.
func (v *Verifier) key(t *jwt.Token) (any, error) {
	// RFC 7515 section 4.1.11: who does not understand an extension that is marked critical must refuse the token.
	if _, ok := t.Header["crit"]; ok {
		return nil, ErrMalformed
	}
	switch t.Method {
	case jwt.SigningMethodHS256:
		if secret := v.secret.Load(); secret != nil {
			return *secret, nil
		}
	case jwt.SigningMethodRS256, jwt.SigningMethodES256:
		if v.keys == nil {
			break
		}
		var kid string
		if given, ok := t.Header["kid"]; ok {
			if kid, ok = given.(string); !ok || kid == "" {
				return nil, ErrMalformed
			}
		}
		return v.keys.lookup(kid, t.Method.Alg())
	}
	return nil, ErrAlgorithm
}

// reason turns the library's error, which may quote the token, into one of ours. parsed is nil or what was read of it.
func (v *Verifier) reason(parsed *jwt.Token, err error) error {
	for _, own := range [...]error{ErrMalformed, ErrAlgorithm, ErrUnknownKey, ErrKeysUnavailable} {
		if errors.Is(err, own) {
			return own
		}
	}
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return ErrMalformed
	case parsed == nil || parsed.Method == nil || !slices.Contains(v.methods, parsed.Method.Alg()):
		return ErrAlgorithm
	}
	return ErrSignature
}

// plain reports whether a token has three parts of base64url characters. Go's decoder skips line breaks, so without
// this one token could be written in many ways.
func plain(token string) bool {
	for i := range len(token) {
		switch b := token[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return strings.Count(token, ".") == 2
}

// payload takes the claims as they are: the parser only checks that they are JSON.
type payload struct{ json []byte }

var (
	_ jwt.Claims       = (*payload)(nil)
	_ json.Unmarshaler = (*payload)(nil)
)

// UnmarshalJSON keeps a copy of b.
func (p *payload) UnmarshalJSON(b []byte) error {
	p.json = append(p.json[:0], b...)
	return nil
}

// The rest is what [jwt.Claims] asks for and the parser does not call, as it validates no claims.

func (*payload) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (*payload) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (*payload) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (*payload) GetIssuer() (string, error)                   { return "", nil }
func (*payload) GetSubject() (string, error)                  { return "", nil }
func (*payload) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }
