package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

const (
	// TicketLife is how long a ticket is good, however often it is used in that time.
	TicketLife = 15 * time.Minute
	// TicketDigits is the length of a ticket in hex digits: 12 random bytes.
	TicketDigits = 24
)

var (
	// ErrNoTicket: no such ticket, or no longer. Which of the two, or that it is no ticket at all, is not told.
	ErrNoTicket = errors.New("no such ticket")
	// ErrNoUser: a ticket needs a user.
	ErrNoUser = errors.New("a ticket needs a user")
)

// Tickets keeps the short-lived tickets that open /demo and /notification. A ticket is 24 lower-case hex digits, speaks
// for one user, is good for [TicketLife] and may be used again in that time, so that a client can reconnect. How many
// there are is bounded, in all and per user; over a bound the oldest goes.
//
// An implementation keeps only the SHA-256 of a ticket, see [HashTicket], so who reads its memory, disk or Redis has no
// ticket. All methods may be called by any goroutine. Errors other than the two named above are the store's own trouble.
type Tickets interface {
	// Issue makes a ticket for a user. It returns [ErrNoUser] for "".
	Issue(ctx context.Context, userID string) (ticket string, err error)
	// User returns whom a ticket speaks for, or [ErrNoTicket]. ticket is what a client sent, anything at all.
	User(ctx context.Context, ticket string) (userID string, err error)
	// Revoke ends all tickets of a user. Having none is no error.
	Revoke(ctx context.Context, userID string) error
}

// TicketHash is what a store keeps of a ticket.
//
// Finding it in a map is no comparison in constant time and need not be: what takes longer or shorter depends on the
// bits of a hash, and who does not know the ticket cannot choose those. A plain hash without salt is enough for 96
// random bits; there is no dictionary of them.
type TicketHash [sha256.Size]byte

// NewTicket makes up a ticket and returns what is given to the client and what is kept.
func NewTicket() (ticket string, hash TicketHash) {
	var b [TicketDigits / 2]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:]), sha256.Sum256(b[:])
}

// HashTicket returns what a store keeps of a ticket, and whether the text has a ticket's form: 24 lower-case hex digits,
// nothing around them. Anything else is refused before it is hashed, however long it is.
func HashTicket(ticket string) (hash TicketHash, ok bool) {
	if len(ticket) != TicketDigits {
		return hash, false
	}
	for i := range len(ticket) {
		if b := ticket[i]; (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return hash, false
		}
	}
	var b [TicketDigits / 2]byte
	if _, err := hex.Decode(b[:], []byte(ticket)); err != nil {
		return hash, false
	}
	return sha256.Sum256(b[:]), true
}
