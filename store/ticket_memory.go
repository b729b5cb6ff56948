package store

import (
	"context"
	"sync"
	"time"
)

const (
	// DefaultMaxTickets bounds the tickets in memory, see BenchmarkMemoryTicketsSize for what one costs.
	DefaultMaxTickets = 100_000
	// DefaultMaxTicketsPerUser is enough for a user's many tabs and devices, each of which may take a new ticket for
	// every reconnect.
	DefaultMaxTicketsPerUser = 32
)

// MemoryTickets keeps tickets in memory: they are gone when the process ends, and other nodes do not know them.
//
// All tickets live equally long, so in the order they were issued they also expire. One list in that order, cleared from
// its old end by whoever calls next, is all that expiry takes: no goroutine, no timer.
type MemoryTickets struct {
	// Static after construction.
	max, maxPerUser int

	mu sync.Mutex
	// mu guards the following.
	byHash map[TicketHash]*ticket
	byUser map[string]*userTickets
	oldest *ticket
	newest *ticket
}

var _ Tickets = (*MemoryTickets)(nil)

// ticket is in two lists: of all tickets and of its user's, both from oldest to newest.
type ticket struct {
	hash    TicketHash
	user    *userTickets
	expires time.Time

	older, newer         *ticket
	userOlder, userNewer *ticket
}

// userTickets are the tickets of one user, there while it has one.
type userTickets struct {
	id             string
	count          int
	oldest, newest *ticket
}

// NewMemoryTickets returns an empty store for at most max tickets, maxPerUser of them for one user. Zero or less means
// [DefaultMaxTickets] and [DefaultMaxTicketsPerUser].
func NewMemoryTickets(max, maxPerUser int) *MemoryTickets {
	if max <= 0 {
		max = DefaultMaxTickets
	}
	if maxPerUser <= 0 {
		maxPerUser = DefaultMaxTicketsPerUser
	}
	return &MemoryTickets{
		max:        max,
		maxPerUser: maxPerUser,
		byHash:     make(map[TicketHash]*ticket),
		byUser:     make(map[string]*userTickets),
	}
}

// Issue implements [Tickets].
func (m *MemoryTickets) Issue(_ context.Context, userID string) (string, error) {
	if userID == "" {
		return "", ErrNoUser
	}
	text, hash := NewTicket()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.expireLocked(now)
	if u := m.byUser[userID]; u != nil && u.count >= m.maxPerUser {
		m.removeLocked(u.oldest)
	}
	if len(m.byHash) >= m.max {
		m.removeLocked(m.oldest)
	}
	m.addLocked(&ticket{hash: hash, expires: now.Add(TicketLife)}, userID)
	return text, nil
}

// User implements [Tickets].
func (m *MemoryTickets) User(_ context.Context, text string) (string, error) {
	hash, ok := HashTicket(text)
	if !ok {
		return "", ErrNoTicket
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expireLocked(time.Now())
	t := m.byHash[hash]
	if t == nil {
		return "", ErrNoTicket
	}
	return t.user.id, nil
}

// Revoke implements [Tickets].
func (m *MemoryTickets) Revoke(_ context.Context, userID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.byUser[userID]; u != nil {
		for u.oldest != nil {
			m.removeLocked(u.oldest)
		}
	}
	return nil
}

// Len returns how many tickets are good now.
func (m *MemoryTickets) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expireLocked(time.Now())
	return len(m.byHash)
}

// expireLocked removes what is over. Each ticket is removed once, so a call costs what one Issue costs, on the average.
func (m *MemoryTickets) expireLocked(now time.Time) {
	for m.oldest != nil && !now.Before(m.oldest.expires) {
		m.removeLocked(m.oldest)
	}
}

// addLocked makes t the newest ticket.
func (m *MemoryTickets) addLocked(t *ticket, userID string) {
	u := m.byUser[userID]
	if u == nil {
		u = &userTickets{id: userID}
		m.byUser[userID] = u
	}
	t.user = u
	m.byHash[t.hash] = t

	t.older = m.newest
	if m.newest != nil {
		m.newest.newer = t
	} else {
		m.oldest = t
	}
	m.newest = t

	t.userOlder = u.newest
	if u.newest != nil {
		u.newest.userNewer = t
	} else {
		u.oldest = t
	}
	u.newest = t
	u.count++
}

// removeLocked takes t out of everything, and its user with the last one.
func (m *MemoryTickets) removeLocked(t *ticket) {
	delete(m.byHash, t.hash)

	if t.older != nil {
		t.older.newer = t.newer
	} else {
		m.oldest = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		m.newest = t.older
	}

	u := t.user
	if t.userOlder != nil {
		t.userOlder.userNewer = t.userNewer
	} else {
		u.oldest = t.userNewer
	}
	if t.userNewer != nil {
		t.userNewer.userOlder = t.userOlder
	} else {
		u.newest = t.userOlder
	}
	u.count--
	if u.count == 0 {
		delete(m.byUser, u.id)
	}
}
