package redis

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
)

func TestLeave(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b, c := startNode(t, url, "a", nil), startNode(t, url, "b", nil), startNode(t, url, "c", nil)
	ann, bob := store.User{ID: "1", Name: "Ann", Room: "r"}, store.User{ID: "2", Name: "Bob", Room: "r"}
	save(t, a.users, ann, bob)
	a.notice("k", "k", "k", "j", "i", "h")
	if b.TakeOver(t.Context(), "k") {
		t.Error("Claim = true, and nobody is leaving")
	}
	steady(t, b, c)

	const grace = 2 * time.Second
	start := time.Now()
	if err := a.Leave(t.Context(), grace); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testNode{b, c} {
		select {
		case d := <-n.leavings:
			wantDeath(t, d, "a", "h", "i", "j", "k", "k", "k")
		default:
			t.Errorf("%s does not know that a is leaving", n.o.ID)
		}
	}
	claim := func(n *testNode, key string, want bool) {
		t.Helper()
		if got := n.TakeOver(t.Context(), key); got != want {
			t.Errorf("Claim(%s) = %v, want %v", key, got, want)
		}
	}
	claim(b, "nobody", false)
	claim(b, "k", true)
	claim(c, "k", true)
	a.WithdrawNotice("k") // of the first claim
	a.WithdrawNotice("k") // of the second
	a.WithdrawNotice("i") // has left before anybody came
	a.notice("late")
	a.WithdrawNotice("h")
	a.notice("h")
	a.settled(t)
	claim(b, "i", false)
	back := store.User{ID: "3", Name: "Ann", Room: "r"}
	wantBack(t, b.users, back, true)
	wantRoom(t, c.users, "r", back, bob)
	if took := time.Since(start); took > grace {
		t.Fatalf("the test took %v, and the grace is %v", took, grace)
	}
	wantSilence(t, b, c)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got death
	by := b
	select {
	case got = <-b.dead:
	case got = <-c.dead:
		by = c
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	if took := time.Since(start); took < grace {
		t.Errorf("carried out after %v, want a grace of %v", took, grace)
	}
	for _, n := range []*testNode{b, c} {
		if left := receive(t, n.o.ID+" hears that a is leaving no more", n.lefts); left != "a" {
			t.Errorf("%s was told that %s left, want a", n.o.ID, left)
		}
	}
	wantDeath(t, got, "a", "h", "j", "k", "late")
	claim(b, "j", false)
	released, err := by.users.Release(t.Context(), "a")
	if err != nil || !slices.Equal(released, []store.User{bob}) {
		t.Errorf("Release = %v, %v, want Bob", released, err)
	}
	wantRoom(t, c.users, "r", back)
	eventually(t, "nobody is leaving", func() bool { return len(*b.leaving.Load()) == 0 })
	wantSilence(t, b, c)
	wantKeysBounded(t, client(t, url))
}

// TestClaimOnce: many claim few.
func TestClaimOnce(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b, c := startNode(t, url, "a", nil), startNode(t, url, "b", nil), startNode(t, url, "c", nil)
	const there, wanted = 20, 50
	for range there {
		a.notice("k")
	}
	a.notice("j")
	if err := a.Leave(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	var claimed atomic.Int64
	var wg sync.WaitGroup
	for i := range wanted {
		wg.Go(func() {
			n := b
			if i%2 == 0 {
				n = c
			}
			if n.TakeOver(t.Context(), "k") {
				claimed.Add(1)
			}
		})
	}
	wg.Wait()
	if claimed.Load() != there {
		t.Errorf("%d claims, want %d", claimed.Load(), there)
	}
	for range there {
		a.WithdrawNotice("k")
	}
	a.settled(t)
	left, err := readNotices(t.Context(), a.link, noticeKeysOf("p", a.me().run).left)
	if err != nil || !slices.Equal(noticeKeyList(left), []string{"j"}) {
		t.Errorf("left are %v, %v, want j", left, err)
	}
}

// TestManyClaim: the clients of a full server come back at once, and Redis is asked for many of them at a time.
func TestManyClaim(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
	const clients = 3000
	for i := range clients {
		if i%3 != 0 {
			a.notice(fmt.Sprint("k ", i))
		}
	}
	if err := a.Leave(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	before := scriptCalls(t, client(t, url))
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for i := range clients {
		wg.Go(func() {
			if b.TakeOver(t.Context(), fmt.Sprint("k ", i)) != (i%3 != 0) {
				wrong.Add(1)
			}
		})
	}
	wg.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of %d claims are wrong", n, clients)
	}
	if calls := scriptCalls(t, client(t, url)) - before; calls > clients/10 {
		t.Errorf("%d scripts for %d claims, want far fewer", calls, clients)
	}
}

// scriptCalls returns how many scripts Redis has run.
func scriptCalls(t *testing.T, c *goredis.Client) (calls int) {
	t.Helper()
	stats, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(stats) {
		var n int
		if name, rest, _ := strings.Cut(line, ":calls="); name == "cmdstat_evalsha" || name == "cmdstat_eval" {
			if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
				t.Fatal(err)
			}
			calls += n
		}
	}
	return calls
}

// TestEverybodyCameBack: where a node leaves nothing behind in the end, the others hear that it is leaving no more all the same.
func TestEverybodyCameBack(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b, c := startNode(t, url, "a", nil), startNode(t, url, "b", nil), startNode(t, url, "c", nil)
	a.notice("k")
	if err := a.Leave(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	if !b.TakeOver(t.Context(), "k") {
		t.Error("the notice cannot be taken over")
	}
	a.WithdrawNotice("k")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testNode{b, c} {
		if left := receive(t, n.o.ID+" hears that a is leaving no more", n.lefts); left != "a" {
			t.Errorf("%s was told that %s left, want a", n.o.ID, left)
		}
	}
}

func TestLeaveWithoutGrace(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
	a.notice("k")
	if err := a.Leave(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	wantDeath(t, receive(t, "b is told", b.dead), "a", "k")
}

func TestClose(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		leave func(t *testing.T, n *testNode)
		keys  []string
		told  bool
	}{
		"nothing is left":      {func(*testing.T, *testNode) {}, nil, false},
		"what was, is no more": {func(_ *testing.T, n *testNode) { n.notice("k"); n.WithdrawNotice("k") }, nil, false},
		"a notice is left":     {func(_ *testing.T, n *testNode) { n.notice("k") }, []string{"k"}, true},
		"a user is left": {func(t *testing.T, n *testNode) {
			save(t, n.users, store.User{ID: "1", Name: "n", Room: "r"})
		}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := redistest.Start(t).URL()
			a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
			test.leave(t, a)
			start := time.Now()
			for range 2 {
				if err := a.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if test.told {
				wantDeath(t, receive(t, "b is told", b.dead), "a", test.keys...)
				if took := time.Since(start); took > testLease {
					t.Errorf("took %v, want less than a lease", took)
				}
			}
			k, raw := keysOf("p"), client(t, url)
			if got := raw.HKeys(t.Context(), k.run).Val(); !slices.Equal(got, []string{"b"}) {
				t.Errorf("registered are %v, want b", got)
			}
			eventually(t, "nothing is to be carried out", func() bool { return raw.ZCard(t.Context(), k.work).Val() == 0 })
			wantSilence(t, b)
			a.notice("after the end")
			a.WithdrawNotice("after the end")
		})
	}
}
