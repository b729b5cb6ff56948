package workers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"signalbox/handlers/router"
	"signalbox/handlers/testkit"
	"signalbox/handlers/workers"
	"signalbox/server/app"
	"signalbox/server/hub"
	"signalbox/server/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	key      = "0123456789abcdef0123456789abcdef"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// node is a server whose namespaces /game and /shop-* are the workers'.
type node struct {
	url     string
	workers *workers.Workers
	router  *router.Router
}

// serve serves one node; on is where its hub and its place among others come from, nil: it is alone.
func serve(t testing.TB, o router.OutsideOptions, on *testkit.CloudNode, h *hub.Hub, adjust ...func(*workers.Options)) *node {
	t.Helper()
	o.Log = quiet
	allowed, err := router.ParsePatterns("/game:*,/shop-*:*")
	if err != nil {
		t.Fatal(err)
	}
	wo := workers.Options{OutsideOptions: o, Key: key, Allowed: allowed}
	if on != nil {
		wo.Nodes = on
	}
	for _, change := range adjust {
		change(&wo)
	}
	n := &node{workers: workers.New(wo), router: router.New(router.Options{Hub: h, Log: quiet})}
	n.router.Route(router.RankWorker, n.workers, allowed...)
	n.workers.SetCall(func(_ context.Context, name string, body json.RawMessage) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"called":%q,"body":%s}`, name, body))
	})
	n.url = testkit.Serve(t, h, func(cfg *socketio.Config) {
		cfg.Handlers = map[string]app.Handler{workers.Namespace: n.workers.Handler()}
		cfg.Others = n.router.Others
	}, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		n.router.Close(ctx)
		n.workers.Close(ctx)
	})
	return n
}

// alone serves a node without others.
func alone(t testing.TB, o router.OutsideOptions) *node { return serve(t, o, nil, hub.New()) }

// envelope is what a worker is told of one event.
type envelope struct {
	Type, ID, NS, Socket, User, Event, Reason string
	Seq                                       int
	Args                                      []json.RawMessage
	Ack                                       bool
}

// worker is a backend that answers each event with what its function says; "" is no answer.
type worker struct {
	*testkit.Wire
	id   string
	done sync.WaitGroup
}

// start connects a worker and has it claim patterns. It ends with its connection.
func start(t testing.TB, n *node, answer func(envelope) string, patterns ...string) *worker {
	t.Helper()
	w := connect(t, n)
	claim(t, w, patterns...)
	w.done.Go(func() {
		for {
			packet, err := w.TryRead()
			if err != nil {
				return
			}
			rest, ok := strings.CutPrefix(packet, "42/backend,")
			id, body, _ := strings.Cut(rest, "[")
			var args []json.RawMessage
			var told struct{ Events []envelope }
			if !ok || json.Unmarshal([]byte("["+body), &args) != nil || string(args[0]) != `"events"` || json.Unmarshal(args[1], &told) != nil {
				continue
			}
			var results []string
			for _, e := range told.Events {
				results = append(results, answer(e))
			}
			if !slices.Contains(results, "") {
				w.TrySend(fmt.Sprintf(`43/backend,%s[{"results":[%s]}]`, id, strings.Join(results, ",")))
			}
		}
	})
	t.Cleanup(func() { w.Cut(); w.done.Wait() })
	return w
}

func connect(t testing.TB, n *node) *worker {
	t.Helper()
	w := &worker{Wire: testkit.Dial(t, n.url)}
	w.id = w.Join("/backend", `{"key":"`+key+`"}`)
	return w
}

func claim(t testing.TB, w *worker, patterns ...string) {
	t.Helper()
	list, _ := json.Marshal(patterns)
	w.Send(fmt.Sprintf(`42/backend,1["handle",{"events":%s}]`, list))
	w.Want(`43/backend,1[{"ok":true}]`)
}

func welcome(e envelope) string {
	if e.Type == "connect" {
		return `{"user":"7"}`
	}
	return fmt.Sprintf(`{"ack":[%d]}`, e.Seq)
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come: %s", what)
		}
	}
}

// TestWorkerIsABackend: it lets clients in, answers their events with all that hooks may answer, and hears who has left.
func TestWorkerIsABackend(t *testing.T) {
	n := alone(t, router.OutsideOptions{Notices: router.NewNotices(router.NoticeOptions{Log: quiet}), Headers: []string{"host"}})
	var mu sync.Mutex
	var told []envelope
	start(t, n, func(e envelope) string {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
		switch {
		case e.Type == "connect" && e.NS == "/shop-closed":
			return `{"refuse":{"message":"closed","data":{"until":8}}}`
		case e.Type == "connect":
			return `{"user":"42","rooms":["tea"],"emit":[{"event":"hi"}]}`
		case e.Event == "pic":
			return `{"ack":[{"_placeholder":true,"num":0}],"attachments":["AQI="]}`
		}
		return `{"emit":[{"to":"*","event":"moved","args":["e4"]}],"ack":[{"ok":1}]}`
	}, "/game:*", "/shop-*:*")
	c := testkit.Dial(t, n.url)
	sid := c.Join("/game", `{"token":"t"}`)
	c.Want(`42/game,["hi"]`)
	c.Send(`42/game,7["move","e4"]`)
	c.Want(`42/game,["moved","e4"]`, `43/game,7[{"ok":1}]`)
	c.Send(`451-/game,8["pic",{"_placeholder":true,"num":0}]`)
	c.SendBinary([]byte{1, 2})
	c.Want(`461-/game,8[{"_placeholder":true,"num":0}]`, "b\x01\x02")
	c.Send("40/shop-closed,")
	c.Want(`44/shop-closed,{"data":{"until":8},"message":"closed"}`)
	c.Send("41/game,")
	waitFor(t, "the notice", func() bool { return n.workers.Stats().Notices.Sent == 1 })
	mu.Lock()
	defer mu.Unlock()
	last := told[len(told)-1]
	if last.Type != "disconnect" || last.Socket != sid || last.User != "42" || last.Reason != "client namespace disconnect" {
		t.Errorf("told %+v, want a disconnect of %s", last, sid)
	}
	if told[1].Event != "move" || told[1].Seq != 1 || told[1].User != "42" || !told[1].Ack {
		t.Errorf("told %+v", told[1])
	}
}

func TestWhoMayBeAWorker(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	refused := func(auth, want string) {
		t.Helper()
		c := testkit.Dial(t, n.url)
		c.Send("40/backend," + auth)
		c.Want(`44/backend,{"message":"` + want + `"}`)
	}
	w := connect(t, n)
	for _, tc := range []struct{ argument, want string }{
		{`{"events":["/game:*","/other:*"]}`, `"/other:*\" may not be claimed`}, {`{"events":["/*:*"]}`, "may not be claimed"},
		{`{"events":["/backend:*"]}`, "not the application's"}, {`{"events":"/game:*"}`, "claim events by patterns"}, {`{}`, "claim events"},
		{`{"events":["game"]}`, "has no event"},
	} {
		w.Send(`42/backend,1["handle",` + tc.argument + `]`)
		if got := w.Read(); !strings.Contains(got, tc.want) || !strings.Contains(got, `"ok":false`) {
			t.Errorf("handle %s = %s, want %s", tc.argument, got, tc.want)
		}
	}
	w.Send(`42/backend,2["handle"]`, `42/backend,3["other"]`, `42/backend,4["rooms",{"kind":"room"}]`)
	for _, want := range []string{`"ok":false`, "unknown event", `43/backend,4[{"called":"rooms","body":{"kind":"room"}}]`} {
		if got := w.Read(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for range 5 {
		refused(`{"key":"wrong"}`, "wrong key")
	}
	for _, auth := range []string{`{"key":"wrong"}`, `{"key":"` + key + `"}`} {
		refused(auth, "too many wrong keys from this address: wait a minute")
	}
	if s := n.workers.Stats(); s.Refused != 7 || s.Here != 1 {
		t.Errorf("stats %+v, want 7 refused and 1 here", s)
	}
}

// TestOrderOverManySockets: each socket's events come one at a time, in order and without a gap, also while its worker
// changes.
func TestOrderOverManySockets(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience})
	const sockets, events = 20, 40
	var mu sync.Mutex
	seen, by := make(map[string]int), make(map[string]map[int]bool)
	answer := func(number int) func(envelope) string {
		return func(e envelope) string {
			mu.Lock()
			defer mu.Unlock()
			if e.Type == "event" {
				if seen[e.Socket]++; e.Seq != seen[e.Socket] || string(e.Args[0]) != strconv.Itoa(e.Seq) {
					t.Errorf("%s: seq %d with %s, want %d", e.Socket, e.Seq, e.Args[0], seen[e.Socket])
				}
				if by[e.Socket] == nil {
					by[e.Socket] = make(map[int]bool)
				}
				by[e.Socket][number] = true
			}
			return welcome(e)
		}
	}
	start(t, n, answer(1), "/game:*")
	start(t, n, answer(2), "/game:*")
	clients := make([]*testkit.Wire, sockets)
	for i := range clients {
		clients[i] = testkit.Dial(t, n.url)
		clients[i].Join("/game", "")
	}
	var done sync.WaitGroup
	half := make(chan struct{})
	for i, c := range clients {
		done.Go(func() {
			for e := 1; e <= events; e++ {
				if e == events/2 && i == 0 {
					close(half)
				}
				c.Send(fmt.Sprintf(`42/game,%d["x",%d]`, e, e))
			}
			for e := 1; e <= events; e++ {
				c.Want(fmt.Sprintf(`43/game,%d[%d]`, e, e))
			}
		})
	}
	<-half
	start(t, n, answer(3), "/game:*")
	done.Wait()
	mu.Lock()
	defer mu.Unlock()
	used := make(map[int]bool)
	for _, workers := range by {
		for number := range workers {
			used[number] = true
		}
	}
	if len(used) != 3 {
		t.Errorf("workers %v were used, want three", used)
	}
	changed := 0
	for _, workers := range by {
		if len(workers) > 2 {
			t.Errorf("a socket had %d workers, want two at most", len(workers))
		} else if len(workers) == 2 {
			changed++
		}
	}
	if changed == sockets {
		t.Error("every socket changed its worker when one came")
	}
}

// TestWorkerDies with events out: their callbacks hear so, or the next worker gets them where they are named. What comes then
// is the next one's.
func TestWorkerDies(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience, Retry: []string{"pay"}})
	got := make(chan envelope, 10)
	first := start(t, n, func(e envelope) string {
		if e.Type == "connect" {
			return `{}`
		}
		got <- e
		return ""
	}, "/game:*")
	a, b := testkit.Dial(t, n.url), testkit.Dial(t, n.url)
	a.Join("/game", "")
	b.Join("/game", "")
	a.Send(`42/game,1["pay"]`)
	b.Send(`42/game,1["say"]`, `42/game,2["again"]`)
	ids := map[string]string{}
	for range 2 {
		e := <-got
		ids[e.Event] = e.ID
	}
	again := make(chan envelope, 10)
	start(t, n, func(e envelope) string {
		again <- e
		return `{"ack":["second"]}`
	}, "/game:*")
	first.Cut()
	b.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`, `43/game,2["second"]`)
	a.Want(`43/game,1["second"]`)
	for range 2 {
		if e := <-again; e.Event == "pay" && e.ID != ids["pay"] {
			t.Errorf("pay came again as %s, want %s", e.ID, ids["pay"])
		}
	}
	if s := n.workers.Stats(); s.Died != 2 || s.Retried != 1 || s.Out != 0 {
		t.Errorf("stats %+v, want 2 died, 1 retried, none out", s)
	}
}

// TestNumbersWithoutAWorker: events that nobody was sent leave no gap.
func TestNumbersWithoutAWorker(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: 50 * time.Millisecond, ConnectWait: patience})
	first := start(t, n, func(envelope) string { return `{}` }, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Join("/game", "")
	first.Cut()
	waitFor(t, "its end", func() bool { return n.workers.Stats().Here == 0 })
	for range 3 {
		c.Send(`42/game,1["x"]`)
		c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	}
	w := connect(t, n)
	claim(t, w, "/game:*")
	c.Send(`42/game,["x"]`)
	if got := w.Read(); !strings.Contains(got, `"seq":1,`) {
		t.Errorf("told %s, want number 1", got)
	}
}

// TestWorkerThatNeverAnswers is asked last, until it says something.
func TestWorkerThatNeverAnswers(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: 100 * time.Millisecond})
	start(t, n, func(e envelope) string {
		if e.Type == "connect" {
			return `{}`
		}
		return ""
	}, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Join("/game", "")
	c.Send(`42/game,1["x"]`)
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	start(t, n, welcome, "/game:*")
	c.Send(`42/game,2["x"]`, `42/game,3["x"]`)
	c.Want(`43/game,2[2]`, `43/game,3[3]`)
	if s := n.workers.Stats(); s.Late != 1 || s.Out != 0 {
		t.Errorf("stats %+v, want 1 late, none out", s)
	}
}

func TestNonsense(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	w := connect(t, n)
	claim(t, w, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Send("40/game,")
	ask := func() string {
		t.Helper()
		id, _, _ := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
		return id
	}
	w.Send("43/backend," + ask() + `[{"results":[{}]}]`)
	c.Read()
	for _, nonsense := range []string{`[]`, `[null]`, `["x"]`, `[{}]`, `[{"results":[]}]`, `[{"results":{}}]`, `[{"results":[7]}]`,
		`[{"results":[{"emit":[{"event":"disconnect"}]}]}]`, `[{"results":[{"ack":[{"_placeholder":true,"num":0}]}]}]`,
		`[{"results":[{"data":"` + strings.Repeat("x", 17<<10) + `"}]}]`} {
		c.Send(`42/game,1["x"]`)
		id := ask()
		w.Send("43/backend,9999[1]", "43/backend,"+id+nonsense, "43/backend,"+id+`[{"results":[{"ack":["too late"]}]}]`)
		c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	}
	c.Send(`42/game,1["x"]`)
	id := ask()
	w.Send("461-/backend," + id + `[{"results":[{"ack":[{"_placeholder":true,"num":0}]}]}]`)
	w.SendBinary([]byte{1})
	c.Want(`43/game,1[{"ok":false,"error":"unavailable"}]`)
	c.Send(`42/game,2["x"]`)
	w.Send("43/backend," + ask() + `[{"results":[{"ack":["fine"]},{"more":1}]}]`)
	c.Want(`43/game,2["fine"]`)
}

// TestSoMuchIsOutAtOnce: the rest waits, and comes when there is room.
func TestSoMuchIsOutAtOnce(t *testing.T) {
	n := serve(t, router.OutsideOptions{Timeout: patience}, nil, hub.New(), func(o *workers.Options) { o.MaxOutBytes = 100 << 10 })
	release, has := make(chan struct{}), make(chan struct{})
	var first sync.Once
	start(t, n, func(e envelope) string {
		if e.Type == "event" {
			first.Do(func() {
				close(has)
				<-release
			})
		}
		return welcome(e)
	}, "/game:*")
	const clients = 20
	var all []*testkit.Wire
	for range clients {
		c := testkit.Dial(t, n.url)
		c.Join("/game", "")
		all = append(all, c)
	}
	for _, c := range all {
		c.Send(`42/game,1["x","` + strings.Repeat("x", 10<<10) + `"]`)
	}
	<-has
	waitFor(t, "the rest waits", func() bool { s := n.workers.Stats(); return s.Out+s.Waiting == clients })
	if s := n.workers.Stats(); s.Out != 9 {
		t.Errorf("%d events of 10 KiB are out, want 9, which are less than 100 KiB", s.Out)
	}
	close(release)
	for _, c := range all {
		c.Want(`43/game,1[1]`)
	}
}

// TestWorkerStartsAnew: nobody notices, where it does not take longer than an answer may.
func TestWorkerStartsAnew(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience, Notices: router.NewNotices(router.NoticeOptions{Log: quiet})})
	first := start(t, n, welcome, "/game:*")
	c, leaves := testkit.Dial(t, n.url), testkit.Dial(t, n.url)
	c.Join("/game", "")
	leaves.Join("/game", "")
	first.Cut()
	waitFor(t, "its end", func() bool { return n.workers.Stats().Here == 0 })
	c.Send(`42/game,1["x"]`)
	leaves.Cut()
	other := testkit.Dial(t, n.url)
	other.Send(`40/game,`)
	left := make(chan string, 10)
	start(t, n, func(e envelope) string {
		if e.Type == "disconnect" {
			left <- e.Reason
		}
		return welcome(e)
	}, "/game:*")
	c.Want(`43/game,1[1]`)
	other.Read()
	if reason := <-left; reason != "transport close" && reason != "transport error" {
		t.Errorf("left for %q", reason)
	}
}

// TestFloodIsNotTheWorkers: a client that sends faster than the worker answers waits, and the worker has one of its events.
func TestFloodIsNotTheWorkers(t *testing.T) {
	n := alone(t, router.OutsideOptions{Timeout: patience})
	release := make(chan struct{})
	start(t, n, func(e envelope) string {
		if e.Event == "flood" {
			<-release
		}
		return welcome(e)
	}, "/game:*")
	c := testkit.Dial(t, n.url)
	c.Join("/game", "")
	for range 500 {
		c.Send(`42/game,["flood"]`)
	}
	c.Send(`42/game,9["last"]`)
	waitFor(t, "the client waits", func() bool { return n.router.Stats().Full > 0 })
	if s := n.workers.Stats(); s.Out != 1 || s.Waiting != 0 {
		t.Errorf("%d out and %d waiting, want one of one socket", s.Out, s.Waiting)
	}
	close(release)
	c.Want(`43/game,9[501]`)
}

// TestCallsSideBySide: so many calls of the API and no more, and what waits for them holds up nothing else.
func TestCallsSideBySide(t *testing.T) {
	n := alone(t, router.OutsideOptions{})
	release := make(chan struct{})
	n.workers.SetCall(func(context.Context, string, json.RawMessage) json.RawMessage {
		<-release
		return json.RawMessage(`{"ok":true}`)
	})
	w := connect(t, n)
	claim(t, w, "/game:*")
	const most = 256
	for i := range most {
		w.Send(fmt.Sprintf(`42/backend,%d["emit",{}]`, 10+i))
	}
	w.Send(`42/backend,1000["emit",{}]`)
	if got := w.Read(); !strings.HasPrefix(got, "43/backend,1000[") || !strings.Contains(got, "too_many_calls") {
		t.Errorf("one more call = %s", got)
	}
	c := testkit.Dial(t, n.url)
	c.Send("40/game,")
	id, _, _ := strings.Cut(strings.TrimPrefix(w.Read(), "42/backend,"), "[")
	w.Send("43/backend," + id + `[{"results":[{}]}]`)
	c.Read()
	close(release)
	for range most {
		if got := w.Read(); !strings.HasSuffix(got, `[{"ok":true}]`) {
			t.Fatalf("a call = %s", got)
		}
	}
}
