package userlist_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/handlers/userlist"
	"signalbox/server/app"
	"signalbox/store"
)

func TestLoginAndLogoutOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		sites := testkit.NewSites(t, c, 2, nil)
		a, b, other := sites[0].Connect(t, "a"), sites[1].Connect(t, "b"), sites[1].Connect(t, "o")
		ann, bob := user("a", "Ann", "r"), user("b", "Bob", "r")
		other.Login("Zoe", "elsewhere")
		a.Ask("login", `{"name":"Ann","room":"r"}`)
		a.Want(t, `users [`+ann+`]`, `ack {"user":`+ann+`}`)
		synctest.Wait()
		b.Ask("login", `{"name":"Bob","room":"r"}`)
		synctest.Wait()
		a.Want(t, entered("Bob"), `users [`+ann+`,`+bob+`]`)
		b.Want(t, `users [`+ann+`,`+bob+`]`, `ack {"user":`+bob+`}`)
		a.Ask("roomMessage", `"hi"`)
		synctest.Wait()
		a.Want(t, `roomMessage {"message":"hi","from":"Ann"}`, `ack {"ok":true}`)
		b.Want(t, `roomMessage {"message":"hi","from":"Ann"}`)
		a.Ask("logout")
		synctest.Wait()
		a.Want(t, `ack`)
		b.Want(t, left("Ann"), `users [`+bob+`]`)
		other.Want(t)
		sites[1].Node.SetAway(true)
		b.Ask("roomMessage", `1`)
		b.Want(t, `roomMessage {"message":1,"from":"Bob"}`, `ack {"ok":true,"partial":true}`)
	})
}

// TestAServerThatEndsLeavesItsUsers to the cluster; without one they have left.
func TestAServerThatEndsLeavesItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		sites := testkit.NewSites(t, c, 2, nil)
		a, b := sites[0].Connect(t, "a"), sites[1].Connect(t, "b")
		a.Login("Ann", "r")
		synctest.Wait()
		b.Login("Bob", "r")
		synctest.Wait()
		a.Take()
		a.Session.Close(app.ReasonShutdown)
		sites[0].Hub.Remove(a.Member())
		time.Sleep(time.Minute)
		synctest.Wait()
		b.Want(t)
		if _, ok, err := sites[0].Users.FindUser(t.Context(), "a"); !ok || err != nil {
			t.Errorf("FindUser(a) = %v, %v, want the user", ok, err)
		}
		if n := sites[0].Chat.Lists(); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
	})
	w := testkit.NewWorld(t, testkit.RootOptions{})
	a, b := w.Connect(t, "a"), w.Connect(t, "b")
	a.Login("Ann", "r")
	b.Login("Bob", "r")
	a.Session.Close(app.ReasonShutdown)
	w.Hub.Remove(a.Member())
	b.Want(t, left("Ann"), `users [`+user("b", "Bob", "r")+`]`)
}

// graceStore is a store in which the users of some nodes are leaving.
type graceStore struct {
	*store.Memory
	mu      sync.Mutex
	leaving []store.User
}

func (s *graceStore) SaveUserBack(ctx context.Context, u store.User) (added, back bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.leaving, func(o store.User) bool { return o.Name == u.Name && o.Room == u.Room })
	if i < 0 {
		added, err = s.SaveUser(ctx, u)
		return added, false, err
	}
	users, err := s.GetRoomUsers(ctx, u.Room)
	if err != nil {
		return false, false, err
	}
	for _, o := range users { // all again, so that u has the place of the other
		if _, _, err := s.DeleteUser(ctx, o.ID); err != nil {
			return false, false, err
		}
		if o == s.leaving[i] {
			o = u
		}
		if _, err := s.SaveUser(ctx, o); err != nil {
			return false, false, err
		}
	}
	s.leaving = slices.Delete(s.leaving, i, i+1)
	return true, true, nil
}

func TestWhoComesBackFromANodeThatLeavesIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		users := &graceStore{Memory: store.NewMemory()}
		sites := testkit.NewSites(t, c, 2, users)
		a, b := sites[0].Connect(t, "a"), sites[1].Connect(t, "b")
		a.Login("Ann", "r")
		synctest.Wait()
		b.Login("Bob", "r")
		synctest.Wait()
		a.Session.Close(app.ReasonShutdown)
		sites[0].Hub.Remove(a.Member())
		users.leaving = []store.User{{ID: "a", Name: "Ann", Room: "r"}}
		synctest.Wait()
		b.Want(t)

		again := sites[1].Connect(t, "a2")
		again.Ask("login", `{"name":"Ann","room":"r"}`)
		synctest.Wait()
		list := `users [` + user("a2", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		b.Want(t, list)
		again.Want(t, list, `ack {"user":`+user("a2", "Ann", "r")+`}`)
		if stats := sites[1].Chat.Stats(); stats.Logins.Load() != 2 || stats.Returns.Load() != 1 {
			t.Errorf("Stats = %d logins, %d returns, want 2, 1", stats.Logins.Load(), stats.Returns.Load())
		}
		// Another of the same name is somebody else.
		sites[1].Connect(t, "a3").Login("Ann", "r")
		b.Want(t, entered("Ann"), `users [`+user("a2", "Ann", "r")+`,`+user("b", "Bob", "r")+`,`+user("a3", "Ann", "r")+`]`)
		synctest.Wait()

		// Who takes a place over, and then cannot have it, has left it.
		users.leaving = []store.User{{ID: "a2", Name: "Ann", Room: "r"}}
		sites[1].Hub.MaxRoomsPerMember = 1
		full := sites[1].Connect(t, "full")
		full.Say("join", `{"senderUserId":1}`)
		full.Ask("login", `{"name":"Ann","room":"r"}`)
		full.Want(t, `ack {"error":"`+"this socket is in too many rooms"+`"}`)
		b.Want(t, left("Ann"), `users [`+user("b", "Bob", "r")+`,`+user("a3", "Ann", "r")+`]`)
	})
}

func TestReleaseTellsTheRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		c.Delay = time.Millisecond
		sites := testkit.NewSites(t, c, 3, nil)
		a, b, other := sites[0].Connect(t, "a"), sites[1].Connect(t, "b"), sites[1].Connect(t, "o")
		a.Login("Ann", "r")
		b.Login("Bob", "r")
		other.Login("Zoe", "q")
		time.Sleep(time.Second)
		synctest.Wait()
		gone := []store.User{
			{ID: "x", Name: "Xen", Room: "r"}, {ID: "y", Name: `Y"`, Room: "r"}, {ID: "z", Name: "Zed", Room: "q"}, {ID: "v", Name: "Vic", Room: "empty"},
		}
		sites[0].WithDead(t, sites, gone)
		for _, s := range sites {
			s.Node.TakeForeign()
		}
		a.Take()
		b.Take()
		other.Take()
		sites[2].Chat.Release(t.Context(), gone)
		time.Sleep(time.Second)
		synctest.Wait()
		both := `users [` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		for _, c := range []*testkit.Client{a, b} {
			c.Want(t, left("Xen"), left(`Y\"`), both)
		}
		zoe := `users [` + user("o", "Zoe", "q") + `]`
		other.Want(t, left("Zed"), zoe)
		got := sites[2].Node.TakeForeign()
		slices.Sort(got)
		if want := []string{`lobby empty: users []`, `lobby q: ` + zoe, `lobby r: ` + both}; !slices.Equal(got, want) {
			t.Errorf("servers of other kinds got %q, want %q", got, want)
		}
		testkit.WantForeign(t, sites[0])
		if n := sites[2].Chat.Lists(); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
		if stats := sites[2].Chat.Stats(); stats.Released.Load() != 4 || stats.Logouts.Load() != 0 {
			t.Errorf("Stats = %d released, %d logouts, want 4, 0", stats.Released.Load(), stats.Logouts.Load())
		}
		sites[2].Chat.Release(t.Context(), nil)
	})
}

// A large node dies: its rooms, many or large, have their lists soon.
func TestReleaseOfManyUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		far := &farStore{Memory: store.NewMemory(), late: always(0)}
		sites := testkit.NewSites(t, c, 2, far)
		var gone []store.User
		var stay []*testkit.Client
		for i := range 400 {
			room := fmt.Sprint("r", i)
			s := sites[i%2].Connect(t, fmt.Sprint("c", i))
			s.Login("n", room)
			stay = append(stay, s)
			gone = append(gone, store.User{ID: fmt.Sprint("x", i), Name: "x", Room: room}, store.User{ID: fmt.Sprint("y", i), Name: "y", Room: "r0"})
		}
		synctest.Wait()
		sites[0].Users = far.Memory
		sites[0].WithDead(t, sites, gone)
		for _, s := range stay {
			s.Take()
		}
		far.late = always(10 * time.Millisecond)
		far.most.Store(0)
		start := time.Now()
		sites[0].Chat.Release(t.Context(), gone)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Release took %v, want 2s at most", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i, s := range stay {
			want := []string{left("x"), `users [` + user(s.ID(), "n", fmt.Sprint("r", i)) + `]`}
			if got := s.Take(); i > 0 && !slices.Equal(got, want) {
				t.Fatalf("%s got %q, want %q", s.ID(), got, want)
			} else if i == 0 && (len(got) < 402 || got[len(got)-1] != want[1]) {
				t.Errorf("%s got %d lines, the last %q, want 401 notifications and the list", s.ID(), len(got), got[len(got)-1])
			}
		}
	})
}

// A room hears what the store has learnt of it late, also from a node that has nobody there any more.
func TestRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		users := &failingStore{Memory: store.NewMemory()}
		sites := testkit.NewSites(t, c, 2, users)
		ghost := store.User{ID: "ghost", Name: "Ghost", Room: "r"}
		if _, err := users.SaveUser(t.Context(), ghost); err != nil {
			t.Fatal(err)
		}
		far := sites[1].Connect(t, "far")
		far.Login("Far", "r")
		synctest.Wait()
		far.Take()
		if _, _, err := users.DeleteUser(t.Context(), "ghost"); err != nil {
			t.Fatal(err)
		}
		sites[0].Chat.Repaired(t.Context(), []string{"r", "empty"})
		synctest.Wait()
		far.Want(t, `users [`+user("far", "Far", "r")+`]`)
	})
}

func TestReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		users := &failingStore{Memory: store.NewMemory()}
		sites := testkit.NewSites(t, c, 2, users)
		a, b, far := sites[0].Connect(t, "a"), sites[0].Connect(t, "b"), sites[1].Connect(t, "far")
		lone := sites[0].Connect(t, "lone")
		far.Login("Far", "r")
		synctest.Wait()
		a.Login("Ann", "r")
		b.Login("Bob", "r")
		lone.Login("Lou", "q")
		synctest.Wait()
		all := []*testkit.Client{a, b, far, lone}
		forget := func() {
			for _, c := range all {
				c.Take()
			}
			sites[0].Node.TakeForeign()
		}
		forget()
		list := `users [` + user("far", "Far", "r") + `,` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		lou := `users [` + user("lone", "Lou", "q") + `]`

		// Nothing was missed, and nobody is bothered; who keeps no lists of ours has them again.
		sites[0].Chat.Returned(t.Context(), false)
		synctest.Wait()
		for _, c := range all {
			c.Want(t)
		}
		got := sites[0].Node.TakeForeign()
		slices.Sort(got)
		if want := []string{"lobby q: " + lou, "lobby r: " + list}; !slices.Equal(got, want) {
			t.Errorf("servers of other kinds got %q, want %q", got, want)
		}

		// What happened while the nodes could not reach each other.
		sites[0].Node.SetAway(true)
		c1, c2 := sites[0].Connect(t, "c1"), sites[1].Connect(t, "c2")
		c1.Login("One", "r")
		c2.Login("Two", "r")
		forget()
		sites[0].Node.SetAway(false)
		sites[0].Chat.Returned(t.Context(), false)
		synctest.Wait()
		two := strings.TrimSuffix(list, "]") + `,` + user("c1", "One", "r") + `,` + user("c2", "Two", "r") + `]`
		a.Want(t, two)
		far.Want(t) // it had read both
		sites[0].End(c1)
		sites[1].End(c2)
		synctest.Wait()

		// The others took this node for dead, and its users out.
		mine := []store.User{{ID: "a", Name: "Ann", Room: "r"}, {ID: "b", Name: "Bob", Room: "r"}, {ID: "lone", Name: "Lou", Room: "q"}}
		for _, u := range mine {
			if _, _, err := users.DeleteUser(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		}
		sites[0].Node.SetAway(true)
		sites[1].Chat.Release(t.Context(), mine)
		sites[0].Node.SetAway(false)
		synctest.Wait()
		forget()
		for _, u := range mine {
			if _, err := users.SaveUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		sites[0].Chat.Returned(t.Context(), true)
		synctest.Wait()
		a.Want(t, entered("Bob"))
		b.Want(t, entered("Ann"))
		far.Want(t, entered("Ann"), entered("Bob"), list)
		lone.Want(t)

		// A store that has gone again is asked later.
		if _, err := users.SaveUser(t.Context(), store.User{ID: "x", Name: "Xen", Room: "r"}); err != nil {
			t.Fatal(err)
		}
		users.list.Store(true)
		sites[0].Chat.Returned(t.Context(), true)
		synctest.Wait()
		forget()
		users.list.Store(false)
		time.Sleep(userlist.RetryInterval)
		synctest.Wait()
		list = strings.TrimSuffix(list, "]") + `,` + user("x", "Xen", "r") + `]`
		a.Want(t, list)
		far.Want(t, list)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		sites[0].Chat.Returned(ctx, false) // comes back, whatever is left
		synctest.Wait()
	})
}
