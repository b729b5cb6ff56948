package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
)

// Times of nodes in tests: short, but long enough for a machine that has much else to do.
const (
	testLease = 1500 * time.Millisecond
	testBeat  = 250 * time.Millisecond
)

// never is a beat that does not come within a test: the test beats itself.
const never = time.Hour

// testNode is a node with users, and what it was told.
type testNode struct {
	*Node
	link  *redislink.Link
	users *Users

	dead     chan death
	returns  chan bool
	leavings chan death
	lefts    chan string
	// hold keeps OnDead from returning until something is sent, or its ctx is over.
	hold chan struct{}
}

// death is what OnDead or OnLeaving was told. Keys are sorted.
type death struct {
	node string
	keys []string
	ctx  context.Context
}

func startNode(t *testing.T, url, id string, change func(*NodeOptions)) *testNode {
	t.Helper()
	l := dial(t, url)
	n := &testNode{
		link: l, users: NewUsers(l, "p", id),
		dead: make(chan death, 100), returns: make(chan bool, 100), leavings: make(chan death, 100), lefts: make(chan string, 100),
	}
	o := NodeOptions{Link: l, Prefix: "p", ID: id, Lease: testLease, Beat: testBeat}
	calls := NodeCalls{
		OnDead: func(ctx context.Context, node string, notices []store.LeaveNotice) {
			n.dead <- death{node, noticeKeyList(notices), ctx}
			if n.hold != nil {
				select {
				case <-n.hold:
				case <-ctx.Done():
				}
			}
		},
		OnReturn:  func(_ context.Context, declaredDead bool) { n.returns <- declaredDead },
		OnLeaving: func(node string, notices []store.LeaveNotice) { n.leavings <- death{node, noticeKeyList(notices), nil} },
		OnLeft:    func(node string) { n.lefts <- node },
	}
	if change != nil {
		change(&o)
	}
	n.Node = NewNode(o)
	n.Start(calls)
	t.Cleanup(func() {
		if err := n.Close(context.Background()); err != nil && !strings.Contains(err.Error(), "away") {
			t.Errorf("Close(%s) = %v", id, err)
		}
	})
	eventually(t, id+" is registered", func() bool { return n.me().run != "" })
	return n
}

func noticeKeyList(notices []store.LeaveNotice) []string {
	var keys []string
	for _, w := range notices {
		keys = append(keys, w.Key)
	}
	slices.Sort(keys)
	return keys
}

// kill ends a node as kill -9 does: without a word.
func (n *testNode) kill() {
	n.mu.Lock()
	n.left = true // nothing is said when the test closes it
	n.mu.Unlock()
	n.cancel()
	n.beats.Wait()
	n.others.Wait()
}

func (n *testNode) notice(keys ...string) {
	for _, key := range keys {
		n.AddNotice(store.LeaveNotice{Key: key, Topic: "topic", Body: []byte("of " + key)})
	}
}

// settled waits until all that a node has changed is in Redis.
func (n *testNode) settled(t *testing.T) {
	t.Helper()
	done := make(chan error, 1)
	if !n.link.Enqueue(redislink.Command{Args: []any{"PING"}, Done: func(_ any, err error) { done <- err }}) {
		t.Fatal("the queue is closed")
	}
	if err := receive(t, "an answer", done); err != nil {
		t.Fatal(err)
	}
}

func wantDeath(t *testing.T, got death, node string, keys ...string) {
	t.Helper()
	slices.Sort(keys)
	if got.node != node || !slices.Equal(got.keys, keys) {
		t.Errorf("told of %s with %v, want %s with %v", got.node, got.keys, node, keys)
	}
}

// wantSilence checks that nobody was told that anybody is dead.
func wantSilence(t *testing.T, nodes ...*testNode) {
	t.Helper()
	for _, n := range nodes {
		select {
		case d := <-n.dead:
			t.Errorf("%s was told that %s is dead", n.o.ID, d.node)
		default:
		}
	}
}

// steady waits until these nodes may declare others dead, and have looked.
func steady(t *testing.T, nodes ...*testNode) {
	t.Helper()
	for _, n := range nodes {
		eventually(t, n.o.ID+" is steady", func() bool { return n.contact.steady(time.Now()) > 0 })
	}
}

func TestNodeDies(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b, c := startNode(t, url, "a", nil), startNode(t, url, "b", nil), startNode(t, url, "c", nil)
	var users []store.User
	for i := range 5 {
		users = append(users, store.User{ID: fmt.Sprint(i), Name: "n", Room: "r"})
	}
	save(t, a.users, users...)
	save(t, b.users, store.User{ID: "x", Name: "n", Room: "r"})
	a.notice("k", "j", "k", "gone", "i")
	a.WithdrawNotice("gone")
	a.WithdrawNotice("never there")
	b.notice("mine")
	a.settled(t)
	steady(t, b, c)

	start := time.Now()
	a.kill()
	var got death
	by := b
	select {
	case got = <-b.dead:
	case got = <-c.dead:
		by = c
	case <-time.After(patience):
		t.Fatal("nobody was told")
	}
	if took := time.Since(start); took > testLease+2*testBeat {
		t.Errorf("took %v, want a lease and a look", took)
	}
	wantDeath(t, got, "a", "i", "j", "k", "k")
	released, err := by.users.Release(t.Context(), "a")
	if err != nil || !slices.Equal(released, users) {
		t.Errorf("Release = %v, %v, want %v", released, err, users)
	}
	wantRoom(t, c.users, "r", store.User{ID: "x", Name: "n", Room: "r"})
	raw := client(t, url)
	eventually(t, "nothing is left of the node but that it is dead", func() bool {
		all := strings.Join(raw.Keys(t.Context(), "*").Val(), " ")
		return !strings.Contains(all, a.me().run) && !strings.Contains(all, "work") && !strings.Contains(all, "claim")
	})
	wantSilence(t, b, c)
	wantKeysBounded(t, raw)
}

// TestWholeClusterDies: the last nodes leave their remains to the first of the next cluster.
func TestWholeClusterDies(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
	a.notice("ka")
	b.notice("kb")
	a.settled(t)
	b.settled(t)
	a.kill()
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := startNode(t, url, "c", nil)
	wantDeath(t, receive(t, "b is carried out", c.dead), "b", "kb")
	wantDeath(t, receive(t, "a is carried out", c.dead), "a", "ka")
}

func TestManyDieAtOnce(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
	var doomed []*testNode
	for i := range 6 {
		n := startNode(t, url, fmt.Sprint("n", i), nil)
		n.notice(fmt.Sprint("k", i))
		n.settled(t)
		doomed = append(doomed, n)
	}
	steady(t, a, b)
	for _, n := range doomed {
		n.kill()
	}
	told := make(map[string]int)
	for range doomed {
		var d death
		select {
		case d = <-a.dead:
		case d = <-b.dead:
		case <-time.After(patience):
			t.Fatalf("not all were told of: %v", told)
		}
		told[d.node]++
		wantDeath(t, d, d.node, "k"+d.node[1:])
	}
	if len(told) != len(doomed) {
		t.Errorf("told of %v, want each once", told)
	}
	wantSilence(t, a, b)
}

// TestClaimerDies: who carries out what a node left dies in the middle.
func TestClaimerDies(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a := startNode(t, url, "a", nil)
	b := startNode(t, url, "b", nil)
	b.hold = make(chan struct{})
	a.notice("k")
	a.settled(t)
	steady(t, b)
	a.kill()
	d := receive(t, "b is told", b.dead)
	wantDeath(t, d, "a", "k")
	c := startNode(t, url, "c", nil)
	b.link.Close() // killed, it says nothing about its work either
	told := []death{receive(t, "c is told", c.dead), receive(t, "c is told of the other", c.dead)}
	slices.SortFunc(told, func(x, y death) int { return strings.Compare(x.node, y.node) })
	wantDeath(t, told[0], "a", "k")
	wantDeath(t, told[1], "b")
	receive(t, "the ctx of b's work is over", d.ctx.Done())
	wantSilence(t, c)
}

// TestClaimerCloses: it lets go of what it is at, and another goes on at once.
func TestClaimerCloses(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a := startNode(t, url, "a", nil)
	b := startNode(t, url, "b", nil)
	b.hold = make(chan struct{})
	a.notice("k")
	a.settled(t)
	steady(t, b)
	a.kill()
	wantDeath(t, receive(t, "b is told", b.dead), "a", "k")
	c := startNode(t, url, "c", nil)
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantDeath(t, receive(t, "c is told instead", c.dead), "a", "k")
	wantSilence(t, c)
}

// TestNodeComesBack: a node was stopped for longer than its lease, and goes on.
func TestNodeComesBack(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a := startNode(t, url, "a", func(o *NodeOptions) { o.Beat = never })
	b := startNode(t, url, "b", nil)
	b.hold = make(chan struct{})
	user := store.User{ID: "1", Name: "n", Room: "r"}
	save(t, a.users, user)
	a.notice("k", "k", "j")
	a.settled(t)
	wantDeath(t, receive(t, "b is told", b.dead), "a", "j", "k", "k")

	old := a.me().run
	a.notice("new")
	a.WithdrawNotice("j")
	a.contact.gap = testLease
	if err := a.beatOnce(); err != nil {
		t.Fatal(err)
	}
	if a.me().run == old {
		t.Error("the incarnation is the same")
	}
	raw := client(t, url)
	eventually(t, "its notices are written again", func() bool {
		notices, err := readNotices(t.Context(), a.link, noticeKeysOf("p", a.me().run).notices)
		return err == nil && slices.Equal(noticeKeyList(notices), []string{"k", "k", "new"})
	})
	if released, err := b.users.Release(t.Context(), "a"); len(released) != 0 || err != nil {
		t.Errorf("Release = %v, %v, want nobody: the node is back", released, err)
	}
	select {
	case <-a.returns:
		t.Error("OnReturn came before the others had ended")
	default:
	}
	b.hold <- struct{}{}
	if declaredDead := receive(t, "a is told that it is back", a.returns); !declaredDead {
		t.Error("OnReturn(false), want true")
	}
	wantRoom(t, b.users, "r", user)
	if n := raw.Exists(t.Context(), noticeKeysOf("p", old).notices).Val(); n != 0 {
		t.Error("the notices of the old incarnation are there still")
	}
	if err := a.beatOnce(); err != nil {
		t.Fatal(err)
	}
	wantSilence(t, b)
}

// TestNodeComesBackUnnoticed: it was declared dead, and nobody has begun with what it left.
func TestNodeComesBackUnnoticed(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a := startNode(t, url, "a", func(o *NodeOptions) { o.Beat = never })
	a.notice("k")
	a.settled(t)
	raw, k := client(t, url), keysOf("p")
	if _, err := goredis.NewScript(scriptText("head", "registry")+"bury(ARGV[1], clock()) return 0").
		Run(t.Context(), raw, k.all(), "a").Result(); err != nil {
		t.Fatal(err)
	}
	if err := a.beatOnce(); err != nil {
		t.Fatal(err)
	}
	if declaredDead := receive(t, "a is told that it is back", a.returns); !declaredDead {
		t.Error("OnReturn(false), want true")
	}
	if n := raw.ZCard(t.Context(), k.work).Val(); n != 0 {
		t.Errorf("%d of its remains are to be carried out, want none", n)
	}
}

func TestRedisForgets(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
	user := store.User{ID: "1", Name: "n", Room: "r"}
	save(t, a.users, user)
	a.notice("k")
	a.settled(t)
	if err := client(t, url).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*testNode{a, b} {
		if declaredDead := receive(t, n.o.ID+" is told that it is back", n.returns); declaredDead {
			t.Errorf("OnReturn(true) of %s, want false", n.o.ID)
		}
	}
	notices, err := readNotices(t.Context(), a.link, noticeKeysOf("p", a.me().run).notices)
	if err != nil || !slices.Equal(noticeKeyList(notices), []string{"k"}) {
		t.Errorf("notices = %v, %v, want k", notices, err)
	}
	if err := a.users.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRoom(t, b.users, "r", user)
	wantSilence(t, a, b)
}

// TestRedisRestarts: everybody is registered again, nobody is declared dead.
func TestRedisRestarts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startNode(t, server.URL(), "a", nil), startNode(t, server.URL(), "b", nil)
	a.notice("before", "back")
	a.settled(t)
	steady(t, a, b)
	server.Stop()
	eventually(t, "the links are down", func() bool { return !a.link.Up() && !b.link.Up() })
	a.notice("while", "never")
	a.WithdrawNotice("never")
	a.WithdrawNotice("back")
	if a.TakeOver(t.Context(), "k") {
		t.Error("Claim = true without redis")
	}
	eventually(t, "a lease has passed", func() bool { return a.contact.lost(time.Now()) && b.contact.lost(time.Now()) })
	server.Start()
	for _, n := range []*testNode{a, b} {
		if declaredDead := receive(t, n.o.ID+" is told that it is back", n.returns); declaredDead {
			t.Errorf("OnReturn(true) of %s, want false", n.o.ID)
		}
	}
	notices, err := readNotices(t.Context(), a.link, noticeKeysOf("p", a.me().run).notices)
	if err != nil || !slices.Equal(noticeKeyList(notices), []string{"before", "while"}) {
		t.Errorf("notices = %v, %v, want before and while", notices, err)
	}
	steady(t, a, b)
	wantSilence(t, a, b)
	wantKeysBounded(t, client(t, server.URL()))
}

// TestRedisPauses: Redis stops for longer than a lease and goes on, with its data and with commands it was sent meanwhile.
// Everybody's lease has run out, and nobody is declared dead.
func TestRedisPauses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	if !server.Real() {
		t.Skip("miniredis cannot be paused: this test needs redis-server in PATH")
	}
	a, b, c := startNode(t, server.URL(), "a", nil), startNode(t, server.URL(), "b", nil), startNode(t, server.URL(), "c", nil)
	a.notice("k")
	a.settled(t)
	steady(t, a, b, c)
	server.Pause()
	a.notice("while")
	eventually(t, "a lease has passed", func() bool {
		return a.contact.lost(time.Now()) && b.contact.lost(time.Now()) && c.contact.lost(time.Now())
	})
	server.Resume()
	steady(t, a, b, c)
	eventually(t, "the notices are written", func() bool {
		notices, err := readNotices(t.Context(), a.link, noticeKeysOf("p", a.me().run).notices)
		return err == nil && slices.Equal(noticeKeyList(notices), []string{"k", "while"})
	})
	wantSilence(t, a, b, c)
	for _, n := range []*testNode{a, b, c} {
		select {
		case <-n.returns:
			t.Errorf("%s was registered again, want the lease renewed", n.o.ID)
		default:
		}
	}
}

// TestSweep: users of a node that nobody knows of are taken out too.
func TestSweep(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	l := dial(t, url)
	for _, id := range []string{"ghost", "a ghost: of two", "x"} {
		save(t, NewUsers(l, "p", id), store.User{ID: "u" + id, Name: "n", Room: "r"})
	}
	a := startNode(t, url, "a", nil)
	save(t, a.users, store.User{ID: "mine", Name: "n", Room: "r"})
	got := make(map[string]bool)
	for range 3 {
		d := receive(t, "a is told of a ghost", a.dead)
		wantDeath(t, d, d.node)
		got[d.node] = true
		if users, err := a.users.Release(t.Context(), d.node); err != nil || len(users) != 1 {
			t.Errorf("Release = %v, %v, want one user", users, err)
		}
	}
	if !got["ghost"] || !got["a ghost: of two"] || !got["x"] {
		t.Errorf("told of %v, want all three", got)
	}
	wantRoom(t, a.users, "r", store.User{ID: "mine", Name: "n", Room: "r"})
}

// TestNodeOnMiniredis: all scripts run there.
func TestNodeOnMiniredis(t *testing.T) {
	t.Parallel()
	backends(t, func(t *testing.T, url string) {
		a, b := startNode(t, url, "a", nil), startNode(t, url, "b", nil)
		a.notice("k", "k", "j")
		if err := a.Leave(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		wantDeath(t, receive(t, "b is told that a leaves", b.leavings), "a", "j", "k", "k")
		if !b.TakeOver(t.Context(), "k") {
			t.Error("Claim = false, want true")
		}
		a.WithdrawNotice("k")
		a.notice("i")
		wantDeath(t, receive(t, "b is told", b.dead), "a", "i", "j", "k")
	})
}
