package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"testing"
)

func TestParseJWKS(t *testing.T) {
	rsaKey, ecKey := ownRSAKey(t), newECKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	with := func(key map[string]any, members map[string]any) map[string]any {
		key = maps.Clone(key)
		maps.Copy(key, members)
		return key
	}
	goodRSA, goodEC := rsaJWK("k", &rsaKey.PublicKey), ecJWK("k", &ecKey.PublicKey)
	modulus := func(bits uint) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return encode(n.Add(n, big.NewInt(1)).Bytes())
	}
	for name, c := range map[string]struct {
		key  map[string]any
		want string // the algorithm it is taken for, "": left out
	}{
		"RSA":                           {goodRSA, "RS256"},
		"EC":                            {goodEC, "ES256"},
		"RSA without alg":               {with(goodRSA, map[string]any{"alg": ""}), "RS256"},
		"EC with alg":                   {with(goodEC, map[string]any{"alg": "ES256"}), "ES256"},
		"RSA to verify":                 {with(goodRSA, map[string]any{"key_ops": []string{"verify"}}), "RS256"},
		"RSA of 4096 bits":              {with(goodRSA, map[string]any{"n": modulus(4096)}), "RS256"},
		"RSA with a broken certificate": {with(goodRSA, map[string]any{"x5c": []string{"AAAA"}, "x5u": "https://evil.example"}), "RS256"},
		"RSA for RS512":                 {with(goodRSA, map[string]any{"alg": "RS512"}), ""},
		"RSA for PS256":                 {with(goodRSA, map[string]any{"alg": "PS256"}), ""},
		"RSA for HS256":                 {with(goodRSA, map[string]any{"alg": "HS256"}), ""},
		"RSA to encrypt":                {with(goodRSA, map[string]any{"use": "enc"}), ""},
		"RSA to wrap":                   {with(goodRSA, map[string]any{"key_ops": []string{"wrapKey"}}), ""},
		"RSA of 1024 bits":              {with(goodRSA, map[string]any{"n": modulus(1024)}), ""},
		"RSA of 16384 bits":             {with(goodRSA, map[string]any{"n": modulus(16384)}), ""},
		"RSA with exponent 1":           {with(goodRSA, map[string]any{"e": "AQ"}), ""},
		"RSA with an even exponent":     {with(goodRSA, map[string]any{"e": "Ag"}), ""},
		"RSA without modulus":           {with(goodRSA, map[string]any{"n": ""}), ""},
		"RSA, modulus no base64":        {with(goodRSA, map[string]any{"n": "!"}), ""},
		"RSA, private":                  {with(goodRSA, map[string]any{"d": encode(rsaKey.D.Bytes())}), ""},
		"EC on P-384":                   {ecJWK("k", &p384.PublicKey), ""},
		"EC for ES384":                  {with(goodEC, map[string]any{"alg": "ES384"}), ""},
		"EC off the curve":              {with(goodEC, map[string]any{"x": goodEC["y"], "y": goodEC["x"]}), ""},
		"EC, private":                   {with(goodEC, map[string]any{"d": "AQ"}), ""},
		"symmetric":                     {map[string]any{"kty": "oct", "kid": "k", "alg": "HS256", "k": encode([]byte(testSecret))}, ""},
		"Ed25519":                       {map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": encode(make([]byte, 32))}, ""},
		"unknown type":                  {map[string]any{"kty": "X", "kid": "k"}, ""},
		"kid a number":                  {with(goodRSA, map[string]any{"kid": 1}), ""},
		"empty":                         {map[string]any{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			// The one behind it must survive whatever comes before.
			set, err := parseJWKS([]byte(jwksBody(c.key, ecJWK("last", &ecKey.PublicKey))))
			if err != nil {
				t.Fatalf("parseJWKS = %v", err)
			}
			for _, alg := range []string{"RS256", "ES256", "HS256"} {
				if got := set.find("k", alg) != nil; got != (alg == c.want) {
					t.Errorf("a key for %s: %v, want one for %q", alg, got, c.want)
				}
			}
			if set.find("last", "ES256") == nil {
				t.Errorf("the next key is lost")
			}
		})
	}
}

func TestParseJWKSBoundsKeys(t *testing.T) {
	key := newECKey(t)
	var keys []map[string]any
	for i := range 2 * maxKeys {
		keys = append(keys, ecJWK(fmt.Sprint(i), &key.PublicKey))
	}
	set, err := parseJWKS([]byte(jwksBody(keys...)))
	if err != nil || len(set.all) != maxKeys {
		t.Fatalf("parseJWKS kept %d keys, %v, want %d", len(set.all), err, maxKeys)
	}
}

func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[null,1,"",[]]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := parseJWKS(body)
		if (set == nil) == (err == nil) {
			t.Fatalf("parseJWKS = %v, %v, want one of the two", set, err)
		}
	})
}
