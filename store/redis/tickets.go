package redis

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	"signalbox/store"
	"signalbox/store/redislink"
)

var (
	scriptTicketIssue  = script("tickets_head", "ticket_issue")
	scriptTicketRevoke = script("tickets_head", "ticket_revoke")
)

// ticketKeyLength is the length of a SHA-256 as the keys have it.
const ticketKeyLength = 43

// maxLateTickets is how many tickets that were issued while Redis was away are written when it is back; of more, the others
// are good on this node only.
const maxLateTickets = 1000

// Tickets keeps tickets where every node finds them. Redis has the SHA-256 of a ticket and never the ticket; it drops it when its
// time is over. The bounds, in all and per user, hold for the whole cluster, and exactly.
//
// While Redis is away, the tickets that this node has issued are good here; whether others are is not known, and User returns an
// error that is not [store.ErrNoTicket]. New ones can be issued: they are good on this node at once, and everywhere when Redis
// is back. Revoke ends them on this node and returns an error: elsewhere the user's tickets are good until their time is over.
// A Redis that has lost its data has lost the tickets.
type Tickets struct {
	// Static after construction.
	link            *redislink.Link
	base            string
	max, maxPerUser int
	own             *store.MemoryTickets // those issued here

	writing sync.Mutex // held while a late ticket is written, so that Revoke does not miss it

	mu sync.Mutex
	// mu guards the following.
	late []lateTicket // those Redis is to have yet
}

// lateTicket is a ticket that was issued while Redis was away.
type lateTicket struct {
	key, user string
	expires   time.Time
}

var _ store.Tickets = (*Tickets)(nil)

// NewTickets returns the tickets of a cluster, at most [store.DefaultMaxTickets] and [store.DefaultMaxTicketsPerUser] for one
// user. It ends with the link.
func NewTickets(l *redislink.Link, prefix string) *Tickets {
	return newTickets(l, prefix, store.DefaultMaxTickets, store.DefaultMaxTicketsPerUser)
}

func newTickets(l *redislink.Link, prefix string, max, maxPerUser int) *Tickets {
	t := &Tickets{
		link: l, base: keyBase(prefix) + "{tickets}:", max: max, maxPerUser: maxPerUser,
		own: store.NewMemoryTickets(max, maxPerUser),
	}
	l.OnState(t.state)
	return t
}

// Issue implements [store.Tickets]. An issue that has begun is not cut short by ctx.
func (t *Tickets) Issue(ctx context.Context, userID string) (string, error) {
	ticket, err := t.own.Issue(ctx, userID)
	if err != nil {
		return "", err
	}
	hash, _ := store.HashTicket(ticket) // it has been made right now
	late := lateTicket{key: ticketKey(hash), user: userID, expires: time.Now().Add(store.TicketLife)}
	if t.write(context.WithoutCancel(ctx), late) != nil {
		t.keepLate(late)
	}
	return ticket, nil
}

// User implements [store.Tickets].
func (t *Tickets) User(ctx context.Context, ticket string) (string, error) {
	hash, ok := store.HashTicket(ticket)
	if !ok {
		return "", store.ErrNoTicket
	}
	key := ticketKey(hash)
	reply, err := t.link.Do(ctx, "get", t.base+"t:"+key)
	value, _ := reply.(string)
	switch {
	case err == nil && len(value) > ticketKeyLength:
		return value[ticketKeyLength:], nil
	case err == nil && !t.isLate(key):
		return "", store.ErrNoTicket
	}
	if user, is := t.own.User(ctx, ticket); is == nil {
		return user, nil
	}
	if err == nil {
		return "", store.ErrNoTicket
	}
	return "", fmt.Errorf("ask for a ticket: %w", err)
}

// Revoke implements [store.Tickets].
func (t *Tickets) Revoke(ctx context.Context, userID string) error {
	t.dropLate(userID)
	if err := t.own.Revoke(ctx, userID); err != nil {
		return err
	}
	_, err := t.link.Run(context.WithoutCancel(ctx), scriptTicketRevoke, []string{t.base + "all"}, t.base, userKey(userID))
	if err != nil {
		return fmt.Errorf("revoke tickets: %w", err)
	}
	return nil
}

// write gives a ticket to Redis. Doing it twice does no harm.
func (t *Tickets) write(ctx context.Context, l lateTicket) error {
	life := time.Until(l.expires).Round(time.Millisecond)
	if life <= 0 {
		return nil
	}
	_, err := t.link.Run(ctx, scriptTicketIssue, []string{t.base + "all"},
		t.base, l.key, userKey(l.user), l.user, life.Milliseconds(), t.max, t.maxPerUser)
	return err
}

func (t *Tickets) keepLate(l lateTicket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.late) > 0 && !time.Now().Before(t.late[0].expires) {
		t.late = t.late[1:]
	}
	if len(t.late) < maxLateTickets {
		t.late = append(t.late, l)
	}
}

func (t *Tickets) isLate(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.late {
		if t.late[i].key == key {
			return true
		}
	}
	return false
}

func (t *Tickets) dropLate(userID string) {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = slices.DeleteFunc(t.late, func(l lateTicket) bool { return l.user == userID })
}

// state is told by the link. When Redis is back it is given what was issued meanwhile, in order.
func (t *Tickets) state(up bool) {
	if !up {
		return
	}
	for t.writeLate() {
	}
}

// writeLate writes the oldest late ticket and reports whether there may be more.
func (t *Tickets) writeLate() bool {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	if len(t.late) == 0 {
		t.mu.Unlock()
		return false
	}
	first := t.late[0]
	t.mu.Unlock()
	if t.write(context.Background(), first) != nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.late) > 0 && t.late[0] == first { // else its time is over
		t.late = t.late[1:]
	}
	return true
}

func ticketKey(h store.TicketHash) string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// userKey is what a user is called in keys, however long the id is.
func userKey(id string) string {
	h := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
