package store

import (
	"context"
	"sync"
	"time"

	"signalbox/store/internal/list"
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
	byHash  map[TicketHash]*ticket
	byUser  map[string]*userTickets
	tickets list.List[*ticket] // from oldest to newest
}

var _ Tickets = (*MemoryTickets)(nil)

// ticket is in two lists: of all tickets and of its user's, both from oldest to newest.
type ticket struct {
	hash    TicketHash
	user    *userTickets
	expires time.Time

	inAll, inUser list.Item[*ticket]
}

// userTickets are the tickets of one user, there while it has one.
type userTickets struct {
	id      string
	tickets list.List[*ticket]
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
	if u := m.byUser[userID]; u != nil && u.tickets.Len() >= m.maxPerUser {
		m.removeLocked(u.tickets.First())
	}
	if len(m.byHash) >= m.max {
		m.removeLocked(m.tickets.First())
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
		for u.tickets.Len() > 0 {
			m.removeLocked(u.tickets.First())
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
	for t := m.tickets.First(); t != nil && !now.Before(t.expires); t = m.tickets.First() {
		m.removeLocked(t)
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
	t.inAll.Value, t.inUser.Value = t, t
	m.byHash[t.hash] = t
	m.tickets.Push(&t.inAll)
	u.tickets.Push(&t.inUser)
}

// removeLocked takes t out of everything, and its user with the last one.
func (m *MemoryTickets) removeLocked(t *ticket) {
	delete(m.byHash, t.hash)
	m.tickets.Remove(&t.inAll)
	t.user.tickets.Remove(&t.inUser)
	if t.user.tickets.Len() == 0 {
		delete(m.byUser, t.user.id)
	}
}
