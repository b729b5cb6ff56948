package userlist_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/handlers/userlist"
	"signalbox/server/app"
	"signalbox/store"
)

// lists returns the lists of users among lines.
func lists(lines []string) []string {
	var found []string
	for _, line := range lines {
		if list, ok := strings.CutPrefix(line, "users "); ok {
			found = append(found, list)
		}
	}
	return found
}

func TestASmallRoomGetsAListForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		first := w.Connect(t, "first")
		first.Login("f", "r")
		for i := range userlist.PromptUsers - 1 {
			w.Connect(t, fmt.Sprint("c", i)).Login("n", "r")
			if got := lists(first.Take()); len(got) != 1 || strings.Count(got[0], `"id"`) != i+2 {
				t.Errorf("after login %d: %q, want the list at once", i, got)
			}
		}
	})
}

func TestALargeRoomAtRestGetsTheListAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		clients := w.Crowd(t, 50, "r")
		late := w.Connect(t, "late")
		late.Login("late", "r")
		for _, c := range clients {
			if got := lists(c.Take()); len(got) != 1 || !strings.Contains(got[0], `"id":"late"`) {
				t.Fatalf("%s got %d lists, want one that names who came", c.ID(), len(got))
			}
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := clients[0].Take(); len(got) != 0 {
			t.Errorf("later: %q, want nothing more", got)
		}
	})
}

func TestNobodyWaitsLongerThan100msForAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		clients := w.Crowd(t, 50, "r")
		watcher := clients[0]
		start := time.Now()
		came := make(map[string]time.Time)
		listed := make(map[string]time.Time)
		look := func() {
			for _, list := range lists(watcher.Take()) {
				for id := range came {
					if _, seen := listed[id]; !seen && strings.Contains(list, `"id":"`+id+`"`) {
						listed[id] = time.Now()
					}
				}
			}
		}
		for i := range 200 {
			id := fmt.Sprint("x", i)
			c := w.Connect(t, id)
			came[id] = time.Now()
			c.Ask("login", `{"name":"x","room":"r"}`)
			// The one who came has a list with itself before its callback.
			lines := c.Take()
			if n := len(lines); n < 2 || !strings.HasPrefix(lines[n-1], "ack") || !strings.Contains(lines[n-2], `"id":"`+id+`"`) {
				t.Fatalf("%s got %q, want a list with itself, then the callback", id, lines)
			}
			look()
			time.Sleep(3 * time.Millisecond)
			synctest.Wait()
			look()
		}
		took := time.Since(start)
		for range 100 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			look()
		}
		for id, at := range came {
			seen, ok := listed[id]
			if !ok || seen.Sub(at) > 100*time.Millisecond {
				t.Errorf("%s came at %v and was listed after %v, %v, want 100ms at most", id, at.Sub(start), seen.Sub(at), ok)
			}
		}
		// 600 ms of logins are about 8 lists to each, not 200.
		stats := w.Chat.Stats()
		perClient := int(took/userlist.ListInterval) + 2
		if most := uint64(50*51/2+50*20) + uint64(250*perClient+200); stats.UserLists.Load() > most {
			t.Errorf("%d lists were sent, want at most %d", stats.UserLists.Load(), most)
		}
	})
}

func TestAMassLogoutEndsWithOneList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		clients := w.Crowd(t, 300, "r")
		stay := clients[150]
		for _, c := range clients {
			if c != stay {
				w.End(c)
			}
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		lines := stay.Take()
		got := lists(lines)
		if last := got[len(got)-1]; last != `[`+user("c150", "n150", "r")+`]` {
			t.Errorf("last list = %s, want the one who stayed", last)
		}
		if notes := len(lines) - len(got); notes != 299 {
			t.Errorf("%d notifications, want 299", notes)
		}
		if len(got) > userlist.PromptUsers+2 {
			t.Errorf("%d lists for one moment, want at most %d", len(got), userlist.PromptUsers+2)
		}
	})
}

func TestCloseStopsTheTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		clients := w.Crowd(t, 20, "r")
		w.Connect(t, "a").Login("a", "r")
		w.Connect(t, "b").Login("b", "r") // its list has to wait
		clients[0].Take()
		w.Chat.Close()
		w.Chat.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		clients[0].Want(t)
		w.End(clients[1]) // sessions may end after it, and clients come too late
		w.Connect(t, "late").Login("late", "q")
		clients[0].Want(t, left("n1"))
	})
}

func TestAnEmptyRoomKeepsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		clients := w.Crowd(t, 20, "r")
		for _, c := range clients {
			w.End(c)
		}
		if n := w.Chat.Lists(); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
		fresh := w.Connect(t, "fresh") // the room is a new one
		fresh.Login("f", "r")
		time.Sleep(time.Second)
		synctest.Wait()
		fresh.Want(t)
	})
}

func TestAListThatCouldNotBeReadComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, users := newFailingWorld(t)
		a, b := w.Connect(t, "a"), w.Connect(t, "b")
		a.Login("Ann", "r")
		users.list.Store(true)
		b.Ask("login", `{"name":"Bob","room":"r"}`)
		b.Want(t, `ack {"user":`+user("b", "Bob", "r")+`}`)
		a.Want(t, entered("Bob"))
		time.Sleep(userlist.RetryInterval + userlist.RetryInterval/2) // the first retry fails as well
		synctest.Wait()
		a.Want(t)
		users.list.Store(false)
		time.Sleep(userlist.RetryInterval)
		synctest.Wait()
		want := `users [` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		a.Want(t, want)
		b.Want(t, want)
		time.Sleep(10 * userlist.RetryInterval)
		synctest.Wait()
		a.Want(t)
		if stats := w.Chat.Stats(); stats.StoreErrors.Load() != 2 {
			t.Errorf("StoreErrors = %d, want 2", stats.StoreErrors.Load())
		}
	})
}

func TestAChangeDoesNotWaitForARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, users := newFailingWorld(t)
		clients := w.Crowd(t, 20, "r")
		users.list.Store(true)
		w.Connect(t, "x").Login("x", "r")
		users.list.Store(false)
		w.Connect(t, "y").Login("y", "r")
		w.Connect(t, "z").Login("z", "r")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		got := lists(clients[0].Take())
		if len(got) == 0 || !strings.HasSuffix(got[len(got)-1], user("x", "x", "r")+","+user("y", "y", "r")+","+user("z", "z", "r")+"]") {
			t.Errorf("lists = %q, want all three in the last", got)
		}
	})
}

// TestEverybodyEndsWithTheSameList has many clients come, go and leave for good at once.
func TestEverybodyEndsWithTheSameList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, rounds = 200, 5
		w := testkit.NewWorld(t, testkit.RootOptions{})
		all := make([]*testkit.Client, clients)
		var wg sync.WaitGroup
		for i := range all {
			all[i] = w.Connect(t, fmt.Sprint("c", i))
			wg.Go(func() {
				c := all[i]
				for round := range rounds {
					c.Ask("login", `{"name":"n","room":"r"}`)
					if got := c.LastUsers(); !strings.Contains(got, `"id":"`+c.ID()+`"`) {
						t.Errorf("%s in round %d: the list before the callback is %s, want itself in it", c.ID(), round, got)
					}
					if _, err := w.Users.GetRoomUsers(t.Context(), "r"); err != nil {
						t.Error(err)
					}
					if i%2 == 0 { // half of them in one moment, half over several lists
						time.Sleep(rand.N(2 * userlist.ListInterval))
					}
					if round < rounds-1 {
						c.Ask("logout")
						c.Take()
					}
				}
				if i%4 == 0 {
					w.End(c)
				}
			})
		}
		wg.Wait()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		users, err := w.Users.GetRoomUsers(t.Context(), "r")
		if err != nil || len(users) != clients*3/4 {
			t.Fatalf("GetRoomUsers = %d users, %v, want %d", len(users), err, clients*3/4)
		}
		want := string(userlist.ListMessage(users).Args[0])
		for i, c := range all {
			if i%4 != 0 && c.LastUsers() != want {
				t.Errorf("%s ended with\n%s\nwant\n%s", c.ID(), c.LastUsers(), want)
			}
		}
	})
}

// slowStore is a store whose answer to one list takes until release is closed.
type slowStore struct {
	*store.Memory
	slow    atomic.Bool
	waiting chan struct{}
	release chan struct{}
}

func (s *slowStore) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	users, err := s.Memory.GetRoomUsers(ctx, room)
	if s.slow.CompareAndSwap(true, false) {
		close(s.waiting)
		<-s.release
	}
	return users, err
}

func TestAListThatWasReadEarlierIsNotSentLater(t *testing.T) {
	users := &slowStore{Memory: store.NewMemory(), waiting: make(chan struct{}), release: make(chan struct{})}
	w := testkit.NewWorld(t, testkit.RootOptions{Users: users})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	users.slow.Store(true)
	var wg sync.WaitGroup
	wg.Go(func() { a.Ask("login", `{"name":"Ann","room":"r"}`) })
	<-users.waiting // Ann's list has been read, without Bob
	b.Ask("login", `{"name":"Bob","room":"r"}`)
	close(users.release)
	wg.Wait()
	both := `users [` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
	a.Want(t, entered("Bob"), both, `ack {"user":`+user("a", "Ann", "r")+`}`)
	b.Want(t, both, `ack {"user":`+user("b", "Bob", "r")+`}`)
}

// One client that logs in and out of a large room makes the server send a bounded number of bytes.
func TestListsOfALargeRoomAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := testkit.NewWorld(t, testkit.RootOptions{})
		login := func(i int) (app.Session, *app.Event) {
			s, session := w.Silent(t, fmt.Sprintf("abcdefghijklmnop%04d", i))
			e := testkit.Event("login", fmt.Sprintf(`{"name":"name%04d","room":"room"}`, i))
			e.Ack = app.NewAcker(s, "1")
			return session, e
		}
		const users = 400
		for i := range users {
			session, e := login(i)
			session.Event(e)
		}
		const size = users * len(`{"id":"abcdefghijklmnop0000","name":"name0000","room":"room"},`)
		session, in := login(users)
		out := testkit.Event("logout")
		out.Ack = in.Ack
		before, start := w.Chat.Stats().UserLists.Load(), time.Now()
		for range 1000 {
			session.Event(in)
			time.Sleep(50 * time.Millisecond)
			session.Event(out)
			time.Sleep(50 * time.Millisecond)
		}
		sent := float64(w.Chat.Stats().UserLists.Load()-before) * float64(size)
		if most := userlist.ListBurst + userlist.ListRate*time.Since(start).Seconds() + float64((2*users+1000)*size); sent > most || sent < most/2 {
			t.Errorf("%.0f MB of lists in %v, want at most %.0f and not much less", sent/1e6, time.Since(start), most/1e6)
		}
		time.Sleep(20 * time.Second) // in peace again
		synctest.Wait()
		before = w.Chat.Stats().UserLists.Load()
		session.Event(in)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := w.Chat.Stats().UserLists.Load() - before; n != users+1 {
			t.Errorf("%d lists for one login after a while, want one for each", n)
		}
	})
}
