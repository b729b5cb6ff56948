package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeys bounds what a token without a kid can make us try.
	maxKeys = 32
	// RFC 7518 section 3.3 asks for 2048 bits; the upper limit keeps one verification below a millisecond.
	minRSABits, maxRSABits = 2048, 8192
)

// jwks is one answer of a JWKS URL. It never changes.
type jwks struct{ all []jwk }

// jwk is one public key and the one algorithm it is used with.
type jwk struct {
	kid, alg string
	public   crypto.PublicKey // *rsa.PublicKey for RS256, *ecdsa.PublicKey on P-256 for ES256
}

// parseJWKS reads a JSON Web Key Set. Keys that we have no use for or cannot read are left out: symmetric and private
// ones, other algorithms and curves, keys to encrypt with, weak ones. A set may be left with none; only an answer that
// is no key set is an error.
//
// Rule: [RFC 7517 JWK Set], "implementations SHOULD ignore JWKs within a JWK Set that use [...] not understood".
//
// [RFC 7517 JWK Set]: https://www.rfc-editor.org/rfc/rfc7517#section-5
func parseJWKS(body []byte) (*jwks, error) {
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("the answer is no JSON Web Key Set")
	}
	keys := new(jwks)
	for _, raw := range *set.Keys {
		if k, ok := parseJWK(raw); ok {
			keys.all = append(keys.all, k)
		}
		if len(keys.all) == maxKeys {
			break
		}
	}
	return keys, nil
}

func parseJWK(raw json.RawMessage) (jwk, bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil {
		return jwk{}, false
	}
	// A set that publishes private keys is no set to trust a key of.
	if m.D != "" || m.K != "" {
		return jwk{}, false
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return jwk{}, false
	}
	if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwk{}, false
	}
	// Certificates say nothing here: the key set is trusted for where it comes from.
	m.X5C, m.X5T, m.X5TS256, m.X5U = nil, "", "", ""
	parsed, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwk{}, false
	}
	k := jwk{kid: m.KID}
	switch public := parsed.Key().(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits || public.E < 3 || public.E&1 == 0 {
			return jwk{}, false
		}
		k.alg, k.public = jwt.SigningMethodRS256.Alg(), public
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return jwk{}, false
		}
		k.alg, k.public = jwt.SigningMethodES256.Alg(), public
	default:
		return jwk{}, false
	}
	if m.ALG != "" && m.ALG.String() != k.alg {
		return jwk{}, false
	}
	return k, true
}

// find returns the keys for an algorithm that have the kid, or with "" all of that algorithm; nil if there is none. s
// may be nil.
func (s *jwks) find(kid, alg string) any {
	if s == nil {
		return nil
	}
	var found []jwt.VerificationKey
	for _, k := range s.all {
		if k.alg == alg && (kid == "" || k.kid == kid) {
			found = append(found, k.public)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return jwt.VerificationKeySet{Keys: found}
}
