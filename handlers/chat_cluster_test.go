package handlers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/store"
)

func TestLoginAndLogoutOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		sites := newSites(t, c, 2, nil)
		a, b, other := sites[0].connect(t, "a"), sites[1].connect(t, "b"), sites[1].connect(t, "o")
		ann, bob := user("a", "Ann", "r"), user("b", "Bob", "r")
		other.login("Zoe", "elsewhere")
		a.ask("login", `{"name":"Ann","room":"r"}`)
		a.want(t, `users [`+ann+`]`, `ack {"user":`+ann+`}`)
		synctest.Wait()
		b.ask("login", `{"name":"Bob","room":"r"}`)
		synctest.Wait()
		a.want(t, entered("Bob"), `users [`+ann+`,`+bob+`]`)
		b.want(t, `users [`+ann+`,`+bob+`]`, `ack {"user":`+bob+`}`)
		a.ask("roomMessage", `"hi"`)
		synctest.Wait()
		a.want(t, `roomMessage {"message":"hi","from":"Ann"}`, `ack {"ok":true}`)
		b.want(t, `roomMessage {"message":"hi","from":"Ann"}`)
		a.ask("logout")
		synctest.Wait()
		a.want(t, `ack`)
		b.want(t, left("Ann"), `users [`+bob+`]`)
		other.want(t)
		sites[1].node.setAway(true)
		b.ask("roomMessage", `1`)
		b.want(t, `roomMessage {"message":1,"from":"Bob"}`, `ack {"ok":true,"partial":true}`)
	})
}

// TestAServerThatEndsLeavesItsUsers to the cluster; without one they have left.
func TestAServerThatEndsLeavesItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		sites := newSites(t, c, 2, nil)
		a, b := sites[0].connect(t, "a"), sites[1].connect(t, "b")
		a.login("Ann", "r")
		synctest.Wait()
		b.login("Bob", "r")
		synctest.Wait()
		a.take()
		a.session.Close(reasonShutdown)
		sites[0].hub.Remove(a.member)
		time.Sleep(time.Minute)
		synctest.Wait()
		b.want(t)
		if _, ok, err := sites[0].users.FindUser(t.Context(), "a"); !ok || err != nil {
			t.Errorf("FindUser(a) = %v, %v, want the user", ok, err)
		}
		if n := len(sites[0].root.chat.lobbies.rooms); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
	})
	w := newWorld(t, RootOptions{})
	a, b := w.connect(t, "a"), w.connect(t, "b")
	a.login("Ann", "r")
	b.login("Bob", "r")
	a.session.Close(reasonShutdown)
	w.hub.Remove(a.member)
	b.want(t, left("Ann"), `users [`+user("b", "Bob", "r")+`]`)
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
		c := newCloud(t)
		users := &graceStore{Memory: store.NewMemory()}
		sites := newSites(t, c, 2, users)
		a, b := sites[0].connect(t, "a"), sites[1].connect(t, "b")
		a.login("Ann", "r")
		synctest.Wait()
		b.login("Bob", "r")
		synctest.Wait()
		a.session.Close(reasonShutdown)
		sites[0].hub.Remove(a.member)
		users.leaving = []store.User{{ID: "a", Name: "Ann", Room: "r"}}
		synctest.Wait()
		b.want(t)

		again := sites[1].connect(t, "a2")
		again.ask("login", `{"name":"Ann","room":"r"}`)
		synctest.Wait()
		list := `users [` + user("a2", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		b.want(t, list)
		again.want(t, list, `ack {"user":`+user("a2", "Ann", "r")+`}`)
		if stats := sites[1].root.Stats(); stats.Logins != 2 || stats.Returns != 1 {
			t.Errorf("Stats = %d logins, %d returns, want 2, 1", stats.Logins, stats.Returns)
		}
		// Another of the same name is somebody else.
		sites[1].connect(t, "a3").login("Ann", "r")
		b.want(t, entered("Ann"), `users [`+user("a2", "Ann", "r")+`,`+user("b", "Bob", "r")+`,`+user("a3", "Ann", "r")+`]`)
		synctest.Wait()

		// Who takes a place over, and then cannot have it, has left it.
		users.leaving = []store.User{{ID: "a2", Name: "Ann", Room: "r"}}
		sites[1].hub.MaxRoomsPerMember = 1
		full := sites[1].connect(t, "full")
		full.send("join", `{"senderUserId":1}`)
		full.ask("login", `{"name":"Ann","room":"r"}`)
		full.want(t, `ack {"error":"`+tooManyRooms+`"}`)
		b.want(t, left("Ann"), `users [`+user("b", "Bob", "r")+`,`+user("a3", "Ann", "r")+`]`)
	})
}

// withDead has everybody see users of another node in their lists, and then takes them out of the store.
func (s *site) withDead(t *testing.T, sites []*site, users []store.User) {
	t.Helper()
	for _, u := range users {
		if _, err := s.users.SaveUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sites {
		for _, u := range users {
			s.root.chat.lobbies.told([]byte(u.Room))
		}
	}
	time.Sleep(time.Second)
	synctest.Wait()
	for _, u := range users {
		if _, _, err := s.users.DeleteUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReleaseTellsTheRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		c.delay = time.Millisecond
		sites := newSites(t, c, 3, nil)
		a, b, other := sites[0].connect(t, "a"), sites[1].connect(t, "b"), sites[1].connect(t, "o")
		a.login("Ann", "r")
		b.login("Bob", "r")
		other.login("Zoe", "q")
		time.Sleep(time.Second)
		synctest.Wait()
		gone := []store.User{
			{ID: "x", Name: "Xen", Room: "r"}, {ID: "y", Name: `Y"`, Room: "r"}, {ID: "z", Name: "Zed", Room: "q"}, {ID: "v", Name: "Vic", Room: "empty"},
		}
		sites[0].withDead(t, sites, gone)
		for _, s := range sites {
			s.node.takeForeign()
		}
		a.take()
		b.take()
		other.take()
		sites[2].root.Release(gone)
		time.Sleep(time.Second)
		synctest.Wait()
		both := `users [` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		for _, c := range []*client{a, b} {
			c.want(t, left("Xen"), left(`Y\"`), both)
		}
		zoe := `users [` + user("o", "Zoe", "q") + `]`
		other.want(t, left("Zed"), zoe)
		got := sites[2].node.takeForeign()
		slices.Sort(got)
		if want := []string{`lobby empty: users []`, `lobby q: ` + zoe, `lobby r: ` + both}; !slices.Equal(got, want) {
			t.Errorf("servers of other kinds got %q, want %q", got, want)
		}
		wantForeign(t, sites[0])
		if n := len(sites[2].root.chat.lobbies.rooms); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
		if stats := sites[2].root.Stats(); stats.Released != 4 || stats.Logouts != 0 {
			t.Errorf("Stats = %d released, %d logouts, want 4, 0", stats.Released, stats.Logouts)
		}
		sites[2].root.Release(nil)
	})
}

// A large node dies: its rooms, many or large, have their lists soon.
func TestReleaseOfManyUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		far := &farStore{Memory: store.NewMemory(), late: always(0)}
		sites := newSites(t, c, 2, far)
		var gone []store.User
		var stay []*client
		for i := range 400 {
			room := fmt.Sprint("r", i)
			s := sites[i%2].connect(t, fmt.Sprint("c", i))
			s.login("n", room)
			stay = append(stay, s)
			gone = append(gone, store.User{ID: fmt.Sprint("x", i), Name: "x", Room: room}, store.User{ID: fmt.Sprint("y", i), Name: "y", Room: "r0"})
		}
		synctest.Wait()
		sites[0].users = far.Memory
		sites[0].withDead(t, sites, gone)
		for _, s := range stay {
			s.take()
		}
		far.late = always(10 * time.Millisecond)
		far.most.Store(0)
		start := time.Now()
		sites[0].root.Release(gone)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Release took %v, want 2s at most", took)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i, s := range stay {
			want := []string{left("x"), `users [` + user(s.id, "n", fmt.Sprint("r", i)) + `]`}
			if got := s.take(); i > 0 && !slices.Equal(got, want) {
				t.Fatalf("%s got %q, want %q", s.id, got, want)
			} else if i == 0 && (len(got) < 402 || got[len(got)-1] != want[1]) {
				t.Errorf("%s got %d lines, the last %q, want 401 notifications and the list", s.id, len(got), got[len(got)-1])
			}
		}
	})
}

func TestReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		users := &failingStore{Memory: store.NewMemory()}
		sites := newSites(t, c, 2, users)
		a, b, far := sites[0].connect(t, "a"), sites[0].connect(t, "b"), sites[1].connect(t, "far")
		lone := sites[0].connect(t, "lone")
		far.login("Far", "r")
		synctest.Wait()
		a.login("Ann", "r")
		b.login("Bob", "r")
		lone.login("Lou", "q")
		synctest.Wait()
		all := []*client{a, b, far, lone}
		forget := func() {
			for _, c := range all {
				c.take()
			}
			sites[0].node.takeForeign()
		}
		forget()
		list := `users [` + user("far", "Far", "r") + `,` + user("a", "Ann", "r") + `,` + user("b", "Bob", "r") + `]`
		lou := `users [` + user("lone", "Lou", "q") + `]`

		// Nothing was missed, and nobody is bothered; who keeps no lists of ours has them again.
		sites[0].root.Returned(t.Context(), false)
		synctest.Wait()
		for _, c := range all {
			c.want(t)
		}
		got := sites[0].node.takeForeign()
		slices.Sort(got)
		if want := []string{"lobby q: " + lou, "lobby r: " + list}; !slices.Equal(got, want) {
			t.Errorf("servers of other kinds got %q, want %q", got, want)
		}

		// What happened while the nodes could not reach each other.
		sites[0].node.setAway(true)
		c1, c2 := sites[0].connect(t, "c1"), sites[1].connect(t, "c2")
		c1.login("One", "r")
		c2.login("Two", "r")
		forget()
		sites[0].node.setAway(false)
		sites[0].root.Returned(t.Context(), false)
		synctest.Wait()
		two := strings.TrimSuffix(list, "]") + `,` + user("c1", "One", "r") + `,` + user("c2", "Two", "r") + `]`
		a.want(t, two)
		far.want(t) // it had read both
		sites[0].close(c1)
		sites[1].close(c2)
		synctest.Wait()

		// The others took this node for dead, and its users out.
		mine := []store.User{{ID: "a", Name: "Ann", Room: "r"}, {ID: "b", Name: "Bob", Room: "r"}, {ID: "lone", Name: "Lou", Room: "q"}}
		for _, u := range mine {
			if _, _, err := users.DeleteUser(t.Context(), u.ID); err != nil {
				t.Fatal(err)
			}
		}
		sites[0].node.setAway(true)
		sites[1].root.Release(mine)
		sites[0].node.setAway(false)
		synctest.Wait()
		forget()
		for _, u := range mine {
			if _, err := users.SaveUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		sites[0].root.Returned(t.Context(), true)
		synctest.Wait()
		a.want(t, entered("Bob"))
		b.want(t, entered("Ann"))
		far.want(t, entered("Ann"), entered("Bob"), list)
		lone.want(t)

		// A store that has gone again is asked later.
		if _, err := users.SaveUser(t.Context(), store.User{ID: "x", Name: "Xen", Room: "r"}); err != nil {
			t.Fatal(err)
		}
		users.list.Store(true)
		sites[0].root.Returned(t.Context(), true)
		synctest.Wait()
		forget()
		users.list.Store(false)
		time.Sleep(retryInterval)
		synctest.Wait()
		list = strings.TrimSuffix(list, "]") + `,` + user("x", "Xen", "r") + `]`
		a.want(t, list)
		far.want(t, list)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		sites[0].root.Returned(ctx, false) // comes back, whatever is left
		synctest.Wait()
	})
}
