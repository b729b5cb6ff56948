package auth

import (
	"slices"
	"strings"
	"time"
)

// Identity is who a verified token speaks for and what it allows. It is made by [Verifier.Verify] and never changes,
// so it may be shared freely.
type Identity struct {
	userID  string
	name    string
	named   bool // by the claim name
	scopes  []string
	expires time.Time

	limited  bool // the claim rooms was there: only what follows is open
	names    map[string]struct{}
	prefixes []string
}

// UserID returns the user: the claim sub, else id, else _id, as JavaScript's String() writes it. It is never empty.
func (id *Identity) UserID() string { return id.userID }

// Name returns what to show to others: the claim name, else the user's id.
func (id *Identity) Name() string { return id.name }

// Named reports whether the token has the claim name.
func (id *Identity) Named() bool { return id.named }

// Expires returns the instant at which the token ends, the zero time if it never does.
func (id *Identity) Expires() time.Time { return id.expires }

// ExpiredAt reports whether the token is no longer good at t. At the very instant it expires it is not.
//
// Rule: [RFC 7519 exp].
//
// [RFC 7519 exp]: https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
func (id *Identity) ExpiredAt(t time.Time) bool {
	return !id.expires.IsZero() && !t.Before(id.expires)
}

// CanJoin reports whether the token opens a room. Without the claim rooms every room is open; with it those that it
// names and those that begin with one of its prefixes, byte for byte. A * in room is a character like any other.
func (id *Identity) CanJoin(room string) bool {
	if !id.limited {
		return true
	}
	if _, ok := id.names[room]; ok {
		return true
	}
	return slices.ContainsFunc(id.prefixes, func(p string) bool { return strings.HasPrefix(room, p) })
}

// Rooms returns the names and prefix* patterns of the rooms that the token opens, in no order, and whether it is limited to
// them: without the claim every room is open.
func (id *Identity) Rooms() (patterns []string, limited bool) {
	for name := range id.names {
		patterns = append(patterns, name)
	}
	for _, prefix := range id.prefixes {
		patterns = append(patterns, prefix+"*")
	}
	return patterns, id.limited
}

// Limited returns an identity without a user that opens the rooms of these patterns alone, as [Identity.Rooms] gives them.
func Limited(patterns []string) *Identity {
	id := &Identity{limited: true, names: make(map[string]struct{})}
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			id.prefixes = append(id.prefixes, prefix)
		} else {
			id.names[p] = struct{}{}
		}
	}
	return id
}

// HasScope reports whether the claim scope has the word, "tap" for one. Words are told apart by case.
func (id *Identity) HasScope(scope string) bool { return slices.Contains(id.scopes, scope) }
