package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/store"
)

// The bounds that [TestTickets] wants a store to be made with, small enough to reach.
const (
	TicketLimit        = 8
	TicketLimitPerUser = 3
)

// TestTickets holds an implementation of [store.Tickets] to its contract. run is called for each test, as a subtest: it makes
// an empty store with [TicketLimit] and [TicketLimitPerUser] and hands it to the test, together with what lets time pass
// for that store: time.Sleep inside a synctest bubble, or moving the clock of the server behind it.
func TestTickets(t *testing.T, run func(t *testing.T, test func(t *testing.T, s store.Tickets, wait func(time.Duration)))) {
	t.Helper()
	ctx := context.Background()
	for name, test := range map[string]func(*testing.T, store.Tickets, func(time.Duration)){
		"a ticket speaks for its user, again and again": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			a, b := issue(t, s, "42"), issue(t, s, "43")
			for range 3 {
				wantUser(t, s, a, "42")
				wantUser(t, s, b, "43")
			}
		},
		"a ticket is 24 lower-case hex digits and never the same": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			seen := make(map[string]bool)
			for i := range 200 {
				ticket := issue(t, s, fmt.Sprint(i))
				if len(ticket) != 24 || strings.Trim(ticket, "0123456789abcdef") != "" {
					t.Fatalf("Issue = %q, want 24 lower-case hex digits", ticket)
				}
				if seen[ticket] {
					t.Fatalf("Issue gave one ticket twice")
				}
				seen[ticket] = true
			}
		},
		"a user's id is kept as it is": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			for _, id := range []string{"ü*?[x] \n:{}", "user:42", strings.Repeat("x", 4096)} {
				wantUser(t, s, issue(t, s, id), id)
			}
		},
		"no user, no ticket": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			if ticket, err := s.Issue(ctx, ""); ticket != "" || !errors.Is(err, store.ErrNoUser) {
				t.Fatalf(`Issue("") = %q, %v, want ErrNoUser`, ticket, err)
			}
		},
		"what is no ticket is refused": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			good := issue(t, s, "42")
			for _, bad := range []string{
				"", good[:23], good + "0", " " + good, good + "\n", strings.ToUpper(good) + "A", flip(good), "*",
				strings.Repeat("0", 24), strings.Repeat("g", 24), strings.Repeat("a", 1<<20), "\x00" + good[1:],
			} {
				wantNone(t, s, bad)
			}
			wantUser(t, s, good, "42")
		},
		"it lives fifteen minutes, used or not": func(t *testing.T, s store.Tickets, wait func(time.Duration)) {
			first := issue(t, s, "42")
			wait(store.TicketLife / 2)
			wantUser(t, s, first, "42")
			second := issue(t, s, "42")
			wait(store.TicketLife/2 - time.Second)
			wantUser(t, s, first, "42")
			wait(time.Second)
			wantNone(t, s, first)
			wantUser(t, s, second, "42")
			wait(store.TicketLife / 2)
			wantNone(t, s, second)
		},
		"over a user's limit its oldest goes": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			other := issue(t, s, "other")
			var mine []string
			for range TicketLimitPerUser + 1 {
				mine = append(mine, issue(t, s, "42"))
			}
			wantNone(t, s, mine[0])
			for _, ticket := range mine[1:] {
				wantUser(t, s, ticket, "42")
			}
			wantUser(t, s, other, "other")
		},
		"over the limit the oldest of all goes": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			var all []string
			for i := range TicketLimit + 2 {
				all = append(all, issue(t, s, fmt.Sprint(i)))
			}
			wantNone(t, s, all[0])
			wantNone(t, s, all[1])
			for i, ticket := range all[2:] {
				wantUser(t, s, ticket, fmt.Sprint(i+2))
			}
		},
		"expired tickets count for no limit": func(t *testing.T, s store.Tickets, wait func(time.Duration)) {
			for range TicketLimitPerUser {
				issue(t, s, "42")
			}
			wait(store.TicketLife)
			for range TicketLimitPerUser {
				wantUser(t, s, issue(t, s, "42"), "42")
			}
		},
		"revoke ends a user's tickets and no other's": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			a, b, other := issue(t, s, "42"), issue(t, s, "42"), issue(t, s, "43")
			for range 2 {
				if err := s.Revoke(ctx, "42"); err != nil {
					t.Fatalf("Revoke = %v", err)
				}
			}
			wantNone(t, s, a)
			wantNone(t, s, b)
			wantUser(t, s, other, "43")
			wantUser(t, s, issue(t, s, "42"), "42")
		},
		"many at once": func(t *testing.T, s store.Tickets, _ func(time.Duration)) {
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					user := fmt.Sprint(i % 4)
					for range 50 {
						ticket, err := s.Issue(ctx, user)
						if err != nil {
							t.Errorf("Issue = %v", err)
							return
						}
						// It may be pushed out by the others, but never speaks for one of them.
						if got, err := s.User(ctx, ticket); err == nil && got != user || err != nil && !errors.Is(err, store.ErrNoTicket) {
							t.Errorf("User = %q, %v, want %q or ErrNoTicket", got, err, user)
							return
						}
						if i == 0 {
							if err := s.Revoke(ctx, user); err != nil {
								t.Errorf("Revoke = %v", err)
							}
						}
					}
				})
			}
			wg.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) { run(t, test) })
	}
}

func issue(t *testing.T, s store.Tickets, user string) string {
	t.Helper()
	ticket, err := s.Issue(context.Background(), user)
	if err != nil {
		t.Fatalf("Issue(%q) = %v", user, err)
	}
	return ticket
}

func wantUser(t *testing.T, s store.Tickets, ticket, user string) {
	t.Helper()
	if got, err := s.User(context.Background(), ticket); err != nil || got != user {
		t.Fatalf("User = %q, %v, want %q", got, err, user)
	}
}

func wantNone(t *testing.T, s store.Tickets, ticket string) {
	t.Helper()
	if got, err := s.User(context.Background(), ticket); got != "" || !errors.Is(err, store.ErrNoTicket) {
		t.Fatalf("User(%.40q) = %q, %v, want ErrNoTicket", ticket, got, err)
	}
}

// flip changes the last digit.
func flip(ticket string) string {
	last := byte('0')
	if ticket[len(ticket)-1] == '0' {
		last = '1'
	}
	return ticket[:len(ticket)-1] + string(last)
}
