package router

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"signalbox/handlers/testkit"
	"signalbox/server/hub"
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// site is one node with a backend that hears who is there, and a store that outlives it.
type site struct {
	hub     *hub.Hub
	people  *Occupancy
	notices *Notices
	heard   *ear
	kept    *keep
}

// ear is a transport to a backend that only listens; all nodes have the same backend.
type ear struct {
	mu   sync.Mutex
	told []string
	last map[string]uint64 // versions
	is   map[string]string
}

func (e *ear) Ask(context.Context, *Question) (json.RawMessage, error) { return nil, ErrUnavailable }

func (e *ear) Tell(_ context.Context, batch []Notice) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range batch {
		var v struct {
			Type, User, Room string
			Version          uint64
		}
		if err := json.Unmarshal(n.Body, &v); err != nil {
			return err
		}
		who := v.User + v.Room
		e.told = append(e.told, v.Type+" "+who)
		if v.Version > e.last[who] {
			e.last[who], e.is[who] = v.Version, v.Type
		}
	}
	return nil
}

// take returns what was told since.
func (e *ear) take() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.told
	e.told = nil
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// keep is a store; tests read it when all is quiet.
type keep struct {
	mu   sync.Mutex
	list map[string]Notice
}

func (k *keep) Put(n Notice, done func(error)) {
	k.mu.Lock()
	k.list[n.ID] = n
	k.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

func (k *keep) Delete(ids ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range ids {
		delete(k.list, id)
	}
}

func (k *keep) all() []Notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.list))
}

const grace = 5 * time.Second

// newSite returns a node; nodes is nil for one by itself.
func newSite(heard *ear, nodes hub.Nodes) *site {
	s := &site{hub: hub.New(), heard: heard, kept: &keep{list: make(map[string]Notice)}}
	s.notices = NewNotices(NoticeOptions{Store: s.kept, Log: silent})
	s.notices.start(heard)
	if nodes == nil {
		nodes = hub.Alone
	}
	s.people = NewOccupancy(OccupancyOptions{
		Kinds: []string{Online, Offline, Occupied, Vacated}, Grace: grace, Nodes: nodes,
		Notices: func(namespace string) *Notices {
			if namespace == "/game" {
				return s.notices
			}
			return nil
		},
	})
	s.hub.Watch(s.people)
	return s
}

func (s *site) close() {
	s.people.Close()
	s.notices.close(context.Background())
}

// come has a socket of a user in a room, as the router and the hub tell it; leave ends it.
func (s *site) come(user, room string) (leave func()) {
	m := hub.NewMember(user, nil)
	s.people.userCame("/game", user)
	for _, r := range []hub.Room{hub.NamespaceRoom("/game", room), UserRoom("/game", user), hub.SocketRoom("/game", "x"), hub.EverybodyRoom("/game"),
		hub.NamespaceRoom("/other", "elsewhere")} {
		s.hub.Join(m, r)
	}
	s.hub.Show(m)
	return func() {
		s.people.userLeft("/game", user)
		s.hub.Remove(m)
	}
}

func newEar() *ear { return &ear{last: make(map[string]uint64), is: make(map[string]string)} }

// pass lets time go by and wants to hear this.
func pass(t *testing.T, e *ear, d time.Duration, want string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := e.take(); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestOccupancy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEar()
		s := newSite(e, nil)
		first := s.come("ann", "tea")
		pass(t, e, time.Second, "occupied tea, online ann")
		second := s.come("ann", "tea")
		first()
		second()
		pass(t, e, grace-time.Millisecond, "")
		third := s.come("ann", "tea") // back within the grace
		pass(t, e, 2*grace, "")
		third()
		pass(t, e, grace+time.Second, "offline ann, vacated tea")
		s.come("bob", "den")() // came and went before anybody was told
		pass(t, e, 2*grace, "")
		if len(s.kept.all()) != 0 || len(s.people.places) != 0 {
			t.Errorf("%d notices and %d places are kept of nobody", len(s.kept.all()), len(s.people.places))
		}
		s.come("cat", "den")
		pass(t, e, time.Second, "occupied den, online cat")
		if len(s.kept.all()) != 2 {
			t.Errorf("%d notices are kept for the end of the process, want 2", len(s.kept.all()))
		}
		left := s.kept.all()
		s.close() // and then as if it had been killed: another process finds what it kept
		e.take()
		next := newSite(e, nil)
		for _, n := range left {
			if !next.people.Restore(n) {
				t.Errorf("%s is about nobody", n.Body)
			}
		}
		next.come("cat", "tea")
		pass(t, e, grace+time.Second, "occupied tea, vacated den")
		next.close()
	})
}

// TestOccupancyEndsWithTheServer: a node by itself tells that nobody is there any more.
func TestOccupancyEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEar()
		s := newSite(e, nil)
		leave := s.come("ann", "tea")
		pass(t, e, time.Second, "occupied tea, online ann")
		leave()
		s.close()
		pass(t, e, 0, "offline ann, vacated tea")
	})
}

// TestSpareNoticesGoFirst: where there is no room for all of them, that somebody has left is told.
func TestSpareNoticesGoFirst(t *testing.T) {
	n := NewNotices(NoticeOptions{Most: 2, Log: silent})
	n.put(Notice{ID: "a", spare: true})
	n.put(Notice{ID: "b"})
	n.put(Notice{ID: "c"})
	n.put(Notice{ID: "d", spare: true})
	if got := fmt.Sprintln(len(n.waiting), n.waiting[0].ID, n.waiting[1].ID, n.stats().Dropped); got != "2 b c 2\n" {
		t.Errorf("what waits: %s, want b and c, and 2 that were dropped", got)
	}
}

// TestOccupancyOverNodes: who changes nodes is not told; of a node that dies another one tells, where nobody is back; and what is told
// last is true, whoever comes and goes at the same time.
func TestOccupancyOverNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEar()
		cloud := testkit.NewCloud(t)
		cloud.Delay = 20 * time.Millisecond
		var sites []*site
		for range 4 {
			h := hub.New()
			s := newSite(e, cloud.Join(h))
			sites = append(sites, s)
			defer s.close()
		}
		a, b, c := sites[0], sites[1], sites[2]
		leave := a.come("ann", "tea")
		pass(t, e, time.Second, "occupied tea, online ann")
		leave()
		b.come("ann", "tea") // at another node now
		pass(t, e, 2*grace, "")
		a.come("bob", "den")
		pass(t, e, time.Second, "occupied den, online bob")

		for _, n := range b.kept.all() { // b dies, with ann
			if !c.people.Restore(n) {
				t.Errorf("%s is about nobody", n.Body)
			}
		}
		cloud.All()[1].SetAway(true)
		again := a.come("ann", "den")
		pass(t, e, grace+time.Second, "vacated tea")
		again()
		pass(t, e, grace+time.Second, "offline ann")

		// Many come and go, at all nodes, at about the same time.
		random := rand.New(rand.NewPCG(1, 2))
		var leaves []func()
		count := make(map[string]int)
		for range 600 {
			if len(leaves) > 0 && random.IntN(2) == 0 {
				i := random.IntN(len(leaves))
				leaves[i]()
				leaves = slices.Delete(leaves, i, i+1)
			} else {
				user, s := fmt.Sprint("u", random.IntN(5)), []*site{a, c, sites[3]}[random.IntN(3)]
				leave := s.come(user, "r"+user)
				count[user]++
				leaves = append(leaves, func() { leave(); count[user]-- })
			}
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
			if random.IntN(40) == 0 { // some moments are quiet
				time.Sleep(2*grace + time.Second)
				synctest.Wait()
				for user, n := range count {
					want, wantRoom := Offline, Vacated
					if n > 0 {
						want, wantRoom = Online, Occupied
					}
					if e.is[user] == "" && n == 0 { // nobody was told yet
						continue
					}
					if got := e.is[user]; got != want {
						t.Fatalf("%s is told to be %s, want %s with %d sockets", user, got, want, n)
					}
					if got := e.is["r"+user]; got != wantRoom {
						t.Fatalf("the room of %s is told to be %s, want %s", user, got, wantRoom)
					}
				}
			}
		}
		// Where the others cannot be asked they may have somebody.
		cloud.All()[0].SetAway(true)
		leave = a.come("eve", "nest")
		time.Sleep(time.Second)
		leave()
		time.Sleep(2 * grace)
		synctest.Wait()
		if e.is["eve"] != Online {
			t.Errorf("eve is told to be %s while the others cannot be asked", e.is["eve"])
		}
		cloud.All()[0].SetAway(false)
		time.Sleep(2 * grace)
		synctest.Wait()
		if e.is["eve"] != Offline {
			t.Errorf("eve is told to be %s, want offline now that they can", e.is["eve"])
		}
	})
}
