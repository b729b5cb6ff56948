package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signalbox/store"
	"signalbox/store/redis/redistest"
	"signalbox/store/redislink"
	"signalbox/store/storetest"

	"github.com/alicebob/miniredis/v2"
)

// historyWait bounds every wait of these tests.
const historyWait = 20 * time.Second

// fastHistory makes what is looked at now and then looked at often.
var fastHistory = historyOptions{backlogBytes: 32 << 20, surveyEvery: 50 * time.Millisecond, surveyGap: 5 * time.Millisecond}

// historyLink opens a link and waits until it is up.
func historyLink(t testing.TB, o redislink.Options) *redislink.Link {
	t.Helper()
	if o.Beat == 0 {
		o.Beat = 50 * time.Millisecond
	}
	if o.Timeout == 0 {
		o.Timeout = historyWait // the machine may be a slow one
	}
	l, err := redislink.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	historyUntil(t, "the link is up", l.Up)
	return l
}

// openHistory opens a history on a link of its own.
func openHistory(t testing.TB, o redislink.Options, limits store.HistoryLimits, options historyOptions) *History {
	t.Helper()
	h, err := newHistory(historyLink(t, o), "test", limits, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), historyWait) // the test's own context has ended
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

// historyUntil waits until something is so.
func historyUntil(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(historyWait)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

func written(t testing.TB, h *History) {
	t.Helper()
	historyUntil(t, "everything is written", func() bool { return h.Stats().Pending == 0 })
}

// said is the n-th message of somebody.
func said(who string, n int) store.Message {
	return store.Message{
		ID: fmt.Sprintf("%s-%d", who, n), JSON: fmt.Sprintf(`{"from":"%s","n":%d}`, who, n),
		Time: time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC),
	}
}

func say(t testing.TB, h *History, room, who string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := h.Append(room, said(who, n)); err != nil {
			t.Fatal(err)
		}
	}
}

func historyIDs(messages []store.Message) (ids []string) {
	for i := range messages {
		ids = append(ids, messages[i].ID)
	}
	return ids
}

// saidIDs returns the ids of messages from up to, and without, to.
func saidIDs(who string, from, to int) (ids []string) {
	for n := from; n < to; n++ {
		ids = append(ids, said(who, n).ID)
	}
	return ids
}

func wantLast(t testing.TB, h *History, room string, n int, want []string) {
	t.Helper()
	got, err := h.Last(context.Background(), room, n)
	if err != nil {
		t.Fatalf("Last(%q): %v", room, err)
	}
	if ids := historyIDs(got); !slices.Equal(ids, want) {
		t.Fatalf("Last(%q) = %v, want %v", room, ids, want)
	}
}

func testContract(t *testing.T, url string) {
	cases := 0
	storetest.TestHistory(t, func(t *testing.T, limits store.HistoryLimits) store.History {
		l := historyLink(t, redislink.Options{URL: url})
		cases++
		h, err := NewHistory(l, fmt.Sprint("contract", cases), limits)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return h
	})
}

func TestHistoryContract(t *testing.T) {
	testContract(t, redistest.Start(t).URL())
}

func TestHistoryContractOnMiniredis(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err == nil && os.Getenv("LONG") != "1" {
		t.Skip("there is a real Redis, for TestHistoryContract; make test-long runs this one too, with LONG=1")
	}
	testContract(t, "redis://"+miniredis.RunT(t).Addr())
}

// A Redis Cluster refuses scripts whose keys are in several slots, and the lanes are on several masters.
func TestHistoryContractOnACluster(t *testing.T) {
	testContract(t, redistest.StartCluster(t, 3, false).URL())
}

func TestHistoryOptions(t *testing.T) {
	l := historyLink(t, redislink.Options{URL: redistest.Start(t).URL()})
	if _, err := NewHistory(l, "p", store.HistoryLimits{RoomMessages: -1}); err == nil {
		t.Error("limits below zero are taken")
	}
	if _, err := NewHistory(l, "p{}", store.HistoryLimits{}); err == nil {
		t.Error("a prefix that has a Redis Cluster spread the keys is taken")
	}
}

// Two nodes append at once: both read the same, everything, and in the order in which each node has said it.
func TestHistoryOfTwoNodes(t *testing.T) {
	server := redistest.Start(t)
	const each = 300
	nodes := []*History{
		openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions),
		openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions),
	}
	var wg sync.WaitGroup
	for i, h := range nodes {
		wg.Go(func() {
			who := fmt.Sprint("node", i)
			for n := range each {
				if err := h.Append("r", said(who, n)); err != nil {
					t.Error(err)
				}
				if n%10 > 0 {
					continue
				}
				got, err := h.Last(t.Context(), "r", 2*each)
				if err != nil {
					t.Error(err)
				}
				if own := onlyOf(who, historyIDs(got)); !slices.Equal(own, saidIDs(who, 0, n+1)) {
					t.Errorf("%s reads %d messages of its own after %d", who, len(own), n+1)
				}
			}
		})
	}
	wg.Wait()
	for _, h := range nodes {
		written(t, h)
	}
	one, err := nodes[0].Last(t.Context(), "r", 2*each)
	if err != nil {
		t.Fatal(err)
	}
	wantLast(t, nodes[1], "r", 2*each, historyIDs(one))
	for i := range nodes {
		who := fmt.Sprint("node", i)
		if got := onlyOf(who, historyIDs(one)); !slices.Equal(got, saidIDs(who, 0, each)) {
			t.Errorf("%s has said %d messages, in the history are, in this order, %v", who, each, got)
		}
	}
	// Pages go over what both have said.
	page, err := nodes[1].Before(t.Context(), "r", store.Cursor{ID: one[400].ID}, 150)
	if err != nil || !slices.Equal(historyIDs(page), historyIDs(one[250:400])) {
		t.Errorf("Before = %d messages, %v, want the 150 before", len(page), err)
	}
}

func onlyOf(who string, ids []string) (own []string) {
	for _, id := range ids {
		if strings.HasPrefix(id, who+"-") {
			own = append(own, id)
		}
	}
	return own
}

// Who gets a message by pub/sub finds it in the history.
func TestHistoryIsAheadOfThePublish(t *testing.T) {
	server := redistest.Start(t)
	a := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	b := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	const count = 500
	got := make(chan string, count)
	sub := b.link.Subscriber(func(m redislink.Message) { got <- string(m.Payload) })
	if err := sub.Subscribe(t.Context(), redislink.Plain, "said"); err != nil {
		t.Fatal(err)
	}
	for n := range count {
		m := said("a", n)
		if err := a.Append(fmt.Sprint("room", n%7), m); err != nil {
			t.Fatal(err)
		}
		if !a.link.Publish("said", []byte(m.ID)) {
			t.Fatal("a publish was not taken")
		}
	}
	for n := range count {
		select {
		case id := <-got:
			if id != said("a", n).ID {
				t.Fatalf("%s was received, want %s", id, said("a", n).ID)
			}
			if _, err := b.Before(t.Context(), fmt.Sprint("room", n%7), store.Cursor{ID: id}, 1); err != nil {
				t.Errorf("%s is not in the history when it is received: %v", id, err)
			}
		case <-time.After(historyWait):
			t.Fatalf("message %d is not received", n)
		}
	}
}

func TestHistoryWhileRedisIsAway(t *testing.T) {
	server := redistest.Start(t)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	say(t, h, "r", "a", 0, 10)
	written(t, h)
	server.Stop()
	historyUntil(t, "the link is down", func() bool { return !h.link.Up() })
	say(t, h, "r", "a", 10, 20)
	got, err := h.Last(t.Context(), "r", 15)
	if !errors.Is(err, redislink.ErrAway) || !slices.Equal(historyIDs(got), saidIDs("a", 5, 20)) {
		t.Errorf("Last while away = %v, %v, want the last 15 and ErrAway", historyIDs(got), err)
	}
	got, err = h.Before(t.Context(), "r", store.Cursor{ID: "a-12"}, 5)
	if !errors.Is(err, redislink.ErrAway) || !slices.Equal(historyIDs(got), saidIDs("a", 7, 12)) {
		t.Errorf("Before while away = %v, %v, want five and ErrAway", historyIDs(got), err)
	}
	got, err = h.Before(t.Context(), "r", store.Cursor{ID: "gone", Time: said("a", 3).Time}, 5)
	if !errors.Is(err, redislink.ErrAway) || !slices.Equal(historyIDs(got), saidIDs("a", 0, 3)) {
		t.Errorf("Before a time while away = %v, %v, want three and ErrAway", historyIDs(got), err)
	}
	if got, err = h.Before(t.Context(), "r", store.Cursor{ID: "gone"}, 5); !errors.Is(err, redislink.ErrAway) || len(got) > 0 {
		t.Errorf("Before an unknown message while away = %v, %v, want ErrAway", historyIDs(got), err)
	}
	if got, err = h.Last(t.Context(), "other", 5); !errors.Is(err, redislink.ErrAway) || len(got) > 0 {
		t.Errorf("Last of another room while away = %v, %v, want ErrAway", historyIDs(got), err)
	}

	server.Start() // without what it had, and without the script
	historyUntil(t, "the link is up", h.link.Up)
	written(t, h)
	say(t, h, "r", "a", 20, 25)
	wantLast(t, h, "r", 50, saidIDs("a", 10, 25))
	written(t, h)
	if s := h.Stats(); s.Lost != 0 || s.Written != 25 {
		t.Errorf("Stats = %+v, want 25 written and none lost", s)
	}
}

// Redis does not answer for a while, but has got what was sent: nothing is there twice, nothing lacks.
func TestHistoryWhileRedisHangs(t *testing.T) {
	server := redistest.Start(t)
	h := openHistory(t, redislink.Options{URL: server.URL(), Timeout: 200 * time.Millisecond}, store.HistoryLimits{}, defaultHistoryOptions)
	n := 0
	for range 3 {
		say(t, h, "r", "a", n, n+50)
		server.Pause()
		say(t, h, "r", "a", n+50, n+100)
		got, err := h.Last(t.Context(), "r", 10)
		if err == nil || !slices.Equal(historyIDs(got), saidIDs("a", n+90, n+100)) {
			t.Errorf("Last = %v, %v, want the last ten and an error", historyIDs(got), err)
		}
		historyUntil(t, "the link is down", func() bool { return !h.link.Up() })
		say(t, h, "r", "a", n+100, n+150)
		server.Resume()
		n += 150
	}
	historyUntil(t, "the link is up", h.link.Up)
	wantLast(t, h, "r", 1000, saidIDs("a", 0, n))
	written(t, h)
	wantLast(t, h, "r", 1000, saidIDs("a", 0, n))
}

// Connections break between what was sent and its answer, again and again.
func TestHistoryOverBreakingConnections(t *testing.T) {
	server := redistest.Start(t)
	p := newCutter(t, server.Addr())
	h := openHistory(t, redislink.Options{URL: "redis://" + p.addr()}, store.HistoryLimits{}, defaultHistoryOptions)
	other := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{}, defaultHistoryOptions)
	const rounds, each = 6, 60
	for i := range rounds {
		historyUntil(t, "the link is up", h.link.Up)
		p.cutAfter(700) // in the middle of the answers
		say(t, h, "r", "a", i*each, (i+1)*each)
		say(t, other, "r", "b", i*each, (i+1)*each)
		<-p.cut
	}
	historyUntil(t, "the link is up", h.link.Up)
	written(t, h)
	written(t, other)
	got, err := other.Last(t.Context(), "r", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"a", "b"} {
		if ids := onlyOf(who, historyIDs(got)); !slices.Equal(ids, saidIDs(who, 0, rounds*each)) {
			t.Errorf("%s has said %d messages, in the history are %d: %v", who, rounds*each, len(ids), ids)
		}
	}
	if s := h.Stats(); s.Failures == 0 || s.Lost != 0 {
		t.Errorf("Stats = %+v, want failures and none lost", s)
	}
}

// The queue of the link is full: what does not fit waits, and beyond the bound for that the oldest are lost.
func TestHistoryWithAFullQueue(t *testing.T) {
	server := redistest.Start(t)
	options := defaultHistoryOptions
	options.backlogBytes = 200 * 1000
	h := openHistory(t, redislink.Options{URL: server.URL(), QueueBytes: 40_000, Timeout: time.Minute}, store.HistoryLimits{}, options)
	say(t, h, "r", "a", 0, 1)
	written(t, h)
	server.Pause()
	long := strings.Repeat("x", 1000-messageBytes-4)
	add := func(from, to int) {
		for n := from; n < to; n++ {
			if err := h.Append("r", store.Message{ID: fmt.Sprint(n), JSON: long}); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(1000, 1150)
	if s := h.Stats(); s.Pending != 150 || s.Lost != 0 {
		t.Errorf("Stats = %+v, want 150 pending", s)
	}
	add(1150, 1500)
	lost := int(h.Stats().Lost)
	if lost < 240 || lost > 300 {
		t.Errorf("%d messages were lost, want 500 but 200 that wait and some that are on their way", lost)
	}
	server.Resume()
	written(t, h)
	got, err := h.Last(t.Context(), "r", 1000)
	if err != nil || len(got) != 501-lost {
		t.Fatalf("Last = %d messages, %v, want %d", len(got), err, 501-lost)
	}
	if ids := historyIDs(got)[1:]; !slices.IsSorted(ids) || ids[len(ids)-1] != "1499" {
		t.Errorf("the history is %v, want it in order and up to the newest", ids)
	}
}

// Redis forgets the scripts while messages are on their way.
func TestHistoryWhileScriptsAreForgotten(t *testing.T) {
	server := redistest.Start(t)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{RoomMessages: 5000}, defaultHistoryOptions)
	for n := range 2000 {
		say(t, h, "r", "a", n, n+1)
		if n%50 == 0 {
			if _, err := h.link.Do(t.Context(), "script", "flush"); err != nil {
				t.Fatal(err)
			}
		}
		if n%333 == 0 {
			wantLast(t, h, "r", 5, saidIDs("a", max(0, n-4), n+1))
		}
	}
	written(t, h)
	wantLast(t, h, "r", 5000, saidIDs("a", 0, 2000))
	if s := h.Stats(); s.Failures == 0 || s.Lost != 0 {
		t.Errorf("Stats = %+v, want failures and none lost", s)
	}
}

// holdHistory keeps a room's messages from being sent, as when the queue is full, until release is called.
func holdHistory(h *History, room string) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &h.lanes[h.keys.place(room).lane]
	l.broken = true
	l.onTheWay++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		l.onTheWay--
		notify(h.wake)
	}
}

func TestHistoryReadsWhatIsNotWritten(t *testing.T) {
	server := redistest.Start(t)
	h := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{RoomMessages: 20}, defaultHistoryOptions)
	other := openHistory(t, redislink.Options{URL: server.URL()}, store.HistoryLimits{RoomMessages: 20}, defaultHistoryOptions)
	say(t, h, "r", "a", 0, 10)
	written(t, h)
	release := holdHistory(h, "r")
	say(t, h, "r", "a", 10, 16)
	wantLast(t, h, "r", 4, saidIDs("a", 12, 16))
	wantLast(t, h, "r", 50, saidIDs("a", 0, 16))
	wantLast(t, other, "r", 50, saidIDs("a", 0, 10))
	before := func(c store.Cursor, limit, from, to int) {
		t.Helper()
		got, err := h.Before(t.Context(), "r", c, limit)
		if err != nil || !slices.Equal(historyIDs(got), saidIDs("a", from, to)) {
			t.Errorf("Before(%v) = %v, %v, want %d to %d", c, historyIDs(got), err, from, to)
		}
	}
	before(store.Cursor{ID: "a-14"}, 7, 7, 14)
	before(store.Cursor{ID: "a-10"}, 7, 3, 10)
	before(store.Cursor{ID: "a-5"}, 3, 2, 5)
	before(store.Cursor{Time: said("a", 13).Time}, 7, 6, 13)
	before(store.Cursor{Time: said("a", 9).Time}, 7, 2, 9)
	before(store.Cursor{ID: "gone", Time: said("a", 13).Time}, 7, 6, 13)
	before(store.Cursor{ID: "gone", Time: said("a", 3).Time}, 7, 0, 3)
	before(store.Cursor{ID: "a-2", Time: said("a", 13).Time}, 7, 0, 2)
	before(store.Cursor{ID: "a-12", Time: said("a", 3).Time}, 7, 5, 12)
	if _, err := h.Before(t.Context(), "r", store.Cursor{ID: "gone"}, 5); !errors.Is(err, store.ErrUnknownMessage) {
		t.Errorf("Before an unknown message = %v", err)
	}

	// The bound of the room holds with what is not written.
	say(t, h, "r", "a", 16, 25)
	wantLast(t, h, "r", 50, saidIDs("a", 5, 25))
	before(store.Cursor{ID: "a-7"}, 7, 5, 7)
	before(store.Cursor{Time: said("a", 4).Time}, 7, 0, 0)
	if _, err := h.Before(t.Context(), "r", store.Cursor{ID: "a-4"}, 5); !errors.Is(err, store.ErrUnknownMessage) {
		t.Errorf("Before a message that has gone = %v", err)
	}
	say(t, h, "r", "a", 25, 50)
	wantLast(t, h, "r", 50, saidIDs("a", 30, 50))
	before(store.Cursor{ID: "a-33"}, 7, 30, 33)

	release()
	written(t, h)
	wantLast(t, h, "r", 50, saidIDs("a", 30, 50))
	wantLast(t, other, "r", 50, saidIDs("a", 30, 50))
}

func TestHistoryClosedWhileRedisIsAway(t *testing.T) {
	server := redistest.Start(t)
	l := historyLink(t, redislink.Options{URL: server.URL()})
	h, err := newHistory(l, "test", store.HistoryLimits{}, defaultHistoryOptions)
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	historyUntil(t, "the link is down", func() bool { return !l.Up() })
	say(t, h, "r", "a", 0, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v, want that it gave up", err)
	}
	if err := h.Close(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("second Close = %v, want the same", err)
	}
	if s := h.Stats(); s.Lost != 3 || s.Pending != 0 {
		t.Errorf("Stats = %+v, want three lost", s)
	}
}
