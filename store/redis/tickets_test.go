package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/storetest"
)

func TestTickets(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		redistest.NeedReal(t)
		url := redistest.Start(t).URL()
		l, c := dial(t, url), client(t, url)
		var n int
		storetest.TestTickets(t, func(t *testing.T, test func(*testing.T, store.Tickets, func(time.Duration))) {
			n++
			tickets := newTickets(l, fmt.Sprint("p", n), storetest.TicketLimit, storetest.TicketLimitPerUser)
			test(t, tickets, func(d time.Duration) { age(t, c, tickets.base, d) })
		})
		wantKeysBounded(t, c)
	})
	t.Run("miniredis", func(t *testing.T) {
		storetest.TestTickets(t, func(t *testing.T, test func(*testing.T, store.Tickets, func(time.Duration))) {
			m := miniredis.RunT(t)
			now := time.Now()
			m.SetTime(now)
			tickets := newTickets(dial(t, "redis://"+m.Addr()), "p", storetest.TicketLimit, storetest.TicketLimitPerUser)
			test(t, tickets, func(d time.Duration) {
				now = now.Add(d)
				m.SetTime(now)
				m.FastForward(d)
			})
		})
	})
}

// age makes all tickets older: the clock of a real Redis cannot be set.
func age(t *testing.T, c *goredis.Client, base string, by time.Duration) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, base+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key, base+"t:") {
			members, err := c.ZRange(ctx, key, 0, -1).Result()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range members {
				c.ZIncrBy(ctx, key, -float64(by.Microseconds()), m)
			}
		}
		left, err := c.PTTL(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PExpire(ctx, key, left-by).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTicketsOfTwoNodes(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		a, b := NewTickets(dial(t, url), "p"), NewTickets(dial(t, url), "p")
		ticket, err := a.Issue(t.Context(), "42")
		if err != nil {
			t.Fatal(err)
		}
		wantTicket(t, b, ticket, "42")
		if err := b.Revoke(t.Context(), "42"); err != nil {
			t.Fatal(err)
		}
		wantNoTicket(t, a, ticket)
		if n, err := client(t, url).DBSize(t.Context()).Result(); n != 0 || err != nil {
			t.Errorf("DBSize = %d, %v, want nothing left of a revoked ticket", n, err)
		}
	})
}

// TestTicketIsNowhere says what who reads Redis does not find.
func TestTicketIsNowhere(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		ticket, err := NewTickets(dial(t, url), "p").Issue(t.Context(), "42")
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, url)
		keys, err := c.Keys(t.Context(), "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			all := key + fmt.Sprint(c.Get(t.Context(), key).Val(), c.ZRange(t.Context(), key, 0, -1).Val())
			if strings.Contains(all, ticket) {
				t.Errorf("%s has a ticket: %s", key, all)
			}
		}
	})
}

func TestTicketsWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	la, lb := dial(t, server.URL()), dial(t, server.URL())
	a, b := NewTickets(la, "p"), NewTickets(lb, "p")
	before, err := a.Issue(t.Context(), "42")
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	eventually(t, "the links are down", func() bool { return !la.Up() && !lb.Up() })
	wantTicket(t, a, before, "42")
	var late []string
	for _, user := range []string{"42", "43", "44"} {
		ticket, err := a.Issue(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		wantTicket(t, a, ticket, user)
		late = append(late, ticket)
	}
	if user, err := b.User(t.Context(), late[0]); user != "" || err == nil || errors.Is(err, store.ErrNoTicket) {
		t.Errorf("User of another node's ticket = %q, %v, want an error that is not ErrNoTicket", user, err)
	}
	if err := a.Revoke(t.Context(), "43"); err == nil {
		t.Errorf("Revoke = nil, want an error: nobody else knows")
	}
	wantErr := func(ticket string) {
		t.Helper()
		if user, err := a.User(t.Context(), ticket); user != "" || err == nil {
			t.Errorf("User of a revoked ticket = %q, %v, want an error", user, err)
		}
	}
	wantErr(late[1])

	server.Start()
	eventually(t, "redis has what was issued", func() bool {
		user, err := b.User(t.Context(), late[2])
		return err == nil && user == "44"
	})
	wantTicket(t, b, late[0], "42")
	wantNoTicket(t, a, late[1])
	wantNoTicket(t, b, late[1])
	wantNoTicket(t, b, before) // redis has lost its data
	wantKeysBounded(t, client(t, server.URL()))
}

func wantTicket(t testing.TB, s store.Tickets, ticket, user string) {
	t.Helper()
	if got, err := s.User(context.Background(), ticket); got != user || err != nil {
		t.Errorf("User = %q, %v, want %q", got, err, user)
	}
}

func wantNoTicket(t testing.TB, s store.Tickets, ticket string) {
	t.Helper()
	if got, err := s.User(context.Background(), ticket); got != "" || !errors.Is(err, store.ErrNoTicket) {
		t.Errorf("User = %q, %v, want ErrNoTicket", got, err)
	}
}
