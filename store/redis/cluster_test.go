package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/storetest"
)

// TestOnACluster runs every script where the keys are on three masters, each of which refuses keys that are not its own.
func TestOnACluster(t *testing.T) {
	url := redistest.StartCluster(t, 3, false).URL()
	t.Run("users", func(t *testing.T) {
		l := dial(t, url)
		var n int
		storetest.TestUserStore(t, func(*testing.T) store.UserStore {
			n++
			return NewUsers(l, fmt.Sprint("p", n), "a")
		})
	})
	t.Run("tickets", func(t *testing.T) {
		a, b := NewTickets(dial(t, url), "p"), NewTickets(dial(t, url), "p")
		for _, user := range []string{"42", "43"} {
			ticket, err := a.Issue(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			wantTicket(t, b, ticket, user)
			if err := b.Revoke(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			wantNoTicket(t, a, ticket)
		}
	})
	t.Run("nodes", func(t *testing.T) {
		a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
		ann, bob := store.User{ID: "1", Name: "Ann", Room: "r"}, store.User{ID: "2", Name: "Bob", Room: "r"}
		save(t, a.users, ann, bob)
		a.notice("k", "k", "j")
		if err := a.Leave(t.Context(), 2*time.Second); err != nil {
			t.Fatal(err)
		}
		wantDeath(t, receive(t, "b is told that a leaves", b.leavings), "a", "j", "k", "k")
		if !b.TakeOver(t.Context(), "k") {
			t.Error("Claim = false, want true")
		}
		a.WithdrawNotice("k")
		a.notice("i")
		back := store.User{ID: "3", Name: "Ann", Room: "r"}
		wantBack(t, b.users, back, true)
		wantDeath(t, receive(t, "b is told", b.dead), "a", "i", "j", "k")
		if got, err := b.users.Release(t.Context(), "a"); err != nil || !slices.Equal(got, []store.User{bob}) {
			t.Errorf("Release = %v, %v, want Bob", got, err)
		}
		if err := b.users.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantRoom(t, b.users, "r", back)
	})
}
