package auth

import "errors"

// Why a token was refused. Their texts and what is wrapped around them hold nothing of the token, so they may be
// logged; what a client is told is the caller's choice ("Authentication failed" and no more).
var (
	// ErrNoToken: there was none.
	ErrNoToken = errors.New("no token")
	// ErrTooLarge: longer than [MaxTokenBytes]; nothing of it was decoded.
	ErrTooLarge = errors.New("token too large")
	// ErrMalformed: not three base64url parts, a part that is no JSON object, or a header that asks for an extension.
	ErrMalformed = errors.New("malformed token")
	// ErrAlgorithm: an algorithm that is not accepted here, "none" among them.
	ErrAlgorithm = errors.New("algorithm not accepted")
	// ErrUnknownKey: the JWKS URL offers no key of the token's kid and algorithm.
	ErrUnknownKey = errors.New("unknown key")
	// ErrKeysUnavailable: the JWKS URL has not answered yet. Trying again later may succeed.
	ErrKeysUnavailable = errors.New("keys not available")
	// ErrSignature: not signed by a key we trust.
	ErrSignature = errors.New("bad signature")
	// ErrExpired: exp has passed, or is missing where one is required.
	ErrExpired = errors.New("token expired")
	// ErrNotYetValid: nbf or iat lies in the future.
	ErrNotYetValid = errors.New("token not yet valid")
	// ErrIssuer: iss is not the configured issuer.
	ErrIssuer = errors.New("wrong issuer")
	// ErrAudience: aud does not name the configured audience.
	ErrAudience = errors.New("wrong audience")
	// ErrClaims: no user in it, or a claim of the wrong form.
	ErrClaims = errors.New("unusable claims")
)

// reasons are the labels of [Reason], in no order that matters: no two sentinels are in one error.
var reasons = [...]struct {
	err   error
	label string
}{
	{ErrNoToken, "missing"},
	{ErrTooLarge, "too_large"},
	{ErrMalformed, "malformed"},
	{ErrAlgorithm, "algorithm"},
	{ErrUnknownKey, "unknown_key"},
	{ErrKeysUnavailable, "keys_unavailable"},
	{ErrSignature, "signature"},
	{ErrExpired, "expired"},
	{ErrNotYetValid, "not_yet_valid"},
	{ErrIssuer, "issuer"},
	{ErrAudience, "audience"},
	{ErrClaims, "claims"},
	{ErrOtherUser, "other_user"},
	{ErrEnded, "ended"},
}

// Reason returns a short, fixed word for an error of this package, fit for a metric's label; "other" for any other
// error and "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.label
		}
	}
	return "other"
}
