// Package auth decides who somebody is: it verifies JSON Web Tokens, says what their bearer may do, and watches that
// nobody stays longer than the token allows.
//
// A [Verifier] turns a token into an [Identity]; what an identity says always comes from a signed token, never from a
// payload. A [Lease] holds an identity for the life of one connection: it tells shortly before the token expires and at
// its end, and takes a newer token of the same user. [Mint] makes tokens for development and scripts.
//
// Accepted are HS256 with the configured secret and RS256 or ES256 with keys from the configured JWKS URL. What a token
// says about its own key (jku, jwk, x5u, x5c) is not read, and kid only picks from the keys that are there.
//
// No error of this package and no log line contains a token, a part of one, a secret or a key.
//
// The package knows nothing about connections, rooms or HTTP routes; doors and handlers stand on it.
package auth
