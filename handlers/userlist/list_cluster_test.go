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
	"signalbox/store"
)

// farStore is a store that takes a while to answer, and counts.
type farStore struct {
	*store.Memory
	late  func() time.Duration // how long an answer is on its way
	reads atomic.Int64
	busy  atomic.Int64 // reads under way
	most  atomic.Int64
}

func (s *farStore) wait() {
	if d := s.late(); d > 0 {
		time.Sleep(d)
	}
}

func (s *farStore) SaveUser(ctx context.Context, u store.User) (bool, error) {
	s.wait()
	added, err := s.Memory.SaveUser(ctx, u)
	s.wait()
	return added, err
}

func (s *farStore) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	s.reads.Add(1)
	busy := s.busy.Add(1)
	defer s.busy.Add(-1)
	for most := s.most.Load(); busy > most && !s.most.CompareAndSwap(most, busy); most = s.most.Load() {
	}
	s.wait()
	users, err := s.Memory.GetRoomUsers(ctx, room)
	s.wait()
	return users, err
}

func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestASmallRoomOverNodesGetsAListForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		sites := testkit.NewSites(t, c, 2, nil)
		first := sites[0].Connect(t, "first")
		first.Login("f", "r")
		for i := range userlist.PromptUsers - 1 {
			sites[1].Connect(t, fmt.Sprint("c", i)).Login("n", "r")
			synctest.Wait()
			if got := lists(first.Take()); len(got) != 1 || strings.Count(got[0], `"id"`) != i+2 {
				t.Errorf("after login %d: %q, want the list at once", i, got)
			}
		}
	})
}

func TestNobodyOnAnotherNodeWaitsLongerThan100msForAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		c.Delay = 2 * time.Millisecond
		far := &farStore{Memory: store.NewMemory(), late: always(time.Millisecond)}
		sites := testkit.NewSites(t, c, 3, far)
		clients := testkit.CrowdOver(t, sites, 60, "r")
		watchers := clients[:3]
		came := make(map[string]time.Time)
		listed := make([]map[string]time.Time, len(watchers))
		for i := range listed {
			listed[i] = make(map[string]time.Time)
		}
		look := func() {
			for i, w := range watchers {
				for _, list := range lists(w.Take()) {
					for id := range came {
						if _, seen := listed[i][id]; !seen && strings.Contains(list, `"id":"`+id+`"`) {
							listed[i][id] = time.Now()
						}
					}
				}
			}
		}
		before := [3]uint64{}
		for i, s := range sites {
			before[i] = s.Chat.Stats().UserLists.Load()
		}
		reads, start := far.reads.Load(), time.Now()
		for i := range 150 {
			id := fmt.Sprint("x", i)
			s := sites[i%3].Connect(t, id)
			s.Ask("login", `{"name":"x","room":"r"}`)
			came[id] = time.Now()
			lines := s.Take()
			if n := len(lines); n < 2 || !strings.HasPrefix(lines[n-1], "ack") || !strings.Contains(lines[n-2], `"id":"`+id+`"`) {
				t.Fatalf("%s got %q, want a list with itself, then the callback", id, lines)
			}
			look()
		}
		took := time.Since(start)
		for range 200 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			look()
		}
		for i := range watchers {
			for id, at := range came {
				if seen, ok := listed[i][id]; !ok || seen.Sub(at) > 100*time.Millisecond {
					t.Errorf("the watcher on node %d saw %s after %v, %v, want 100ms at most", i, id, seen.Sub(at), ok)
				}
			}
		}
		intervals := int(took/userlist.ListInterval) + 3
		for i, s := range sites {
			// One to each member of the node for each interval, and one to each who came.
			if n, most := s.Chat.Stats().UserLists.Load()-before[i], uint64(70*intervals+50); n > most {
				t.Errorf("node %d sent %d lists, want at most %d", i, n, most)
			}
			if len(s.Node.TakeForeign()) == 0 {
				t.Errorf("node %d sent no list to servers of other kinds", i)
			}
		}
		// Who comes needs a list of their own, and each node one for each interval.
		if n, most := far.reads.Load()-reads, int64(150+3*2*intervals); n > most {
			t.Errorf("the store was read %d times, want at most %d", n, most)
		}
	})
}

// Reads at the same time may come back in another order than they were made, and be of whatever moment: still nobody sees
// somebody vanish who is there.
func TestListsNeverGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		c.Delay = time.Millisecond
		far := &farStore{Memory: store.NewMemory(), late: func() time.Duration { return rand.N(15 * time.Millisecond) }}
		sites := testkit.NewSites(t, c, 3, far)
		const clients, rooms = 360, 40 // small rooms, in which every list counts
		all := make([]*testkit.Client, clients)
		var wg sync.WaitGroup
		for i := range all {
			all[i] = sites[i%3].Connect(t, fmt.Sprint("c", i))
			wg.Go(func() {
				time.Sleep(rand.N(60 * time.Millisecond))
				all[i].Ask("login", fmt.Sprintf(`{"name":"n","room":"r%d"}`, i%rooms))
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, c := range all {
			length := 0
			for _, list := range lists(c.Take()) {
				n := strings.Count(list, `"id"`)
				if n < length {
					t.Fatalf("%s got a list of %d after one of %d", c.ID(), n, length)
				}
				length = n
			}
			if length != clients/rooms {
				t.Errorf("%s ended with a list of %d, want %d", c.ID(), length, clients/rooms)
			}
		}
	})
}

func TestEverybodyOnEveryNodeEndsWithTheSameList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, rounds = 150, 4
		c := testkit.NewCloud(t)
		c.Delay = 3 * time.Millisecond
		far := &farStore{Memory: store.NewMemory(), late: func() time.Duration { return rand.N(4 * time.Millisecond) }}
		sites := testkit.NewSites(t, c, 3, far)
		all := make([]*testkit.Client, clients)
		var wg sync.WaitGroup
		for i := range all {
			s := sites[i%3]
			all[i] = s.Connect(t, fmt.Sprint("c", i))
			wg.Go(func() {
				c := all[i]
				for round := range rounds {
					c.Ask("login", `{"name":"n","room":"r"}`)
					if got := c.LastUsers(); !strings.Contains(got, `"id":"`+c.ID()+`"`) {
						t.Errorf("%s in round %d: the list before the callback is %s, want itself in it", c.ID(), round, got)
					}
					time.Sleep(rand.N(2 * userlist.ListInterval))
					if round < rounds-1 {
						c.Ask("logout")
						c.Take()
					}
				}
				if i%5 == 0 {
					s.End(c)
				}
			})
		}
		wg.Wait()
		time.Sleep(110 * time.Millisecond)
		synctest.Wait()
		users, err := far.Memory.GetRoomUsers(t.Context(), "r")
		if err != nil || len(users) != clients*4/5 {
			t.Fatalf("GetRoomUsers = %d users, %v, want %d", len(users), err, clients*4/5)
		}
		want := string(userlist.ListMessage(users).Args[0])
		for i, c := range all {
			if i%5 != 0 && c.LastUsers() != want {
				t.Errorf("%s ended with a list of %d users, want %d", c.ID(), strings.Count(c.LastUsers(), `"id"`), len(users))
			}
		}
		foreign := 0
		for _, s := range sites {
			for _, line := range s.Node.TakeForeign() {
				if strings.HasSuffix(line, want) {
					foreign++
				}
			}
		}
		if foreign == 0 {
			t.Error("servers of other kinds did not get the last list")
		}
	})
}

// What another node tells is not waited for, and however much it is, one reads.
func TestWhatOtherNodesTellIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		far := &farStore{Memory: store.NewMemory(), late: always(0)}
		sites := testkit.NewSites(t, c, 2, far)
		a := sites[0].Connect(t, "a")
		a.Login("Ann", "r")
		far.late = always(time.Second)
		far.reads.Store(0)
		far.most.Store(0)
		if _, err := far.Memory.SaveUser(t.Context(), store.User{ID: "b", Name: "Bob", Room: "r"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 1000 {
			sites[0].Chat.Told("r")
			sites[0].Chat.Told("nobody here")
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v to be told, want no time", took)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if reads, most := far.reads.Load(), far.most.Load(); reads > 2 || most != 1 {
			t.Errorf("the store was read %d times, %d at once, want 2, 1", reads, most)
		}
		if got := lists(a.Take()); len(got) == 0 || !strings.Contains(got[len(got)-1], `"id":"b"`) {
			t.Errorf("lists = %q, want one with who came", got)
		}
	})
}

// Closing does not wait for a store that hangs, and leaves nobody behind.
func TestCloseWhileAListIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		hang := &hangingStore{Memory: store.NewMemory()}
		sites := testkit.NewSites(t, c, 2, hang)
		a := sites[0].Connect(t, "a")
		a.Login("Ann", "r")
		hang.on.Store(true)
		sites[0].Chat.Told("r")
		synctest.Wait()
		start := time.Now()
		sites[0].Chat.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want no time", took)
		}
		sites[0].Chat.Told("r")
		sites[0].End(a)
		if stats := sites[0].Chat.Stats(); stats.StoreErrors.Load() != 0 {
			t.Errorf("StoreErrors = %d, want 0: it was the server that ended", stats.StoreErrors.Load())
		}
	})
}

// hangingStore is a store whose lists do not come until the caller gives up.
type hangingStore struct {
	*store.Memory
	on atomic.Bool
}

func (s *hangingStore) GetRoomUsers(ctx context.Context, room string) ([]store.User, error) {
	if s.on.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Memory.GetRoomUsers(ctx, room)
}

func TestServersOfOtherKindsGetTheListOfWhoLeftLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		sites := testkit.NewSites(t, c, 2, nil)
		ann, bob := user("a", "Ann", "r"), user("b", "Bob", "r")
		a, b := sites[0].Connect(t, "a"), sites[1].Connect(t, "b")
		a.Login("Ann", "r")
		synctest.Wait()
		b.Login("Bob", "r")
		synctest.Wait()
		testkit.WantForeign(t, sites[0], `lobby r: users [`+ann+`]`)
		testkit.WantForeign(t, sites[1], `lobby r: users [`+ann+`,`+bob+`]`)
		sites[0].End(a)
		synctest.Wait()
		testkit.WantForeign(t, sites[0], `lobby r: users [`+bob+`]`)
		testkit.WantForeign(t, sites[1])
		if n := sites[0].Chat.Lists(); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
	})
}

// In a large room a list may have to wait; the lobby waits with it, though nobody is in it any more.
func TestALobbyThatOwesAListWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testkit.NewCloud(t)
		sites := testkit.NewSites(t, c, 2, nil)
		for i := range 20 {
			sites[1].Connect(t, fmt.Sprint("c", i)).Login("n", "r")
		}
		time.Sleep(time.Second)
		rooms := func() int {
			return sites[0].Chat.Lists()
		}
		for range 50 { // one who comes and goes
			a := sites[0].Connect(t, "a")
			a.Login("Ann", "r")
			sites[0].End(a)
		}
		if n := rooms(); n != 1 {
			t.Errorf("%d lobbies, want one that has a list to send", n)
		}
		time.Sleep(userlist.ListInterval)
		synctest.Wait()
		if n := rooms(); n != 0 {
			t.Errorf("%d lobbies are left, want 0", n)
		}
		got := sites[0].Node.TakeForeign()
		if len(got) != 2 || strings.Contains(got[1], `"a"`) {
			t.Errorf("%d lists for servers of other kinds, want two, the last without who has gone", len(got))
		}
	})
}
