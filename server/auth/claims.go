package auth

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"signalbox/server/rawjson"
)

// userClaims are the claims that can name the user, the first that does so wins.
var userClaims = [...]string{"sub", "id", "_id"}

// endOfTime is the last instant a claim can name: the end of the year 9999 in Unix seconds. What lies beyond, a time in
// milliseconds for one, is taken as this.
const endOfTime = 253402300799

// claims are a token's members, still as JSON. A map, since encoding/json would let "SUB" fill a struct's sub.
type claims map[string]json.RawMessage

// parseClaims reads the payload of a token whose signature is good. Of two members with one name the last counts, as
// in JavaScript.
func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, fmt.Errorf("%w: the payload is no JSON object", ErrMalformed)
	}
	return c, nil
}

// identity returns who the claims speak for. It checks their form, not their times.
func (c claims) identity() (*Identity, error) {
	id := new(Identity)
	for _, name := range userClaims {
		text, ok, err := c.text(name)
		if err != nil {
			return nil, err
		}
		if ok {
			id.userID = text
			break
		}
	}
	if id.userID == "" {
		return nil, fmt.Errorf("%w: none of sub, id, _id names a user", ErrClaims)
	}
	// A name is for showing only: an odd one is no reason to refuse its user.
	if name, ok, err := c.text("name"); ok && err == nil {
		id.name, id.named = name, true
	} else {
		id.name = id.userID
	}
	if err := c.rooms(id); err != nil {
		return nil, err
	}
	var scope string
	if json.Unmarshal(c["scope"], &scope) == nil { // of another type it grants nothing
		id.scopes = strings.Fields(scope)
	}
	var err error
	id.expires, _, err = c.time("exp")
	return id, err
}

// text returns a claim as JavaScript's String() writes it, and whether there is one: null and "" count as absent.
// Booleans, arrays and objects are refused, since String() would give many users one name; so is text that is no valid
// Unicode, where the replacement character would.
func (c claims) text(name string) (string, bool, error) {
	raw := c[name]
	if len(raw) == 0 || string(raw) == "null" {
		return "", false, nil
	}
	switch {
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil || strings.ContainsRune(s, utf8.RuneError) {
			return "", false, fmt.Errorf("%w: %s is no valid text", ErrClaims, name)
		}
		return s, s != "", nil
	case rawjson.IsNumber(raw):
		s, err := rawjson.NumberText(raw)
		if err != nil {
			return "", false, fmt.Errorf("%w: %s: %w", ErrClaims, name, err)
		}
		return s, true, nil
	}
	return "", false, fmt.Errorf("%w: %s is neither text nor a number", ErrClaims, name)
}

// rooms fills in what the claim rooms opens. Anything but a list of names and prefix* patterns is refused: a mistake
// in it must not open every room.
func (c claims) rooms(id *Identity) error {
	raw, ok := c["rooms"]
	if !ok {
		return nil
	}
	var list []string
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return fmt.Errorf("%w: rooms is no list of names", ErrClaims)
	}
	id.limited = true
	for _, room := range list {
		star := strings.IndexByte(room, '*')
		switch {
		case room == "" || strings.ContainsRune(room, utf8.RuneError):
			return fmt.Errorf("%w: rooms has an entry that is no name", ErrClaims)
		case star < 0:
			if id.names == nil {
				id.names = make(map[string]struct{}, len(list))
			}
			id.names[room] = struct{}{}
		case star == len(room)-1:
			id.prefixes = append(id.prefixes, room[:star])
		default:
			return fmt.Errorf("%w: rooms has an entry with a * that is not at its end", ErrClaims)
		}
	}
	return nil
}

// time returns a claim in Unix seconds, with or without a fraction, and whether there is one.
//
// Rule: [RFC 7519 NumericDate].
//
// [RFC 7519 NumericDate]: https://www.rfc-editor.org/rfc/rfc7519#section-2
func (c claims) time(name string) (time.Time, bool, error) {
	raw, ok := c[name]
	if !ok {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if math.IsInf(seconds, 0) {
		err = nil // out of range is far away, and is cut below
	}
	if err != nil || len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return time.Time{}, false, fmt.Errorf("%w: %s is no time in seconds", ErrClaims, name)
	}
	// Not before 1970 either: it is over all the same, and the zero time stays what it means.
	whole, fraction := math.Modf(min(max(seconds, 0), endOfTime))
	return time.Unix(int64(whole), int64(fraction*1e9)), true, nil
}

// checkTimes checks when the token is good. exp gets no leeway: the connection ends at that instant, so it cannot begin
// after it.
func (c claims) checkTimes(id *Identity, now time.Time, leeway time.Duration, requireExpiry bool) error {
	if id.ExpiredAt(now) {
		return ErrExpired
	}
	if requireExpiry && id.expires.IsZero() {
		return fmt.Errorf("%w: it has no exp, and one is required", ErrExpired)
	}
	for _, name := range [...]string{"nbf", "iat"} {
		from, ok, err := c.time(name)
		if err != nil {
			return err
		}
		if ok && now.Add(leeway).Before(from) {
			return fmt.Errorf("%w: %s lies in the future", ErrNotYetValid, name)
		}
	}
	return nil
}

// checkIssuer checks that iss is exactly want; "" asks nothing.
func (c claims) checkIssuer(want string) error {
	if want == "" {
		return nil
	}
	var iss string
	if json.Unmarshal(c["iss"], &iss) != nil || iss != want {
		return ErrIssuer
	}
	return nil
}

// checkAudience checks that aud, a text or a list of texts, names want; "" asks nothing.
//
// Rule: [RFC 7519 aud].
//
// [RFC 7519 aud]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3
func (c claims) checkAudience(want string) error {
	if want == "" {
		return nil
	}
	var one string
	if json.Unmarshal(c["aud"], &one) == nil && one == want {
		return nil
	}
	var list []string
	if json.Unmarshal(c["aud"], &list) == nil && slices.Contains(list, want) {
		return nil
	}
	return ErrAudience
}
