package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
	"signalbox/store/storetest"
)

func TestUsers(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		var n int
		storetest.TestUserStore(t, func(t *testing.T) store.UserStore {
			n++
			return NewUsers(dial(t, url), fmt.Sprint("p", n), "a")
		})
		wantKeysBounded(t, client(t, url))
	})
}

// Whichever node is asked, the users are the same.
func TestUsersOfTwoNodes(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		a, b := dial(t, url), dial(t, url)
		var n int
		storetest.TestUserStore(t, func(t *testing.T) store.UserStore {
			n++
			prefix := fmt.Sprint("p", n)
			return &turns{stores: []store.UserStore{NewUsers(a, prefix, "a"), NewUsers(b, prefix, "b")}}
		})
	})
}

// turns asks one store after the other.
type turns struct {
	stores []store.UserStore
	n      atomic.Uint64
}

func (s *turns) next() store.UserStore { return s.stores[s.n.Add(1)%uint64(len(s.stores))] }

func (s *turns) FindUser(ctx context.Context, id string) (store.User, bool, error) {
	return s.next().FindUser(ctx, id)
}

func (s *turns) SaveUser(ctx context.Context, u store.User) (bool, error) {
	return s.next().SaveUser(ctx, u)
}

func (s *turns) DeleteUser(ctx context.Context, id string) (store.User, bool, error) {
	return s.next().DeleteUser(ctx, id)
}

func (s *turns) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	return s.next().GetRoomUsers(ctx, room)
}

// leave marks a node as leaving, as Node does.
func leave(t *testing.T, c *goredis.Client, prefix, node string) {
	t.Helper()
	k := keysOf(prefix)
	if err := c.HSet(t.Context(), k.leaving, node, "0123456789abcdef").Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSaveUserBack(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		l, c := dial(t, url), client(t, url)
		var n int
		open := func(t *testing.T) (prefix string, a, b *Users) {
			n++
			prefix = fmt.Sprint("p", n)
			return prefix, NewUsers(l, prefix, "a"), NewUsers(l, prefix, "b")
		}
		ann, bob, cyd := store.User{ID: "1", Name: "Ann", Room: "r"}, store.User{ID: "2", Name: "Bob", Room: "r"}, store.User{ID: "3", Name: "Cyd", Room: "r"}
		again := store.User{ID: "4", Name: "Bob", Room: "r"}
		t.Run("nobody is leaving", func(t *testing.T) {
			_, a, b := open(t)
			save(t, a, ann, bob, cyd)
			wantBack(t, b, again, false)
			wantRoom(t, b, "r", ann, bob, cyd, again)
		})
		t.Run("it takes the place of the same name and room, once", func(t *testing.T) {
			prefix, a, b := open(t)
			save(t, a, ann, bob, cyd)
			leave(t, c, prefix, "a")
			wantBack(t, b, again, true)
			wantRoom(t, b, "r", ann, again, cyd)
			if u, ok, err := a.DeleteUser(t.Context(), bob.ID); ok || err != nil {
				t.Errorf("DeleteUser of who was replaced = %v, %v, %v, want false", u, ok, err)
			}
			third := store.User{ID: "5", Name: "Bob", Room: "r"}
			wantBack(t, b, third, false)
			wantRoom(t, a, "r", ann, again, cyd, third)
		})
		t.Run("two of one name are two", func(t *testing.T) {
			prefix, a, b := open(t)
			twin := store.User{ID: "9", Name: "Bob", Room: "r"}
			save(t, a, bob, ann, twin)
			leave(t, c, prefix, "a")
			wantBack(t, b, again, true)
			wantBack(t, b, store.User{ID: "5", Name: "Bob", Room: "r"}, true)
			wantBack(t, b, store.User{ID: "6", Name: "Bob", Room: "r"}, false)
			if got, err := b.GetRoomUsers(t.Context(), "r"); err != nil || len(got) != 4 || got[1] != ann {
				t.Errorf("GetRoomUsers = %v, %v, want Ann as the second of four", got, err)
			}
		})
		t.Run("another room, a longer name and a node that stays are others", func(t *testing.T) {
			prefix, a, b := open(t)
			save(t, a, store.User{ID: "1", Name: "Bob", Room: "q"}, store.User{ID: "2", Name: "Bobby", Room: "r"}, store.User{ID: "7", Name: "Bo", Room: "r"})
			save(t, b, store.User{ID: "3", Name: "Bob", Room: "r"})
			leave(t, c, prefix, "a")
			wantBack(t, b, again, false)
		})
		t.Run("a node takes nothing over from itself", func(t *testing.T) {
			prefix, a, _ := open(t)
			save(t, a, bob)
			leave(t, c, prefix, "a")
			wantBack(t, a, again, false)
		})
		t.Run("an id that is there already changes nothing", func(t *testing.T) {
			prefix, a, b := open(t)
			save(t, a, bob)
			leave(t, c, prefix, "a")
			if added, back, err := b.SaveUserBack(t.Context(), bob); added || back || err != nil {
				t.Errorf("SaveUserBack = %v, %v, %v, want false, false, nil", added, back, err)
			}
			wantRoom(t, b, "r", bob)
		})
	})
}

func TestRelease(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		l, c := dial(t, url), client(t, url)
		a, b := NewUsers(l, "p", "a"), NewUsers(l, "p", "b")
		var want, stay []store.User
		for i := range usersPerScript*2 + 10 {
			u := store.User{ID: fmt.Sprint("a", i), Name: fmt.Sprint("n", i%7), Room: fmt.Sprint("r", i%3)}
			save(t, a, u)
			want = append(want, u)
			if i%50 == 0 {
				v := store.User{ID: fmt.Sprint("b", i), Name: "n1", Room: "r0"}
				save(t, b, v)
				stay = append(stay, v)
			}
		}
		if err := c.HSet(t.Context(), keysOf("p").run, "a", "x").Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Release(t.Context(), "a"); len(got) != 0 || err != nil {
			t.Fatalf("Release of a node that is registered = %d users, %v, want none", len(got), err)
		}
		if err := c.HDel(t.Context(), keysOf("p").run, "a").Err(); err != nil {
			t.Fatal(err)
		}
		got, err := b.Release(t.Context(), "a")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Release = %d users, %v, want %d in the order of login", len(got), err, len(want))
		}
		wantRoom(t, b, "r0", stay...)
		wantRoom(t, b, "r1")
		if got, err := b.Release(t.Context(), "a"); len(got) != 0 || err != nil {
			t.Errorf("second Release = %d users, %v, want none", len(got), err)
		}
		for _, u := range stay {
			if _, ok, err := b.DeleteUser(t.Context(), u.ID); !ok || err != nil {
				t.Errorf("DeleteUser = %v, %v, want true", ok, err)
			}
		}
		if n, err := c.Exists(t.Context(), keysOf("p").ids, keysOf("p").rooms, keysOf("p").owners).Result(); n != 0 || err != nil {
			t.Errorf("%d keys of users are left, %v, want none", n, err)
		}
	})
}

// TestUsersWithoutRedis stops Redis, which forgets everything, and starts it again.
func TestUsersWithoutRedis(t *testing.T) {
	server := redistest.Start(t)
	la, lb := dial(t, server.URL()), dial(t, server.URL())
	a, b := NewUsers(la, "p", "a"), NewUsers(lb, "p", "b")
	user := func(id string) store.User { return store.User{ID: id, Name: "n" + id, Room: "r"} }
	save(t, a, user("1"))
	save(t, b, user("2"))
	save(t, a, user("3"), user("4"))
	save(t, b, user("5"))
	wantRoom(t, a, "r", user("1"), user("2"), user("3"), user("4"), user("5"))
	wantRoom(t, b, "r", user("1"), user("2"), user("3"), user("4"), user("5"))

	server.Stop()
	eventually(t, "the links are down", func() bool { return !la.Up() && !lb.Up() })
	if u, ok, err := a.DeleteUser(t.Context(), "3"); !ok || err != nil || u != user("3") {
		t.Errorf("DeleteUser without redis = %v, %v, %v, want 3", u, ok, err)
	}
	save(t, a, user("6"), user("7"))
	if _, ok, err := a.DeleteUser(t.Context(), "7"); !ok || err != nil {
		t.Errorf("DeleteUser without redis = %v, %v, want true", ok, err)
	}
	if added, err := a.SaveUser(t.Context(), user("1")); added || err != nil {
		t.Errorf("SaveUser of who is there = %v, %v, want false", added, err)
	}
	wantRoom(t, a, "r", user("1"), user("2"), user("4"), user("5"), user("6"))
	wantRoom(t, b, "r", user("1"), user("2"), user("3"), user("4"), user("5"))
	wantRoom(t, a, "elsewhere")
	if u, ok, err := a.FindUser(t.Context(), "6"); !ok || err != nil || u != user("6") {
		t.Errorf("FindUser without redis = %v, %v, %v, want 6", u, ok, err)
	}
	for _, id := range []string{"2", "3"} {
		if u, ok, err := a.FindUser(t.Context(), id); ok || err != nil {
			t.Errorf("FindUser(%s) without redis = %v, %v, %v, want none", id, u, ok, err)
		}
	}

	server.Start()
	eventually(t, "both have repaired their part", func() bool { return la.Up() && lb.Up() && !a.behind() && !b.behind() })
	wantRoom(t, a, "r", user("1"), user("2"), user("4"), user("5"), user("6"))
	wantRoom(t, b, "r", user("1"), user("2"), user("4"), user("5"), user("6"))
	save(t, b, user("8"))
	wantRoom(t, a, "r", user("1"), user("2"), user("4"), user("5"), user("6"), user("8"))
	wantKeysBounded(t, client(t, server.URL()))
}

// TestUsersPartition takes one node off Redis, which keeps its data.
func TestUsersPartition(t *testing.T) {
	server := redistest.Start(t)
	if !server.Real() {
		t.Skip("miniredis cannot be paused: this test needs redis-server in PATH")
	}
	l := dialWith(t, redislink.Options{URL: server.URL(), Beat: 20 * time.Millisecond, Silence: 2500 * time.Millisecond})
	a := NewUsers(l, "p", "a")
	user := func(id string) store.User { return store.User{ID: id, Name: "n" + id, Room: "r"} }
	save(t, a, user("1"), user("2"))
	server.Pause()
	save(t, a, user("3")) // may arrive, and does: when redis goes on
	if _, ok, err := a.DeleteUser(t.Context(), "1"); !ok || err != nil {
		t.Errorf("DeleteUser without redis = %v, %v, want true", ok, err)
	}
	eventually(t, "the link is down", func() bool { return !l.Up() })
	wantRoom(t, a, "r", user("2"), user("3"))
	server.Resume()
	eventually(t, "redis has been repaired", func() bool { return l.Up() && !a.behind() })
	wantRoom(t, a, "r", user("2"), user("3"))
	wantRoom(t, NewUsers(dial(t, server.URL()), "p", "b"), "r", user("2"), user("3"))
}

func TestRepair(t *testing.T) {
	backends(t, func(t *testing.T, url string) {
		l, c := dial(t, url), client(t, url)
		a, b := NewUsers(l, "p", "a"), NewUsers(l, "p", "b")
		var all []store.User
		for i := range usersPerScript*2 + 10 {
			u := store.User{ID: fmt.Sprint("u", i), Name: "n", Room: "r"}
			if i%2 == 0 {
				save(t, a, u)
			} else {
				save(t, b, u)
			}
			all = append(all, u)
		}
		if err := c.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		later := store.User{ID: "later", Name: "n", Room: "r"}
		save(t, b, later)
		for range 2 {
			for _, u := range []*Users{b, a} {
				if err := u.Repair(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			wantRoom(t, a, "r", append(slices.Clone(all), later)...)
		}

		// Somebody released a, which lives.
		if got, err := b.Release(t.Context(), "a"); err != nil || len(got) != (len(all)+1)/2 {
			t.Fatalf("Release = %d users, %v", len(got), err)
		}
		if err := a.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantRoom(t, a, "r", append(slices.Clone(all), later)...)

		// Users that a does not know are no more.
		for i := range usersPerScript + 5 {
			save(t, NewUsers(l, "p", "a"), store.User{ID: fmt.Sprint("ghost", i), Name: "n", Room: "r"})
		}
		if err := a.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantRoom(t, a, "r", append(slices.Clone(all), later)...)

		// Nor does a node that is leaving bring back who has been taken over.
		leave(t, c, "p", "a")
		wantBack(t, b, store.User{ID: "new", Name: "n", Room: "r"}, true)
		if err := a.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := b.GetRoomUsers(t.Context(), "r"); err != nil || len(got) != len(all)+1 {
			t.Errorf("GetRoomUsers = %d users, %v, want %d", len(got), err, len(all)+1)
		}
	})
}

// TestRepairWhileUsersComeAndGo must end with what is true.
func TestRepairWhileUsersComeAndGo(t *testing.T) {
	server := redistest.Start(t)
	l := dial(t, server.URL())
	a := NewUsers(l, "p", "a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 300 {
			u := store.User{ID: fmt.Sprint(i % 20), Name: "n", Room: "r"}
			if i/20%2 == 0 {
				save(t, a, u)
			} else if _, ok, err := a.DeleteUser(t.Context(), u.ID); !ok || err != nil {
				t.Errorf("DeleteUser = %v, %v, want true", ok, err)
			}
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		if err := a.Repair(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.GetRoomUsers(t.Context(), "r")
	if err != nil || len(got) != 20 {
		t.Errorf("GetRoomUsers = %d users, %v, want 20", len(got), err)
	}
}

func save(t testing.TB, u *Users, users ...store.User) {
	t.Helper()
	for _, user := range users {
		if added, err := u.SaveUser(context.Background(), user); !added || err != nil {
			t.Errorf("SaveUser(%v) = %v, %v, want true", user, added, err)
		}
	}
}

func wantBack(t testing.TB, u *Users, user store.User, want bool) {
	t.Helper()
	if added, back, err := u.SaveUserBack(context.Background(), user); !added || back != want || err != nil {
		t.Errorf("SaveUserBack(%v) = %v, %v, %v, want true, %v", user, added, back, err, want)
	}
}

func wantRoom(t testing.TB, u *Users, room string, want ...store.User) {
	t.Helper()
	got, err := u.GetRoomUsers(context.Background(), room)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("GetRoomUsers(%s) = %v, %v, want %v", room, got, err, want)
	}
}

// TestReadThatFails: a list that Redis has not told is no list while Redis is there.
func TestReadThatFails(t *testing.T) {
	redistest.NeedReal(t)
	server := redistest.Start(t)
	l := dialWith(t, redislink.Options{URL: server.URL(), Timeout: 50 * time.Millisecond})
	a := NewUsers(l, "p", "a")
	bob := store.User{ID: "1", Name: "bob", Room: "r"}
	save(t, a, bob)
	wantRoom(t, a, "r", bob)
	server.Pause()
	if list, err := a.GetRoomUsers(t.Context(), "r"); err == nil {
		t.Errorf("GetRoomUsers = %v while Redis does not answer, want an error", list)
	}
	server.Resume()
	wantRoom(t, a, "r", bob)
}

// TestRefusedChangesAreMadeLater: Redis was full; nobody has to come for what it refused to be made up for.
func TestRefusedChangesAreMadeLater(t *testing.T) {
	redistest.NeedReal(t)
	server := redistest.Start(t)
	l, c := dial(t, server.URL()), client(t, server.URL())
	a := NewUsers(l, "p", "a")
	b := NewUsers(dial(t, server.URL()), "p", "b")
	late := store.User{ID: "2", Name: "late", Room: "s"}
	full := func(limit string) {
		t.Helper()
		if err := c.ConfigSet(t.Context(), "maxmemory", limit).Err(); err != nil {
			t.Fatal(err)
		}
	}
	full("1")
	save(t, a, late)
	wantRoom(t, a, "s", late)
	wantRoom(t, b, "s")
	full("0")
	receive(t, "a room is right", a.Repaired())
	if rooms := a.TakeRepaired(); !slices.Equal(rooms, []string{"s"}) {
		t.Errorf("told %q, want the room", rooms)
	}
	wantRoom(t, b, "s", late)
}

// TestManyLeaveAtOnce over a long way to Redis: nobody of them stays in it.
func TestManyLeaveAtOnce(t *testing.T) {
	redistest.NeedReal(t)
	const users = 3000
	server := redistest.Start(t)
	l := dial(t, "redis://"+slowWay(t, server.Addr(), 5*time.Millisecond))
	a, b := NewUsers(l, "p", "a"), NewUsers(dial(t, server.URL()), "p", "b")
	stays := store.User{ID: "stays", Name: "n", Room: "r"}
	save(t, b, stays)
	all := func(do func(u store.User)) {
		var running sync.WaitGroup
		for i := range users {
			running.Go(func() { do(store.User{ID: fmt.Sprint("u", i), Name: "n", Room: "r"}) })
		}
		running.Wait()
	}
	all(func(u store.User) { save(t, a, u) })
	var failed atomic.Int64
	began := time.Now()
	all(func(u store.User) {
		if _, ok, err := a.DeleteUser(t.Context(), u.ID); !ok || err != nil {
			t.Errorf("DeleteUser = %v, %v, want true", ok, err)
		}
		if _, err := a.GetRoomUsers(t.Context(), "elsewhere"); err != nil {
			failed.Add(1)
		}
	})
	t.Logf("%d users have left in %v; %d reads have failed", users, time.Since(began), failed.Load())
	eventually(t, "redis has what is true", func() bool { return !a.behind() })
	wantRoom(t, b, "r", stays)
}

// slowWay returns an address that leads to addr, and takes its time each way.
func slowWay(t *testing.T, addr string, delay time.Duration) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); ln.Close(); running.Wait() })
	carry := func(from, to net.Conn) {
		type piece struct {
			at   time.Time
			data []byte
		}
		pieces := make(chan piece, 1<<16)
		running.Go(func() { // ends with pieces
			for p := range pieces {
				time.Sleep(time.Until(p.at)) // what is on its way, not something waited for
				_, _ = to.Write(p.data)
			}
			to.Close()
		})
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if err != nil {
				close(pieces)
				return
			}
			pieces <- piece{time.Now().Add(delay), b[:n]}
		}
	}
	running.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			running.Go(func() { carry(near, far) })
			running.Go(func() { carry(far, near) })
		}
	})
	return ln.Addr().String()
}
